"""Dossiers: their code, what their receipt says, and what can happen to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import lru_cache

from app.domain.errors import Fault, InvalidError
from app.domain.period import CLOCK_SKEW

CENTURY = 2000  # of a code's year

# TT 01/2018/TT-VPCP Điều 19, and the short form also in use. The prefix is opaque: it names the
# agency with competence, which need not be the desk that received the dossier.
_CODE = re.compile(
    r"(?:\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}|[A-Z]\d{2}(?:\.\d{1,3}){0,3})-(\d{6})-\d{4,5}", re.ASCII
)


class Status(IntEnum):
    """The codes of the national public service portal."""

    REGISTERED = 1
    RECEIVED = 2
    NOT_ACCEPTED = 3
    PROCESSING = 4
    SUPPLEMENT = 5
    PAYMENT = 6
    WITHDRAWN = 7
    STOPPED = 8  # paused, or for good once it has ended
    FINISHED = 9
    RETURNED = 10


class EventType(StrEnum):
    """What can happen to a dossier; a correction cancels what was recorded wrongly."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not_accepted"
    SUPPLEMENT_REQUESTED = "supplement_requested"
    SUPPLEMENT_RECEIVED = "supplement_received"
    FEE_DUE = "fee_due"
    FEE_PAID = "fee_paid"
    APOLOGY_SENT = "apology_sent"
    PAUSED = "paused"
    RESUMED = "resumed"
    FINISHED = "finished"
    RESULT_RETURNED = "result_returned"
    WITHDRAWN = "withdrawn"
    STOPPED = "stopped"
    CLOSED = "closed"
    CORRECTED = "corrected"


def _all_to(status: Status, *codes: int) -> Mapping[Status, Status]:
    return {Status(code): status for code in codes}


# From which status an event leads to which. A correction is no move: it takes one back.
MOVES: Mapping[EventType, Mapping[Status, Status]] = {
    EventType.ACCEPTED: {Status.REGISTERED: Status.RECEIVED, Status.RECEIVED: Status.PROCESSING},
    EventType.NOT_ACCEPTED: _all_to(Status.NOT_ACCEPTED, 1, 2),
    EventType.SUPPLEMENT_REQUESTED: _all_to(Status.SUPPLEMENT, 1, 2, 4),
    EventType.SUPPLEMENT_RECEIVED: _all_to(Status.PROCESSING, 5),
    EventType.FEE_DUE: _all_to(Status.PAYMENT, 2, 4),
    EventType.FEE_PAID: _all_to(Status.PROCESSING, 6),
    EventType.APOLOGY_SENT: {Status(code): Status(code) for code in (2, 4, 6, 8, 9)},
    EventType.PAUSED: _all_to(Status.STOPPED, 2, 4),
    EventType.RESUMED: _all_to(Status.PROCESSING, 8),
    EventType.FINISHED: _all_to(Status.FINISHED, 2, 4),
    EventType.RESULT_RETURNED: _all_to(Status.RETURNED, 2, 4, 9),
    EventType.WITHDRAWN: _all_to(Status.WITHDRAWN, 1, 2, 4, 5, 6, 8),
    EventType.STOPPED: _all_to(Status.STOPPED, 2, 4, 5, 6, 8),
    EventType.CLOSED: _all_to(Status.STOPPED, 5),
    EventType.CORRECTED: {},
}
ENDS = frozenset(
    {
        EventType.NOT_ACCEPTED,
        EventType.RESULT_RETURNED,
        EventType.WITHDRAWN,
        EventType.STOPPED,
        EventType.CLOSED,
    }
)

# What an event says beyond its moment: what it must say, and what it may say.
MUST_SAY: Mapping[EventType, frozenset[str]] = {
    EventType.APOLOGY_SENT: frozenset({"new_due_at", "reason"}),
    EventType.CORRECTED: frozenset({"cancels", "reason"}),
}
MAY_SAY: Mapping[EventType, frozenset[str]] = {
    EventType.ACCEPTED: frozenset({"due_at"}),
    EventType.NOT_ACCEPTED: frozenset({"reason"}),
    EventType.SUPPLEMENT_REQUESTED: frozenset({"reason"}),
    EventType.SUPPLEMENT_RECEIVED: frozenset({"due_at"}),
    EventType.PAUSED: frozenset({"reason"}),
    EventType.WITHDRAWN: frozenset({"reason"}),
    EventType.STOPPED: frozenset({"reason"}),
    EventType.CLOSED: frozenset({"reason"}),
}
POINTERS: Mapping[str, str] = {
    "due_at": "/due_at",
    "new_due_at": "/new_due_at",
    "reason": "/reason",
    "cancels": "/event",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a dossier came, and its appointment; without one it is only registered so far."""

    received_at: datetime
    due_at: datetime | None = None

    def check(self, now: datetime) -> None:
        """Nothing when its dates can be; else raises InvalidError."""
        faults = []
        if self.received_at > now + CLOCK_SKEW:
            faults.append(Fault("/received_at", "in-the-future"))
        if self.due_at is not None and self.due_at < self.received_at:
            faults.append(Fault("/due_at", "ends-before-it-begins"))
        if faults:
            raise InvalidError(*faults)


@dataclass(frozen=True, slots=True)
class Event:
    """What is said to have happened; raises InvalidError when its type does not say that.

    `recorded_at` is when we heard of it, `number` its place among the dossier's events; it has
    none before it is recorded.
    """

    type: EventType
    at: datetime
    recorded_at: datetime
    due_at: datetime | None = None
    new_due_at: datetime | None = None
    reason: str | None = None
    cancels: int | None = None
    number: int | None = None
    cancelled_by: int | None = None

    def __post_init__(self) -> None:
        must = MUST_SAY.get(self.type, frozenset())
        may = must | MAY_SAY.get(self.type, frozenset())
        said = {name for name in POINTERS if getattr(self, name) is not None}
        faults = [Fault(POINTERS[name], "missing") for name in POINTERS if name in must - said]
        faults += [
            Fault(POINTERS[name], "field-not-wanted") for name in POINTERS if name in said - may
        ]
        if faults:
            raise InvalidError(*faults)

    @property
    def live(self) -> bool:
        """Whether it counts: it was not cancelled, and is no correction."""
        return self.cancelled_by is None and self.type is not EventType.CORRECTED


def is_code(text: str) -> bool:
    """Whether the text is a dossier code with a date that exists."""
    match = _CODE.fullmatch(text)
    return match is not None and _is_day(match[1])


@lru_cache(2000)  # Files name few days and many dossiers.
def _is_day(digits: str) -> bool:
    """Whether yymmdd is a day."""
    year, month, day = (int(digits[place : place + 2]) for place in (0, 2, 4))
    try:
        date(CENTURY + year, month, day)
    except ValueError:
        return False
    return True


def on_time(due_at: datetime | None, returned_at: datetime | None) -> bool | None:
    """Whether the result came back no later than promised; None while it has not."""
    return None if due_at is None or returned_at is None else returned_at <= due_at


def overdue(status: int, due_at: datetime | None, ended_at: datetime | None, now: datetime) -> bool:
    """Whether the appointment has passed on an open dossier that waits for no supplement."""
    if due_at is None or ended_at is not None:
        return False
    return status != Status.SUPPLEMENT and due_at < now
