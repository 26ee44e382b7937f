"""Dossiers: registered by the one-stop portal, listed, and what happens to them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api.deps import (
    DossierReader,
    DossierWriter,
    ExpectedState,
    Now,
    ReferenceKey,
    Session,
    stored,
    tag,
)
from app.api.dossier_events import RECORDED, EventIn, RecordedEvent
from app.api.errors import problems
from app.api.invitations import TOKEN, InvitationOut
from app.api.schemas import (
    Code,
    DossierCode,
    In,
    Instant,
    Moment,
    Out,
    ServiceChannel,
    example,
)
from app.db import dossier_events, dossiers
from app.db.dossiers import Wanted
from app.db.tables import Dossier
from app.domain import dossier as rules
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadyRatedError,
    DossierMoveRefusedError,
    DossierNotFoundError,
    InvalidError,
    PreconditionFailedError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/agencies/{agency}/dossiers", tags=["dossiers"])

RECEIPT = {
    "procedure": "2.000629",
    "counter": "Q05",
    "channel": "desk",
    "received_at": "2023-07-12T08:05:00+07:00",
    "due_at": "2023-07-19T17:00:00+07:00",
    "officer": "cb-0115",
    "applicant_kind": "citizen",
}
RETURNED = {
    "agency": "H32.15",
    "code": "000.00.15.H32-230712-0001",
    **RECEIPT,
    "status": 10,
    "new_due_at": None,
    "returned_at": "2023-07-18T09:30:00+07:00",
    "ended_at": "2023-07-18T09:30:00+07:00",
    "on_time": True,
    "overdue": False,
}
INVITATION = {
    "token": TOKEN,
    "url": f"/r/{TOKEN}",
    "qr": f"/r/{TOKEN}.svg",
    "expires_at": "2023-08-17T09:30:00+07:00",
}

InPath = Annotated[DossierCode, Path(alias="dossier", description="e.g. 000.00.15.H32-230712-0001")]


class DossierIn(In):
    """What the receipt says. Nothing identifies the applicant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(RECEIPT))

    procedure: Code = Field(description="A procedure of the catalogue")
    counter: Code | None = Field(default=None, description="The agency's counter that received it")
    channel: ServiceChannel = Field(description="How it came: at the desk, online, by post")
    received_at: Instant
    due_at: Instant | None = Field(
        default=None,
        description="The appointment on the receipt; none for a dossier that is only registered",
    )
    officer: Code | None = Field(default=None, description="An opaque reference, never a name")
    applicant_kind: Literal["citizen", "organisation"] = "citizen"

    @property
    def receipt(self) -> rules.Receipt:
        """When it came, and the appointment."""
        return rules.Receipt(self.received_at, self.due_at)


class DossierOut(Out):
    """A dossier with its national status code, and whether it was on time."""

    model_config = ConfigDict(json_schema_extra=example(RETURNED))

    agency: str
    code: str
    procedure: str
    counter: str | None
    channel: str
    received_at: Moment
    due_at: Moment | None = Field(
        description="The appointment in force: a supplement starts the time limit again"
    )
    new_due_at: Moment | None = Field(description="The one new appointment; it excuses nothing")
    officer: str | None
    applicant_kind: str
    status: int = Field(description="National code, 1 to 10: 2 received, 10 result returned")
    returned_at: Moment | None
    ended_at: Moment | None = Field(description="A dossier of status 8 without it is only paused")
    on_time: bool | None = Field(description="Returned no later than `due_at`")
    overdue: bool = Field(
        description="Open, `due_at` has passed, and no supplement is being waited for"
    )


class DossierWithEvents(DossierOut):
    """A dossier and all that was recorded of it."""

    model_config = ConfigDict(json_schema_extra=example({**RETURNED, "events": [RECORDED]}))

    events: list[RecordedEvent] = Field(description="In the order of recording")


class DossierPage(Out):
    """Dossiers in the order of their codes; overdue ones in the order of their due time."""

    model_config = ConfigDict(json_schema_extra=example({"items": [RETURNED], "next_cursor": None}))

    items: list[DossierOut]
    next_cursor: str | None


class EventOut(Out):
    """The event as it was recorded, the dossier after it, and who may now rate it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {"event": RECORDED, "dossier": RETURNED, "invitation": INVITATION}
        )
    )

    event: RecordedEvent
    dossier: DossierOut
    invitation: InvitationOut | None = Field(
        description="With a returned result, where a survey of the agency invites"
    )


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
    request: Request,
    response: Response,
    session: Session,
    caller: DossierReader,
    moment: Now,
    status: Annotated[int | None, Query(ge=1, le=10, description="National code")] = None,
    overdue: Annotated[bool | None, Query(description="Whether they are late by now")] = None,
    counter: Annotated[Code | None, Query()] = None,
    procedure: Annotated[Code | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[Code | None, Query(description="`next_cursor` of the page before")] = None,
) -> DossierPage:
    """An agency's dossiers, a page at a time; the overdue ones longest overdue first."""
    caller.check_agency(agency, "/path/agency")
    wanted = Wanted(moment, status, overdue, counter, procedure)
    rows, following = await dossiers.list_page(session, agency, wanted, cursor, limit)
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    items = [_out(agency, row, moment) for row in rows]
    return DossierPage(items=items, next_cursor=following)


@router.post(
    "/{dossier}/events",
    status_code=201,
    operation_id="record_event",
    responses=problems(
        AgencyNotFoundError,
        DossierNotFoundError,
        DossierMoveRefusedError,
        AlreadyRatedError,
        InvalidError,
    ),
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
) -> EventOut:
    """Record what happened to a dossier, or that an event was wrong.

    The same event sent again changes nothing and is answered with `Idempotent-Replayed: true`.
    """
    caller.check_agency(agency, "/path/agency")
    recorded = await dossier_events.record(session, key, agency, code, body.heard(moment))
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
