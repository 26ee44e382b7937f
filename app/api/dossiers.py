"""Dossiers: registered by the one-stop portal, and what happens to them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from app.api.deps import (
    DossierReader,
    DossierWriter,
    ExpectedState,
    Now,
    Session,
    stored,
    tag,
)
from app.api.errors import problems
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
from app.db import dossiers
from app.db.tables import Dossier
from app.domain import dossier as rules
from app.domain.errors import (
    AgencyNotFoundError,
    DossierMoveRefusedError,
    DossierNotFoundError,
    InvalidError,
    PreconditionFailedError,
    Refusals,
    UnknownReferenceError,
)

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
    "returned_at": "2023-07-18T09:30:00+07:00",
    "on_time": True,
}

InPath = Annotated[DossierCode, Path(alias="dossier", description="e.g. 000.00.15.H32-230712-0001")]


class DossierIn(In):
    """What the receipt says. Nothing identifies the applicant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(RECEIPT))

    procedure: Code = Field(description="A procedure of the catalogue")
    counter: Code | None = Field(default=None, description="The agency's counter that received it")
    channel: ServiceChannel = Field(description="How it came: at the desk, online, by post")
    received_at: Instant
    due_at: Instant = Field(description="The appointment on the receipt")
    officer: Code | None = Field(default=None, description="An opaque reference, never a name")
    applicant_kind: Literal["citizen", "organisation"] = "citizen"


class DossierOut(Out):
    """A dossier with its national status code, and whether it was on time."""

    model_config = ConfigDict(json_schema_extra=example(RETURNED))

    agency: str
    code: str
    procedure: str
    counter: str | None
    channel: str
    received_at: Moment
    due_at: Moment
    officer: str | None
    applicant_kind: str
    status: int = Field(description="National code: 2 received, 10 result returned")
    returned_at: Moment | None
    on_time: bool | None = Field(description="Returned no later than the appointment")


class EventIn(In):
    """Something that happened to a dossier."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example({"type": "result_returned", "at": "2023-07-18T09:30:00+07:00"}),
    )

    type: Literal["result_returned"]
    at: Instant


class EventOut(Out):
    """The dossier after the event."""

    model_config = ConfigDict(json_schema_extra=example({"dossier": RETURNED}))

    dossier: DossierOut


@router.put(
    "/{dossier}",
    operation_id="register_dossier",
    responses={
        201: {"model": DossierOut, "description": "Registered"},
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
) -> DossierOut:
    """Register a received dossier, or correct its receipt while it is open."""
    caller.check_agency(agency, "/path/agency")
    refusals = Refusals()
    with refusals:
        rules.check_received(body.received_at, body.due_at, moment)
    with refusals:
        await dossiers.check_references(session, agency, body.procedure, body.counter)
    refusals.raise_all()
    row = await dossiers.register(session, agency, code, body.model_dump(), state)
    stored(response, row.revision)
    return _out(agency, row)


@router.get(
    "/{dossier}",
    operation_id="get_dossier",
    responses=problems(AgencyNotFoundError, DossierNotFoundError),
)
async def get_dossier(
    agency: Code, code: InPath, response: Response, session: Session, caller: DossierReader
) -> DossierOut:
    """A dossier."""
    caller.check_agency(agency, "/path/agency")
    row = await dossiers.get(session, agency, code)
    tag(response, row.revision)
    return _out(agency, row)


@router.post(
    "/{dossier}/events",
    status_code=201,
    operation_id="record_event",
    responses=problems(AgencyNotFoundError, DossierNotFoundError, DossierMoveRefusedError),
)
async def record_event(
    agency: Code,
    code: InPath,
    body: EventIn,
    session: Session,
    caller: DossierWriter,
    moment: Now,
) -> EventOut:
    """Record that the result was returned. Sent again, it changes nothing."""
    caller.check_agency(agency, "/path/agency")
    row = await dossiers.record_return(session, agency, code, body.at, moment)
    return EventOut(dossier=_out(agency, row))


def _out(agency: str, row: Dossier) -> DossierOut:
    fields = row.model_dump(exclude={"agency_id", "revision"})
    on_time = None if row.due_at is None else rules.on_time(row.due_at, row.returned_at)
    return DossierOut(agency=agency, on_time=on_time, **fields)
