"""What happens to a dossier, as it is sent and shown."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StrictInt

from app.api.schemas import LARGEST_COUNT, In, Instant, Line, Moment, Out, example
from app.db.tables import DossierEvent
from app.domain.dossier import Event, EventType

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
    due_at: Instant | None = Field(default=None, description="The appointment from now on")
    new_due_at: Instant | None = Field(default=None, description="The one new appointment")
    reason: Line | None = None
    event: Annotated[StrictInt, Field(ge=1, le=LARGEST_COUNT)] | None = Field(
        default=None, description="The number of the wrong event"
    )

    def heard(self, moment: datetime) -> Event:
        """The event, heard of at that moment; raises InvalidError."""
        said = self.model_dump(exclude={"type", "event"})
        return Event(type=self.type, cancels=self.event, recorded_at=moment, **said)


class RecordedEvent(Out):
    """An event as it was recorded. What was wrong stays, with the number of its correction."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=example(RECORDED))

    number: int
    type: EventType
    at: Moment
    recorded_at: Moment
    due_at: Moment | None
    new_due_at: Moment | None
    reason: str | None
    event: int | None = Field(description="The event that this one cancels")
    cancelled_by: int | None = Field(description="The correction that cancelled this one")

    @classmethod
    def of(cls, row: DossierEvent) -> Self:
        """The event as it is shown."""
        return cls(event=row.cancels, **row.model_dump(exclude={"agency_id", "dossier", "cancels"}))
