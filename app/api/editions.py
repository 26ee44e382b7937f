"""Editions: freezing figures, publishing them for good, and comparing them with the present."""

import asyncio
import json
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api import freezing
from app.api.bodies import NamedOnce
from app.api.deps import (
    REPLAYS,
    Chosen,
    EditionWriter,
    IndexReader,
    Language,
    Now,
    ReferenceKey,
    Session,
    Snapshot,
)
from app.api.drafts import readable
from app.api.edition_schemas import (
    DifferencesOut,
    EditionIn,
    EditionOut,
    difference_out,
    edition_out,
)
from app.api.errors import problems
from app.api.figures import tag_figures
from app.api.freezing import Cut, Moment
from app.api.schemas import Code
from app.db import editions
from app.domain import edition as rules
from app.domain import period
from app.domain.edition_differences import differences, terms_differing
from app.domain.errors import (
    EditionExistsError,
    EditionNotFoundError,
    EditionNotRevisableError,
    EditionPublishedError,
    Fault,
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    PeerGroupNotFoundError,
    SurveyNotFoundError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/editions", tags=["editions"], route_class=NamedOnce)

Row = dict[str, Any]


@router.post(
    "",
    status_code=201,
    operation_id="freeze_edition",
    responses={
        201: REPLAYS,
        **problems(
            PeerGroupNotFoundError,
            SurveyNotFoundError,
            MethodNotFoundError,
            MethodNotApplicableError,
            EditionExistsError,
            EditionNotRevisableError,
            UnknownReferenceError,
            InvalidError,
        ),
    },
)
async def freeze_edition(
    body: EditionIn,
    request: Request,
    response: Response,
    caller: EditionWriter,
    moment: Now,
    chosen: Chosen,
    secret: ReferenceKey,
) -> EditionOut:
    """Freeze figures, rankings and all they rest on, as they are at this moment.

    What was frozen never changes; it becomes public when it is published. Sent again it is answered
    with `Idempotent-Replayed: true`.
    """
    # What is not said is left out, so that it stays the same request when there is more to say.
    asked = body.model_dump_json(exclude_defaults=True).encode()
    async with request.app.state.snapshots.begin() as session:
        entry = await editions.held(session, body.code, asked)
        if entry is None:
            minimum_n = body.minimum_n or chosen.minimum_n
            cut = await _cut(session, body, minimum_n, Moment(caller, moment, secret))
        else:
            await readable(session, body.code, caller)
    replayed = entry is not None
    if entry is None:
        # It takes seconds of thousands of agencies: meanwhile others are served.
        row = await asyncio.to_thread(_row, body, cut)
        row |= {"request": asked, "frozen_at": moment, "frozen_by": caller.key}
        # The snapshot would not have seen what others stored since.
        async with request.app.state.sessions.begin() as session:
            entry, replayed = await editions.freeze(session, row)
            if not replayed:
                await _check_revision(session, body)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return edition_out(entry)


async def _cut(session: Session, body: EditionIn, minimum_n: int, moment: Moment) -> Cut:
    """What the new edition is made of; a refusal names everything that is wrong."""
    refusals = Refusals()
    with refusals:
        body.check()
    with refusals:
        rules.check_begun(period.parse(body.period), period.local_day(moment.at))
    with refusals:
        await _check_revision(session, body)
    with refusals:
        found = await freezing.cut(session, body, minimum_n, moment)
    refusals.raise_all()
    return found


def _row(body: EditionIn, cut: Cut) -> Row:
    """What is stored of the new edition: its document, and what it is found by."""
    made, months = freezing.document(cut), cut.ask.terms.period
    document = rules.canonical(made)
    return {
        "code": body.code,
        "title": made["title"],
        "peer_group": body.peer_group,
        "first": months.first,
        "last": months.last,
        "document": document,
        "digest": sha256(document).digest(),
        "supersedes": body.supersedes,
        "reason": body.reason,
    }


async def _check_revision(session: Session, body: EditionIn) -> None:
    """Nothing when what is superseded can be, and is of the same peers and months."""
    if body.supersedes in {None, body.code}:
        return
    revised = await editions.check_revisable(session, body.supersedes)
    months = period.parse(body.period)
    faults = []
    if revised.peer_group != body.peer_group:
        faults.append(Fault("/peer_group", "not-as-superseded", {"code": body.supersedes}))
    if (revised.first, revised.last) != (months.first, months.last):
        faults.append(Fault("/period", "not-as-superseded", {"code": body.supersedes}))
    if faults:
        raise InvalidError(*faults)


@router.post(
    "/{edition}/publish",
    operation_id="publish_edition",
    responses=problems(EditionNotFoundError, EditionNotRevisableError, rules.EditionEmptyError),
)
async def publish_edition(
    edition: Code, session: Session, caller: EditionWriter, moment: Now
) -> EditionOut:
    """Publish an edition for good: everybody can read it from now on, and nobody change it.

    It must rank somebody, unless it supersedes another.
    """
    caller.check_unlimited()
    entry = await editions.hold(session, edition)
    if entry.edition.published_at is None:
        content = await editions.document(session, edition)
        # It may be large: meanwhile others are served.
        rules.check_publishable(await asyncio.to_thread(json.loads, content))
    return edition_out(await editions.publish(session, edition, caller.key, moment))


@router.post(
    "/{edition}/discard",
    status_code=204,
    operation_id="discard_edition",
    responses=problems(EditionNotFoundError, EditionPublishedError),
)
async def discard_edition(edition: Code, session: Session, caller: EditionWriter) -> None:
    """Discard an edition that was frozen and not published; a published one stays for good."""
    caller.check_unlimited()
    await editions.discard(session, edition)


@router.get(
    "/{edition}/differences",
    operation_id="get_differences",
    responses=problems(EditionNotFoundError),
)
async def get_differences(
    edition: Code,
    response: Response,
    session: Snapshot,
    caller: IndexReader,
    moment: Now,
    language: Language,
    secret: ReferenceKey,
    against: Annotated[
        Code | None, Query(description="Another edition; without it, what is known now")
    ] = None,
) -> DifferencesOut:
    """Where an edition as published differs from what is known now, or from another edition."""
    before = json.loads(await readable(session, edition, caller))
    if against is None:
        entry = await editions.get(session, edition)
        body = EditionIn.model_validate_json(entry.edition.request)
        now = Moment(caller, moment, secret, "/path/edition")
        cut = await freezing.cut(session, body, before["minimum_n"], now)
        await session.commit()  # nothing more is read, and composing takes its time
        after = await asyncio.to_thread(freezing.document, cut)
    else:
        after = json.loads(await readable(session, against, caller, "/query/against"))
        if any(after[name] != before[name] for name in ("peer_group", "period")):
            raise InvalidError(Fault("/query/against", "not-of-the-same"))
    answer = DifferencesOut(
        edition=edition,
        against=against,
        as_of=moment,
        terms=terms_differing(before, after),
        compared=sum(len(part["figures"]) for part in before["agencies"]),
        items=[difference_out(one, language) for one in differences(before, after)],
    )
    tag_figures(response, answer)
    return answer
