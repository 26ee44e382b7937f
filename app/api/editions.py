"""Editions: freezing figures, publishing them for good, and comparing them with the present."""

import json
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.api import freezing
from app.api.deps import (
    Chosen,
    EditionWriter,
    IndexReader,
    Now,
    ReferenceKey,
    Session,
    Snapshot,
)
from app.api.edition_schemas import (
    DifferenceOut,
    DifferencesOut,
    EditionIn,
    EditionOut,
    edition_out,
)
from app.api.errors import problems
from app.api.freezing import Moment
from app.api.schemas import Code
from app.db import editions
from app.domain import edition as rules
from app.domain import period
from app.domain.errors import (
    EditionExistsError,
    EditionNotFoundError,
    EditionNotRevisableError,
    Fault,
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    PeerGroupNotFoundError,
    SurveyNotFoundError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/editions", tags=["editions"])


@router.post(
    "",
    status_code=201,
    operation_id="freeze_edition",
    responses=problems(
        PeerGroupNotFoundError,
        SurveyNotFoundError,
        MethodNotFoundError,
        MethodNotApplicableError,
        EditionExistsError,
        EditionNotRevisableError,
        UnknownReferenceError,
        InvalidError,
    ),
)
async def freeze_edition(
    body: EditionIn,
    response: Response,
    session: Snapshot,
    caller: EditionWriter,
    moment: Now,
    chosen: Chosen,
    secret: ReferenceKey,
) -> EditionOut:
    """Freeze figures, rankings and all they rest on, as they are at this moment.

    What was frozen never changes; it becomes public when it is published. Sent again it is answered
    with `Idempotent-Replayed: true`.
    """
    body.check()
    request = body.model_dump_json().encode()
    held = await editions.held(session, body.code, request)
    if held is not None:
        response.headers["Idempotent-Replayed"] = "true"
        return edition_out(held)
    made: dict[str, Any] = {}
    refusals, months = Refusals(), period.parse(body.period)
    with refusals:
        await _check_revision(session, body)
    with refusals:
        minimum_n = body.minimum_n or chosen.minimum_n
        made = await freezing.document(session, body, minimum_n, Moment(caller, moment, secret))
    refusals.raise_all()
    document = rules.canonical(made)
    values = {
        "code": body.code,
        "title": made["title"],
        "peer_group": body.peer_group,
        "first": months.first,
        "last": months.last,
        "request": request,
        "document": document,
        "digest": sha256(document).digest(),
        "supersedes": body.supersedes,
        "reason": body.reason,
        "frozen_at": moment,
        "frozen_by": caller.key,
    }
    return edition_out(await editions.freeze(session, values))


async def _check_revision(session: Session, body: EditionIn) -> None:
    """Nothing when what is superseded can be, and is of the same peers and months."""
    if body.supersedes is None:
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
    responses=problems(EditionNotFoundError, EditionNotRevisableError),
)
async def publish_edition(
    edition: Code, session: Session, caller: EditionWriter, moment: Now
) -> EditionOut:
    """Publish an edition for good: everybody can read it from now on, and nobody change it."""
    caller.check_unlimited()
    return edition_out(await editions.publish(session, edition, caller.key, moment))


@router.get(
    "/{edition}/differences",
    operation_id="get_differences",
    responses=problems(EditionNotFoundError),
)
async def get_differences(
    edition: Code,
    session: Snapshot,
    caller: IndexReader,
    moment: Now,
    secret: ReferenceKey,
    against: Annotated[
        Code | None, Query(description="Another edition; without it, what is known now")
    ] = None,
) -> DifferencesOut:
    """Where an edition as published differs from what is known now, or from another edition."""
    entry = await editions.get(session, edition)
    before = json.loads(await editions.document(session, edition))
    for part in before["agencies"]:
        caller.check_agency(part["agency"], "/path/edition")
    if against is None:
        body = EditionIn.model_validate_json(entry.edition.request)
        after = await freezing.document(
            session, body, before["minimum_n"], Moment(caller, moment, secret)
        )
    else:
        await editions.get(session, against, "/query/against")
        after = json.loads(await editions.document(session, against))
    found = rules.differences(before, after)
    return DifferencesOut(
        edition=edition,
        against=against,
        as_of=moment,
        compared=sum(len(part["figures"]) for part in before["agencies"]),
        items=[
            DifferenceOut.model_validate(
                {
                    "agency": one.agency,
                    "criterion": one.criterion,
                    "published": one.before,
                    "now": one.after,
                }
            )
            for one in found
        ],
    )
