"""Drafts: editions that are frozen and not published, for those who could have frozen them."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from app.api import edition_answers
from app.api.deps import Session
from app.db import editions
from app.db.editions import Entry
from app.domain.access import Caller
from app.domain.errors import AgencyNotAllowedError, EditionNotFoundError, Fault

SCOPE = "editions:write"


async def readable(
    session: Session, edition: str, caller: Caller, pointer: str = "/path/edition"
) -> bytes:
    """An edition's document; a draft's only for those who could have frozen it."""
    entry = await editions.get(session, edition, pointer)
    content = await editions.document(session, edition, pointer)
    if entry.edition.published_at is None:
        if SCOPE not in caller.scopes:
            raise EditionNotFoundError(Fault(pointer, "edition-not-found", {"code": edition}))
        await _check_shown(entry, content, caller, pointer)
    return content


async def shown(session: Session, caller: Caller, after: str | None, limit: int) -> Sequence[Entry]:
    """Up to `limit` drafts that the caller may see, the last frozen first, after that code's."""
    found: list[Entry] = []
    page: Sequence[Entry] = await editions.drafts(session, after, limit)
    while page and len(found) < limit:
        for entry in page:
            with suppress(AgencyNotAllowedError):
                if caller.agencies is not None:
                    content = await editions.document(session, entry.edition.code)
                    await _check_shown(entry, content, caller, "/query/state")
                found.append(entry)
        page = await editions.drafts(session, page[-1].edition.code, limit)
    return found[:limit]


async def _check_shown(entry: Entry, content: bytes, caller: Caller, pointer: str) -> None:
    """Nothing when every agency in the draft is the caller's, or else AgencyNotAllowedError.

    One without agencies is nobody's but its author's, and theirs whose key is not limited.
    """
    # It may be large: meanwhile others are served.
    document = await asyncio.to_thread(json.loads, content)
    agencies = edition_answers.contents(document).agencies
    for agency in sorted(agencies):
        caller.check_agency(agency, pointer)
    if not agencies and entry.edition.frozen_by != caller.key:
        caller.check_unlimited()
