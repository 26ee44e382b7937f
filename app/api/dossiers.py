"""Dossiers: registered by the one-stop portal, listed, and what happens to them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from app.api.bodies import NamedOnce
from app.api.deps import (
    REPLAYS,
    CodeCursor,
    DossierReader,
    DossierWriter,
    ExpectedState,
    Now,
    Paging,
    ReferenceKey,
    RequestKey,
    Session,
    stored,
    tag,
)
from app.api.dossier_schemas import (
    DossierIn,
    DossierOut,
    DossierPage,
    DossierWithEvents,
    EventIn,
    EventOut,
    RecordedEvent,
)
from app.api.errors import problems
from app.api.invitations import InvitationOut
from app.api.schemas import Code, DossierCode
from app.db import dossier_events, dossiers
from app.db.dossiers import Wanted
from app.db.tables import Dossier
from app.domain import dossier as rules
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadyRatedError,
    DossierMoveRefusedError,
    DossierNotFoundError,
    IdempotencyKeyReusedError,
    InvalidError,
    PreconditionFailedError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(
    prefix="/v1/agencies/{agency}/dossiers", tags=["dossiers"], route_class=NamedOnce
)

InPath = Annotated[DossierCode, Path(alias="dossier", description="e.g. 000.00.15.H32-230712-0001")]


@router.put(
    "/{dossier}",
    operation_id="register_dossier",
    responses={
        201: {"model": DossierWithEvents, "description": "Registered"},
        **problems(
            AgencyNotFoundError,
            DossierMoveRefusedError,
            InvalidError,
            PreconditionFailedError,
            UnknownReferenceError,
        ),
    },
)
async def register_dossier(
    agency: Code,
    code: InPath,
    body: DossierIn,
    response: Response,
    session: Session,
    caller: DossierWriter,
    state: ExpectedState,
    moment: Now,
) -> DossierWithEvents:
    """Register a dossier, or correct its receipt while it is open."""
    caller.check_agency(agency, "/path/agency")
    refusals = Refusals()
    with refusals:
        body.receipt.check(moment)
    with refusals:
        await dossiers.check_references(session, agency, body.procedure, body.counter)
    refusals.raise_all()
    row = await dossiers.register(session, agency, code, body.model_dump(), state)
    stored(response, row.revision)
    return await _with_events(session, agency, row, moment)


@router.get(
    "/{dossier}",
    operation_id="get_dossier",
    responses=problems(AgencyNotFoundError, DossierNotFoundError),
)
async def get_dossier(
    agency: Code,
    code: InPath,
    response: Response,
    session: Session,
    caller: DossierReader,
    moment: Now,
) -> DossierWithEvents:
    """A dossier and what happened to it."""
    caller.check_agency(agency, "/path/agency")
    row = await dossiers.get(session, agency, code)
    shown = await _with_events(session, agency, row, moment)
    # It becomes overdue by the clock, which is no revision; who holds it must be told all the same.
    tag(response, row.revision, "overdue" if shown.overdue else "")
    return shown


@router.get("", operation_id="list_dossiers", responses=problems(AgencyNotFoundError))
async def list_dossiers(
    agency: Code,
    session: Session,
    caller: DossierReader,
    moment: Now,
    paging: Paging,
    status: Annotated[int | None, Query(ge=1, le=10, description="National code")] = None,
    overdue: Annotated[bool | None, Query(description="Whether they are late by now")] = None,
    counter: Annotated[Code | None, Query()] = None,
    procedure: Annotated[Code | None, Query()] = None,
    cursor: CodeCursor = None,
) -> DossierPage:
    """An agency's dossiers, a page at a time; the overdue ones longest overdue first."""
    caller.check_agency(agency, "/path/agency")
    wanted = Wanted(moment, status, overdue, counter, procedure)
    rows = await dossiers.list_page(session, agency, wanted, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: dossiers.cursor(row, wanted))
    items = [_out(agency, row, moment) for row in page]
    return DossierPage(items=items, next_cursor=following)


@router.post(
    "/{dossier}/events",
    status_code=201,
    operation_id="record_event",
    responses={
        201: REPLAYS,
        **problems(
            AgencyNotFoundError,
            DossierNotFoundError,
            DossierMoveRefusedError,
            AlreadyRatedError,
            IdempotencyKeyReusedError,
            InvalidError,
        ),
    },
)
async def record_event(
    agency: Code,
    code: InPath,
    body: EventIn,
    response: Response,
    session: Session,
    caller: DossierWriter,
    moment: Now,
    key: ReferenceKey,
    request_key: RequestKey = None,
) -> EventOut:
    """Record what happened to a dossier, or that an event was wrong.

    The same event sent again changes nothing and is answered with `Idempotent-Replayed: true`. By
    an `Idempotency-Key` it is known even if it was cancelled since.
    """
    caller.check_agency(agency, "/path/agency")
    name = request_key and f"{caller.key}\n{request_key}"
    recorded = await dossier_events.record(session, key, (agency, code), body.heard(moment), name)
    if recorded.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    issued = recorded.invitation
    return EventOut(
        event=RecordedEvent.of(recorded.event),
        dossier=_out(agency, recorded.dossier, moment),
        invitation=issued and InvitationOut.of(issued),
    )


def _fields(agency: str, row: Dossier, moment: datetime) -> dict[str, Any]:
    return {
        **row.model_dump(exclude={"agency_id", "revision", "receipt_due_at"}),
        "agency": agency,
        "on_time": rules.on_time(row.due_at, row.returned_at),
        "overdue": rules.overdue(row.status, row.due_at, row.ended_at, moment),
    }


def _out(agency: str, row: Dossier, moment: datetime) -> DossierOut:
    return DossierOut(**_fields(agency, row, moment))


async def _with_events(
    session: Session, agency: str, row: Dossier, moment: datetime
) -> DossierWithEvents:
    trace = [RecordedEvent.of(event) for event in await dossiers.events(session, row)]
    return DossierWithEvents(**_fields(agency, row, moment), events=trace)
