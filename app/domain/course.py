"""The course of a dossier: where it stands after what has happened, by the rules.

It follows from the receipt and the events, one after the other. A wrong event is cancelled, and the
course then follows from those that are left. See docs/decisions/0017.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from app.domain.dossier import ENDS, MOVES, POINTERS, Event, EventType, Receipt, Status
from app.domain.errors import DossierMoveRefusedError, Fault
from app.domain.period import CLOCK_SKEW, local_day

# NĐ 118/2025 Điều 19(5): within how many working days a supplement is asked for, and how long it
# is waited for. Điều 19(6): how long before the limit an apology is made.
ASKING_WORKING_DAYS = 3
WAITING_TIME = timedelta(days=15)
APOLOGY_TIME = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Limit:
    """The time that the agency has: since when, and until when."""

    began_at: datetime
    due_at: datetime

    def restarted(self, at: datetime) -> "Limit":
        """As much time again, from that moment."""
        return Limit(at, at + (self.due_at - self.began_at))


@dataclass(frozen=True, slots=True)
class Course:
    """Where a dossier stands.

    Lateness is judged by `limit`, which only a supplement moves once it has begun; `new_due_at` is
    the one new appointment, which excuses nothing. `ask_until` is the last day for asking for a
    supplement; None when that is not to be judged.
    """

    status: Status
    received_at: datetime
    last_at: datetime
    limit: Limit | None = None
    ask_until: date | None = None
    asked_at: datetime | None = None
    apologised: bool = False
    new_due_at: datetime | None = None
    returned_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def due_at(self) -> datetime | None:
        """The appointment in force; None while there is none."""
        return None if self.limit is None else self.limit.due_at

    def after(self, event: Event) -> "Course":
        """The course once this has happened; raises DossierMoveRefusedError naming every fault."""
        if faults := list(_faults(self, event)):
            raise DossierMoveRefusedError(*faults)
        moved = replace(
            self,
            status=MOVES[event.type][self.status],
            last_at=event.at,
            ended_at=event.at if event.type in ENDS else None,
            returned_at=event.at if event.type is EventType.RESULT_RETURNED else None,
        )
        match event.type:
            case EventType.ACCEPTED | EventType.SUPPLEMENT_RECEIVED:
                return _given_time(moved, event)
            case EventType.SUPPLEMENT_REQUESTED:
                return replace(moved, asked_at=event.at)
            case EventType.APOLOGY_SENT:
                return replace(moved, apologised=True, new_due_at=event.new_due_at)
        return moved


def begin(receipt: Receipt, holidays: Container[date] | None = None) -> Course:
    """The course of a dossier that nothing has happened to yet.

    Without `holidays` it is not judged whether a supplement is asked for in time.
    """
    due_at, received_at = receipt.due_at, receipt.received_at
    return Course(
        status=Status.REGISTERED if due_at is None else Status.RECEIVED,
        received_at=received_at,
        last_at=received_at,
        limit=None if due_at is None else Limit(received_at, due_at),
        ask_until=None if holidays is None else last_asking_day(received_at, holidays),
    )


def last_asking_day(received_at: datetime, holidays: Container[date]) -> date:
    """The last day on which a supplement may be asked for: the third working day after."""
    day, left = local_day(received_at), ASKING_WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY and day not in holidays
    return day


def replay(
    receipt: Receipt,
    events: Iterable[Event],
    holidays: Container[date] | None = None,
    pointer: str = "",
) -> Course:
    """The course that follows from the live ones of these events.

    Raises DossierMoveRefusedError, at the pointer, when one of them does not fit those before it.
    Without `holidays`: what was recorded stands even if the calendar is amended afterwards.
    """
    course = begin(receipt, holidays)
    for event in events:
        if not event.live:
            continue
        try:
            course = course.after(event)
        except DossierMoveRefusedError:
            named = {"event": event.number}
            raise DossierMoveRefusedError(Fault(pointer, "later-events-depend", named)) from None
    return course


def record(
    receipt: Receipt, events: Sequence[Event], event: Event, holidays: Container[date]
) -> Course:
    """The course once one more event is recorded; a correction takes the wrong one out of it.

    Raises DossierMoveRefusedError naming every fault.
    """
    if event.type is EventType.CORRECTED:
        return _corrected(receipt, events, event)
    ask_until = last_asking_day(receipt.received_at, holidays)
    return replace(replay(receipt, events), ask_until=ask_until).after(event)


def _corrected(receipt: Receipt, events: Sequence[Event], correction: Event) -> Course:
    wrong = next((event for event in events if event.number == correction.cancels), None)
    faults = list(_moment_faults(receipt.received_at, correction))
    if wrong is None:
        faults.append(Fault("/event", "event-not-found"))
    elif wrong.type is EventType.CORRECTED:
        faults.append(Fault("/event", "correction-stays"))
    elif not wrong.live:
        faults.append(Fault("/event", "cancelled-already", {"event": wrong.cancelled_by}))
    if faults:
        raise DossierMoveRefusedError(*faults)
    return replay(receipt, [event for event in events if event is not wrong], pointer="/event")


def said_before(events: Iterable[Event], event: Event) -> Event | None:
    """The event as it was recorded before, or None.

    Another event of the same type and moment raises DossierMoveRefusedError.
    """
    if event.type is EventType.CORRECTED:
        what = (event.type, event.cancels, event.reason)
        return next((one for one in events if (one.type, one.cancels, one.reason) == what), None)
    same = (one for one in events if one.live and (one.type, one.at) == (event.type, event.at))
    before = next(same, None)
    if before is None:
        return None
    faults = [
        Fault(pointer, "recorded-otherwise", {"event": before.number})
        for name, pointer in POINTERS.items()
        if getattr(before, name) != getattr(event, name)
    ]
    if faults:
        raise DossierMoveRefusedError(*faults)
    return before


def _given_time(course: Course, event: Event) -> Course:
    """The course with the time limit that the event sets or starts again, if it does."""
    limit = course.limit
    if event.due_at is not None:
        limit = Limit(event.at, event.due_at)
    elif limit is not None and event.type is EventType.SUPPLEMENT_RECEIVED:
        limit = limit.restarted(event.at)
    promised = course.new_due_at
    if promised is not None and limit is not None and promised <= limit.due_at:
        promised = None  # the restarted limit is no earlier than the new appointment
    return replace(course, limit=limit, new_due_at=promised)


def _faults(course: Course, event: Event) -> Iterator[Fault]:
    if course.ended_at is not None:
        if course.returned_at is not None:
            yield Fault("/type", "returned-already")
        else:
            yield Fault("/type", "ended-already")
        return
    yield from _moment_faults(course.received_at, event)
    if course.received_at <= event.at < course.last_at:
        yield Fault("/at", "before-last-event")
    moves = MOVES[event.type]
    if course.status not in moves:
        named = {"status": course.status.value, "allowed": ", ".join(map(str, moves))}
        yield Fault("/type", "move-not-allowed", named)
    elif rule := _RULES.get(event.type):
        yield from rule(course, event)


def _moment_faults(received_at: datetime, event: Event) -> Iterator[Fault]:
    if event.at > event.recorded_at + CLOCK_SKEW:
        yield Fault("/at", "in-the-future")
    if event.at < received_at:
        yield Fault("/at", "before-reception")


def _accepted(course: Course, event: Event) -> Iterator[Fault]:
    if course.limit is None:
        yield from _due_faults(course, event)
    elif event.due_at is not None:
        yield Fault("/due_at", "due-set-already")


def _supplement_requested(course: Course, event: Event) -> Iterator[Fault]:
    if course.ask_until is not None and local_day(event.at) > course.ask_until:
        yield Fault("/at", "supplement-asked-too-late", {"day": course.ask_until})


def _supplement_received(course: Course, event: Event) -> Iterator[Fault]:
    if course.asked_at is not None and event.at > course.asked_at + WAITING_TIME:
        yield Fault("/at", "supplement-too-late")
    yield from _due_faults(course, event)


def _due_faults(course: Course, event: Event) -> Iterator[Fault]:
    if course.limit is None and event.due_at is None:
        yield Fault("/due_at", "missing")
    if event.due_at is not None and event.due_at <= event.at:
        yield Fault("/due_at", "due-not-after-event")


def _closed(course: Course, event: Event) -> Iterator[Fault]:
    if course.asked_at is not None and event.at < course.asked_at + WAITING_TIME:
        yield Fault("/at", "closed-too-early")


def _apology_sent(course: Course, event: Event) -> Iterator[Fault]:
    if course.apologised:
        yield Fault("/type", "apologised-already")
    due_at, new_due_at = course.due_at, event.new_due_at
    if due_at is not None and event.at > due_at - APOLOGY_TIME:
        yield Fault("/at", "apology-too-late")
    if due_at is not None and new_due_at is not None and new_due_at <= due_at:
        yield Fault("/new_due_at", "new-due-not-later")


_RULES: Mapping[EventType, Callable[[Course, Event], Iterator[Fault]]] = {
    EventType.ACCEPTED: _accepted,
    EventType.SUPPLEMENT_REQUESTED: _supplement_requested,
    EventType.SUPPLEMENT_RECEIVED: _supplement_received,
    EventType.CLOSED: _closed,
    EventType.APOLOGY_SENT: _apology_sent,
}
