"""A dossier and what happens to it, as they are sent and shown."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StrictInt

from app.api.invitations import TOKEN, InvitationOut
from app.api.schemas import (
    LARGEST_COUNT,
    Code,
    In,
    Instant,
    Line,
    Moment,
    Out,
    ServiceChannel,
    example,
)
from app.db.tables import DossierEvent
from app.domain.dossier import Event, EventType, Receipt

APOLOGY = {
    "type": "apology_sent",
    "at": "2023-07-17T16:00:00+07:00",
    "new_due_at": "2023-07-24T17:00:00+07:00",
    "reason": "Chờ ý kiến của cơ quan phối hợp.",
}
RETURN = {"type": "result_returned", "at": "2023-07-18T09:30:00+07:00"}
RECORDED = {
    "number": 1,
    **RETURN,
    "recorded_at": "2023-07-18T09:30:02+07:00",
    **dict.fromkeys(("due_at", "new_due_at", "reason", "event", "cancelled_by")),
}
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


class EventIn(In):
    """Something that happened to a dossier. Which fields it has depends on its type.

    `due_at` belongs to `accepted` (of a dossier that has no appointment yet) and may come with
    `supplement_received`; `new_due_at` and `reason` to `apology_sent`; `event` and `reason` to
    `corrected`. A reason may come with `not_accepted`, `supplement_requested`, `paused`,
    `withdrawn`, `stopped` and `closed`.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(RETURN, APOLOGY))

    type: EventType
    at: Instant = Field(description="When it happened; a correction, when it was made")
    due_at: Instant | None = Field(
        default=None, description="The appointment from now on; null: the type needs none"
    )
    new_due_at: Instant | None = Field(
        default=None, description="The one new appointment, of an apology; null: any other type"
    )
    reason: Line | None = Field(
        default=None, description="Why, in the words of the agency; null: not told"
    )
    event: Annotated[StrictInt, Field(ge=1, le=LARGEST_COUNT)] | None = Field(
        default=None, description="Number of the wrong event, of a correction; null: any other type"
    )

    def heard(self, moment: datetime) -> Event:
        """The event, heard of at that moment; raises InvalidError."""
        said = self.model_dump(exclude={"type", "event"})
        return Event(type=self.type, cancels=self.event, recorded_at=moment, **said)


class RecordedEvent(Out):
    """An event as it was recorded. What was wrong stays, with the number of its correction."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=example(RECORDED))

    number: int = Field(description="1, 2, 3, … in the order of recording, within its dossier")
    type: EventType
    at: Moment = Field(description="When it happened; a correction, when it was made")
    recorded_at: Moment = Field(description="When the service was told")
    due_at: Moment | None = Field(description="The appointment from then on; null: it sets none")
    new_due_at: Moment | None = Field(
        description="The one new appointment, of an apology; null: any other type"
    )
    reason: str | None = Field(description="Why, in the words of the agency; null: not told")
    event: int | None = Field(
        description="Number of the event that this one cancels; null: it is no correction"
    )
    cancelled_by: int | None = Field(
        description="Number of the correction that cancelled this one; null: it holds"
    )

    @classmethod
    def of(cls, row: DossierEvent) -> Self:
        """The event as it is shown."""
        return cls(
            event=row.cancels,
            **row.model_dump(exclude={"agency_id", "dossier", "cancels", "request_key"}),
        )


class DossierIn(In):
    """What the receipt says. Nothing identifies the applicant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(RECEIPT))

    procedure: Code = Field(description="Code of a procedure of the catalogue")
    counter: Code | None = Field(
        default=None, description="Code of the agency's counter that received it; null: not told"
    )
    channel: ServiceChannel = Field(description="How it came: at the desk, online, by post")
    received_at: Instant = Field(description="When the agency received it, as on the receipt")
    due_at: Instant | None = Field(
        default=None,
        description="The appointment on the receipt; null: a dossier that is only registered",
    )
    officer: Code | None = Field(
        default=None,
        description="An opaque reference to who received it, never a name; null: not told",
    )
    applicant_kind: Literal["citizen", "organisation"] = "citizen"

    @property
    def receipt(self) -> Receipt:
        """When it came, and the appointment."""
        return Receipt(self.received_at, self.due_at)


class DossierOut(Out):
    """A dossier with its national status code, and whether it was on time."""

    model_config = ConfigDict(json_schema_extra=example(RETURNED))

    agency: str
    code: str = Field(description="Code on the receipt, e.g. 000.00.15.H32-230712-0001")
    procedure: str
    counter: str | None = Field(
        description="Code of the agency's counter that received it; null: not told"
    )
    channel: str = Field(description="How it came: at the desk, online, by post")
    received_at: Moment = Field(description="When the agency received it, as on the receipt")
    due_at: Moment | None = Field(
        description="The appointment in force: a supplement starts the time limit again; null: it "
        "is only registered"
    )
    new_due_at: Moment | None = Field(
        description="The one new appointment of an apology, which excuses nothing; null: there was "
        "no apology"
    )
    officer: str | None = Field(
        description="An opaque reference to who received it, never a name; null: not told"
    )
    applicant_kind: str
    status: int = Field(description="National code, 1 to 10: 2 received, 10 result returned")
    returned_at: Moment | None = Field(description="When the result was handed over; null: not yet")
    ended_at: Moment | None = Field(
        description="When nothing more could happen to it; null: it is open, with status 8 only "
        "paused"
    )
    on_time: bool | None = Field(
        description="Returned no later than `due_at`; null: no result was returned"
    )
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

    event: RecordedEvent = Field(description="The event as it was recorded")
    dossier: DossierOut = Field(description="The dossier after the event")
    invitation: InvitationOut | None = Field(
        description="The right to rate the dossier; null: no result was returned, or no survey of "
        "the agency invites"
    )
