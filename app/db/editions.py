"""Editions: stored once, published once, and never changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer
from sqlmodel import col

from app.db import webhooks
from app.db.tables import Edition
from app.domain.comparison import CriterionNotFoundError
from app.domain.errors import (
    AgencyNotFoundError,
    EditionExistsError,
    EditionNotFoundError,
    EditionNotRevisableError,
    EditionPublishedError,
    Fault,
    InvalidError,
    UnknownReferenceError,
)
from app.domain.webhook import edition_published


@dataclass(frozen=True, slots=True)
class Entry:
    """An edition without its document, and the published one that superseded it."""

    edition: Edition
    superseded_by: str | None


_successor = aliased(Edition)
_WHOLE = select(Edition, col(_successor.code)).outerjoin(
    _successor,
    (col(_successor.supersedes) == Edition.code) & col(_successor.published_at).is_not(None),
)
_ENTRY = _WHOLE.options(
    defer(Edition.document)  # type: ignore[arg-type]  # a column of the mapped class
)


async def get(session: AsyncSession, code: str, pointer: str = "/path/edition") -> Entry:
    """The edition, published or not; raises EditionNotFoundError."""
    entry = await _find(session, code)
    if entry is None:
        raise EditionNotFoundError(Fault(pointer, "edition-not-found", {"code": code}))
    return entry


async def _find(session: AsyncSession, code: str) -> Entry | None:
    found = (await session.execute(_ENTRY.where(col(Edition.code) == code))).first()
    return None if found is None else Entry(*found)


async def hold(session: AsyncSession, code: str) -> Entry:
    """The edition, which nobody changes or discards until the transaction ends.

    Raises EditionNotFoundError.
    """
    mine = select(col(Edition.code)).where(col(Edition.code) == code).with_for_update()
    await session.execute(mine)
    return await get(session, code)


async def document(session: AsyncSession, code: str, pointer: str = "/path/edition") -> bytes:
    """The edition's document; raises EditionNotFoundError."""
    stmt = select(col(Edition.document)).where(col(Edition.code) == code)
    found = await session.scalar(stmt)
    if found is None:
        raise EditionNotFoundError(Fault(pointer, "edition-not-found", {"code": code}))
    return found


async def held(session: AsyncSession, code: str, request: bytes) -> Entry | None:
    """The edition that this request froze before, or None; EditionExistsError of another one."""
    entry = await _find(session, code)
    return None if entry is None else _same(entry, request)


def _same(entry: Entry, request: bytes) -> Entry:
    if entry.edition.request != request:
        raise EditionExistsError(Fault("/code", "edition-exists", {"code": entry.edition.code}))
    return entry


async def check_revisable(session: AsyncSession, code: str) -> Edition:
    """The published edition that can be superseded; else a refusal."""
    entry = await _find(session, code)
    pointer, params = "/supersedes", {"code": code}
    if entry is None:
        raise UnknownReferenceError(Fault(pointer, "edition-not-found", params))
    if entry.edition.published_at is None or entry.superseded_by is not None:
        raise EditionNotRevisableError(Fault(pointer, "edition-not-revisable", params))
    return entry.edition


async def freeze(session: AsyncSession, values: dict[str, Any]) -> tuple[Entry, bool]:
    """Store a new edition and return it, and whether the same request had stored it already.

    Raises EditionExistsError when another request took its code.
    """
    stmt = insert(Edition).values(**values).on_conflict_do_nothing().returning(Edition)
    while (stored := await session.scalar(stmt)) is None:
        # The one that stood in the way may have been discarded since.
        if (entry := await _find(session, values["code"])) is not None:
            return _same(entry, values["request"]), True
    return Entry(stored, None), False


async def publish(session: AsyncSession, code: str, by: str, at: datetime) -> Entry:
    """Publish the edition for good and return it; said again it changes nothing.

    Raises EditionNotFoundError, or EditionNotRevisableError when another has superseded the same.
    """
    entry = await hold(session, code)
    if entry.edition.published_at is not None:
        return entry
    try:
        async with session.begin_nested():
            await session.execute(
                update(Edition)
                .where(col(Edition.code) == code, col(Edition.published_at).is_(None))
                .values(published_at=at, published_by=by)
            )
    except IntegrityError:
        params = {"code": entry.edition.supersedes}
        raise EditionNotRevisableError(
            Fault("/path/edition", "edition-not-revisable", params)
        ) from None
    await session.refresh(entry.edition, ["published_at", "published_by"])
    row = entry.edition
    told = edition_published(row.code, row.peer_group, (row.first, row.last), row.supersedes, at)
    await webhooks.enqueue(session, at, told)
    return entry


async def discard(session: AsyncSession, code: str) -> None:
    """Delete the edition; raises EditionNotFoundError, or EditionPublishedError."""
    stmt = delete(Edition).where(col(Edition.code) == code, col(Edition.published_at).is_(None))
    gone = await session.scalar(stmt.returning(col(Edition.code)))
    if gone is None:
        await get(session, code)
        raise EditionPublishedError(Fault("/path/edition", "edition-published", {"code": code}))


_PUBLISHED = col(Edition.published_at).is_not(None)


async def list_page(session: AsyncSession, after: str | None, limit: int) -> Sequence[Entry]:
    """Up to `limit` published editions, the latest first, that come after the one of that code.

    Raises InvalidError when that one is not published.
    """
    return await _page(session, (_PUBLISHED, col(Edition.published_at)), after, limit)


async def drafts(session: AsyncSession, after: str | None, limit: int) -> Sequence[Entry]:
    """Up to `limit` editions that are not published, the last frozen first, after that code's.

    Raises InvalidError when that one is no draft.
    """
    return await _page(session, (~_PUBLISHED, col(Edition.frozen_at)), after, limit)


async def _page(
    session: AsyncSession, kept: tuple[ColumnElement[bool], Any], after: str | None, limit: int
) -> Sequence[Entry]:
    """Up to `limit` of the editions kept, the last first, by the moment beside the condition."""
    condition, moment = kept
    stmt, code = _ENTRY.where(condition), col(Edition.code)
    if after is not None:
        then = await session.scalar(select(moment).where(code == after, condition))
        if then is None:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        stmt = stmt.where(tuple_(moment, code) < tuple_(then, after))
    stmt = stmt.order_by(moment.desc(), code.desc()).limit(limit)
    return [Entry(*found) for found in await session.execute(stmt)]


async def current(session: AsyncSession, peer_group: str | None) -> Sequence[str]:
    """The codes of the published editions that nothing has superseded, the newest period first."""
    stmt = (
        _WHOLE.with_only_columns(col(Edition.code))
        .where(_PUBLISHED, col(_successor.code).is_(None))
        .order_by(
            col(Edition.last).desc(), col(Edition.published_at).desc(), col(Edition.code).desc()
        )
    )
    if peer_group is not None:
        stmt = stmt.where(col(Edition.peer_group) == peer_group)
    return (await session.scalars(stmt)).all()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a reader is sent, and the tag that tells it from others."""

    content: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The codes of the criteria and of the agencies that an edition has figures of.

    `ranked` says whether any agency has a place.
    """

    criteria: frozenset[str]
    agencies: frozenset[str]
    ranked: bool

    def check_criterion(self, code: str) -> None:
        """Nothing when the edition ranks by the criterion; else CriterionNotFoundError."""
        if code not in self.criteria:
            raise CriterionNotFoundError(Fault("/path/criterion", "not-in-edition", {"code": code}))

    def check_agency(self, code: str) -> None:
        """Nothing when the edition has figures of the agency; else AgencyNotFoundError."""
        if code not in self.agencies:
            raise AgencyNotFoundError(Fault("/path/agency", "not-in-edition", {"code": code}))


@dataclass(slots=True)
class Publication:
    """A published edition as it is served, and the published one that superseded it."""

    code: str
    document: bytes
    digest: str
    superseded_by: str | None
    # What was made of it for readers, by what they asked for; it never changes.
    rendered: dict[tuple[str, ...], Rendered] = field(default_factory=dict)
    # What it can be asked for, once somebody did: reading a large document takes its time.
    contents: Contents | None = None


async def publication(session: AsyncSession, code: str) -> Publication:
    """The published edition; raises EditionNotFoundError."""
    stmt = _WHOLE.where(col(Edition.code) == code, col(Edition.published_at).is_not(None))
    found = (await session.execute(stmt)).first()
    if found is None:
        raise EditionNotFoundError(Fault("/path/edition", "edition-not-found", {"code": code}))
    edition, superseded_by = found
    return Publication(code, edition.document, edition.digest.hex(), superseded_by)
