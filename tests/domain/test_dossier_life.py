"""The course of a dossier: each rule in a sentence, and no way into an impossible state."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain import course as rules
from app.domain import dossier
from app.domain.dossier import Event, EventType, Receipt, Status
from app.domain.errors import DossierMoveRefusedError, InvalidError
from app.domain.period import VIETNAM

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RECEIVED = datetime(2026, 6, 1, 8, tzinfo=VIETNAM)  # a Monday
DUE = datetime(2026, 6, 8, 17, tzinfo=VIETNAM)
RECEIPT, REGISTRATION = Receipt(RECEIVED, DUE), Receipt(RECEIVED)
WORKING_DAYS: frozenset[date] = frozenset()
MOST_STEPS, MOST_WALKS = 30, 200


def event(kind: str, at: datetime, **said) -> Event:
    return Event(type=EventType(kind), at=at, **{"recorded_at": at} | said)


def apology(at: datetime, new_due_at: datetime, **said) -> Event:
    return event("apology_sent", at, new_due_at=new_due_at, reason="Chờ phối hợp", **said)


def run(receipt: Receipt, *events: Event, holidays=WORKING_DAYS) -> rules.Course:
    course = rules.begin(receipt, holidays)
    for one in events:
        course = course.after(one)
    return course


def refused(act, *given) -> list[tuple[str, str]]:
    with pytest.raises(DossierMoveRefusedError) as caught:
        act(*given)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


# How each open status is reached, an hour a step.
PATHS = {
    1: (REGISTRATION, []),
    2: (RECEIPT, []),
    4: (RECEIPT, ["accepted"]),
    5: (RECEIPT, ["supplement_requested"]),
    6: (RECEIPT, ["fee_due"]),
    8: (RECEIPT, ["paused"]),
    9: (RECEIPT, ["accepted", "finished"]),
}
LEADS = {
    "accepted": {1: 2, 2: 4},
    "not_accepted": {1: 3, 2: 3},
    "supplement_requested": {1: 5, 2: 5, 4: 5},
    "supplement_received": {5: 4},
    "fee_due": {2: 6, 4: 6},
    "fee_paid": {6: 4},
    "apology_sent": {2: 2, 4: 4, 6: 6, 8: 8, 9: 9},
    "paused": {2: 8, 4: 8},
    "resumed": {8: 4},
    "finished": {2: 9, 4: 9},
    "result_returned": {2: 10, 4: 10, 9: 10},
    "withdrawn": dict.fromkeys((1, 2, 4, 5, 6, 8), 7),
    "stopped": dict.fromkeys((2, 4, 5, 6, 8), 8),
    "closed": {5: 8},
    "corrected": {},
}
ENDS = {"not_accepted", "withdrawn", "stopped", "closed", "result_returned"}
SAID = {
    ("accepted", 1): {"due_at": DUE},
    ("apology_sent", None): {"new_due_at": DUE + 5 * DAY, "reason": "Chờ phối hợp"},
    ("corrected", None): {"cancels": 1, "reason": "Ghi nhầm"},
}


def at_status(status: int) -> rules.Course:
    receipt, path = PATHS[status]
    steps = [event(kind, RECEIVED + n * HOUR) for n, kind in enumerate(path, 1)]
    return run(receipt, *steps)


@pytest.mark.parametrize("status", PATHS)
@pytest.mark.parametrize("kind", LEADS)
def test_each_event_leads_from_the_statuses_that_allow_it_to_one_other(kind, status):
    before = at_status(status)
    assert before.status == status
    said = SAID.get((kind, status)) or SAID.get((kind, None)) or {}
    at = RECEIVED + (16 * DAY if kind == "closed" else 3 * HOUR)
    happened = event(kind, at, **said)
    if status not in LEADS[kind]:
        assert ("/type", "move-not-allowed") in refused(before.after, happened)
        return
    after = before.after(happened)
    assert (after.status, after.last_at) == (LEADS[kind][status], at)
    assert (after.ended_at is not None) == (kind in ENDS)


def test_every_type_has_its_moves():
    assert set(LEADS) == set(EventType)


@pytest.mark.parametrize("kind", sorted(set(LEADS) - {"corrected"}))
@pytest.mark.parametrize("end", sorted(ENDS))
def test_what_has_ended_does_not_move(end, kind):
    status = next(iter(LEADS[end]))
    ended = at_status(status).after(event(end, RECEIVED + 17 * DAY))
    said = SAID.get((kind, status)) or SAID.get((kind, None)) or {}
    code = "returned-already" if end == "result_returned" else "ended-already"
    happened = event(kind, RECEIVED + 18 * DAY, **said)
    assert refused(ended.after, happened) == [("/type", code)]


@pytest.mark.parametrize(
    ("late", "on_time"), [(timedelta(0), True), (timedelta(microseconds=1), False)]
)
def test_on_time_means_not_after_the_appointment(late, on_time):
    course = run(RECEIPT, event("result_returned", DUE + late))
    assert dossier.on_time(course.due_at, course.returned_at) is on_time


def test_while_nothing_is_returned_or_promised_nothing_is_on_time_or_late():
    assert dossier.on_time(DUE, None) is None
    assert dossier.on_time(None, DUE) is None


def test_an_open_dossier_is_overdue_once_its_appointment_has_passed():
    assert not dossier.overdue(4, DUE, None, DUE)
    assert dossier.overdue(4, DUE, None, DUE + timedelta(microseconds=1))
    assert not dossier.overdue(5, DUE, None, DUE + DAY)
    assert not dossier.overdue(10, DUE, DUE + DAY, DUE + 2 * DAY)
    assert not dossier.overdue(1, None, None, DUE)


def test_events_come_in_the_order_of_time_and_not_before_the_reception():
    course = run(RECEIPT, event("accepted", RECEIVED + 2 * HOUR))
    assert course.after(event("fee_due", RECEIVED + 2 * HOUR)).status == Status.PAYMENT
    assert refused(course.after, event("fee_due", RECEIVED + HOUR)) == [
        ("/at", "before-last-event")
    ]
    assert refused(course.after, event("fee_due", RECEIVED - HOUR)) == [("/at", "before-reception")]


def test_what_has_not_happened_yet_is_refused_but_for_the_skew_of_a_clock():
    course = run(RECEIPT)
    soon = event("accepted", RECEIVED + HOUR, recorded_at=RECEIVED + HOUR - timedelta(minutes=15))
    assert course.after(soon).status == Status.PROCESSING
    later = event("accepted", RECEIVED + HOUR, recorded_at=RECEIVED + timedelta(minutes=44))
    assert refused(course.after, later) == [("/at", "in-the-future")]


def test_every_fault_of_an_event_is_named():
    course = run(RECEIPT, apology(RECEIVED + HOUR, DUE + DAY))
    wrong = apology(DUE + HOUR, DUE, recorded_at=RECEIVED)
    assert refused(course.after, wrong) == [
        ("/at", "in-the-future"),
        ("/type", "apologised-already"),
        ("/at", "apology-too-late"),
        ("/new_due_at", "new-due-not-later"),
    ]


@pytest.mark.parametrize("kind", EventType)
def test_an_event_says_what_belongs_to_its_type_and_nothing_else(kind):
    fields = {"due_at": DUE, "new_due_at": DUE, "reason": "Lý do", "cancels": 1}
    pointers = {"due_at": "/due_at", "new_due_at": "/new_due_at", "reason": "/reason"}
    pointers["cancels"] = "/event"
    must = {"apology_sent": {"new_due_at", "reason"}, "corrected": {"cancels", "reason"}}
    may = {"accepted": {"due_at"}, "supplement_received": {"due_at"}}
    reasoned = {"not_accepted", "supplement_requested", "paused", "stopped", "closed", "withdrawn"}
    needed = must.get(kind, set())
    allowed = needed | may.get(kind, set()) | ({"reason"} if kind in reasoned else set())
    event(kind, RECEIVED, **{name: fields[name] for name in allowed})
    with pytest.raises(InvalidError) as caught:
        event(kind, RECEIVED, **{name: fields[name] for name in fields if name not in needed})
    said = {(fault.pointer, fault.code) for fault in caught.value.faults}
    missing = {(pointers[name], "missing") for name in needed}
    assert said == missing | {(pointers[n], "field-not-wanted") for n in fields if n not in allowed}


def test_an_online_dossier_gets_its_appointment_when_it_is_accepted():
    course = run(REGISTRATION)
    assert (course.status, course.due_at) == (Status.REGISTERED, None)
    assert refused(course.after, event("accepted", RECEIVED)) == [("/due_at", "missing")]
    same = event("accepted", RECEIVED, due_at=RECEIVED)
    assert refused(course.after, same) == [("/due_at", "due-not-after-event")]
    accepted = course.after(event("accepted", RECEIVED, due_at=DUE))
    assert (accepted.status, accepted.due_at) == (Status.RECEIVED, DUE)


def test_accepting_does_not_move_an_appointment_that_was_made():
    wrong = event("accepted", RECEIVED, due_at=DUE + DAY)
    assert refused(run(RECEIPT).after, wrong) == [("/due_at", "due-set-already")]


@pytest.mark.parametrize(
    ("received", "holidays", "last"),
    [
        (datetime(2026, 6, 1, 8, tzinfo=VIETNAM), set(), date(2026, 6, 4)),
        (datetime(2026, 6, 4, 23, 59, tzinfo=VIETNAM), set(), date(2026, 6, 9)),
        (datetime(2026, 6, 5, 8, tzinfo=VIETNAM), set(), date(2026, 6, 10)),
        (datetime(2026, 6, 6, 8, tzinfo=VIETNAM), set(), date(2026, 6, 10)),
        (datetime(2026, 6, 1, 8, tzinfo=VIETNAM), {date(2026, 6, 3)}, date(2026, 6, 5)),
        (datetime(2026, 6, 1, 17, tzinfo=UTC), set(), date(2026, 6, 5)),  # 2 June in Vietnam
    ],
)
def test_a_supplement_is_asked_for_within_three_working_days(received, holidays, last):
    assert rules.last_asking_day(received, holidays) == last
    course = run(Receipt(received, received + 30 * DAY), holidays=holidays)
    midnight = datetime(last.year, last.month, last.day, tzinfo=VIETNAM) + DAY
    in_time = event("supplement_requested", midnight - timedelta(microseconds=1))
    assert course.after(in_time).status == Status.SUPPLEMENT
    assert refused(course.after, event("supplement_requested", midnight)) == [
        ("/at", "supplement-asked-too-late")
    ]


def test_a_complete_file_starts_the_time_limit_again():
    asked = run(RECEIPT, event("supplement_requested", RECEIVED + DAY))
    assert asked.due_at == DUE
    complete = RECEIVED + 10 * DAY
    course = asked.after(event("supplement_received", complete))
    assert (course.status, course.due_at) == (Status.PROCESSING, complete + (DUE - RECEIVED))
    agreed = event("supplement_received", complete, due_at=complete + 2 * DAY)
    assert asked.after(agreed).due_at == complete + 2 * DAY
    same = event("supplement_received", complete, due_at=complete)
    assert refused(asked.after, same) == [("/due_at", "due-not-after-event")]


def test_a_second_supplement_starts_the_same_time_again_from_its_own_completion():
    steps = [
        event("supplement_requested", RECEIVED + HOUR),
        event("supplement_received", RECEIVED + DAY),
        event("supplement_requested", RECEIVED + DAY + HOUR),
        event("supplement_received", RECEIVED + 2 * DAY),
    ]
    assert run(RECEIPT, *steps).due_at == DUE + 2 * DAY


def test_a_limit_that_began_with_the_acceptance_is_measured_from_there():
    steps = [
        event("accepted", RECEIVED + DAY, due_at=RECEIVED + 6 * DAY),
        event("supplement_requested", RECEIVED + 2 * DAY),
        event("supplement_received", RECEIVED + 4 * DAY),
    ]
    assert run(REGISTRATION, *steps).due_at == RECEIVED + 9 * DAY


def test_a_supplement_before_any_appointment_brings_the_first_one():
    course = run(REGISTRATION, event("supplement_requested", RECEIVED + HOUR))
    complete = event("supplement_received", RECEIVED + DAY)
    assert refused(course.after, complete) == [("/due_at", "missing")]
    assert course.after(replace(complete, due_at=DUE)).due_at == DUE


def test_a_supplement_is_waited_for_fifteen_days_and_then_the_dossier_is_closed():
    asked_at = RECEIVED + HOUR
    course = run(RECEIPT, event("supplement_requested", asked_at))
    last, moment = asked_at + 15 * DAY, timedelta(microseconds=1)
    assert course.after(event("supplement_received", last)).status == Status.PROCESSING
    assert refused(course.after, event("supplement_received", last + moment)) == [
        ("/at", "supplement-too-late")
    ]
    assert refused(course.after, event("closed", last - moment)) == [("/at", "closed-too-early")]
    closed = course.after(event("closed", last))
    assert (closed.status, closed.ended_at) == (Status.STOPPED, last)


def test_an_apology_comes_a_day_before_the_limit_and_names_a_later_time():
    course = run(RECEIPT)
    promised = course.after(apology(DUE - DAY, DUE + DAY))
    assert (promised.due_at, promised.new_due_at, promised.status) == (DUE, DUE + DAY, 2)
    late = apology(DUE - DAY + timedelta(microseconds=1), DUE + DAY)
    assert refused(course.after, late) == [("/at", "apology-too-late")]
    earlier = apology(DUE - DAY, DUE)
    assert refused(course.after, earlier) == [("/new_due_at", "new-due-not-later")]


def test_there_is_one_new_appointment_in_a_dossiers_life():
    steps = [
        apology(RECEIVED + HOUR, DUE + DAY),
        event("supplement_requested", RECEIVED + DAY),
        event("supplement_received", RECEIVED + 5 * DAY),
    ]
    again = apology(RECEIVED + 6 * DAY, DUE + 30 * DAY)
    assert refused(run(RECEIPT, *steps).after, again) == [("/type", "apologised-already")]


def test_a_new_appointment_excuses_no_lateness():
    course = run(RECEIPT, apology(RECEIVED, DUE + 3 * DAY), event("result_returned", DUE + DAY))
    assert dossier.on_time(course.due_at, course.returned_at) is False
    assert course.new_due_at == DUE + 3 * DAY


@pytest.mark.parametrize(("promised", "kept"), [(DUE + 5 * DAY, True), (DUE + 4 * DAY, False)])
def test_a_restarted_limit_keeps_a_new_appointment_only_if_that_is_later(promised, kept):
    steps = [
        apology(RECEIVED + HOUR, promised),
        event("supplement_requested", RECEIVED + DAY),
        event("supplement_received", RECEIVED + 4 * DAY),
    ]
    course = run(RECEIPT, *steps)
    assert course.due_at == DUE + 4 * DAY
    assert course.new_due_at == (promised if kept else None)


def test_pausing_and_fees_do_not_move_the_limit():
    kinds = ["paused", "resumed", "fee_due", "fee_paid"]
    steps = [event(kind, RECEIVED + n * DAY) for n, kind in enumerate(kinds)]
    assert run(RECEIPT, *steps).due_at == DUE


@pytest.mark.parametrize(
    ("receipt", "codes"),
    [
        (Receipt(RECEIVED), []),
        (Receipt(RECEIVED, RECEIVED), []),
        (
            Receipt(RECEIVED + HOUR, RECEIVED),
            [("/received_at", "in-the-future"), ("/due_at", "ends-before-it-begins")],
        ),
    ],
)
def test_the_dates_of_a_receipt_are_checked_together(receipt, codes):
    if not codes:
        receipt.check(RECEIVED)
        return
    with pytest.raises(InvalidError) as caught:
        receipt.check(RECEIVED)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == codes


def recorded(*events: Event) -> list[Event]:
    return [replace(one, number=number) for number, one in enumerate(events, 1)]


def correction(wrong: int, at: datetime = RECEIVED + 9 * DAY, **said) -> Event:
    return event("corrected", at, cancels=wrong, reason="Ghi nhầm", **said)


def test_a_correction_takes_the_wrong_event_out_of_the_course():
    events = recorded(event("accepted", RECEIVED), event("result_returned", RECEIVED + DAY))
    course = rules.record(RECEIPT, events, correction(2), WORKING_DAYS)
    assert (course.status, course.returned_at, course.ended_at) == (Status.PROCESSING, None, None)


def test_what_others_rest_on_cannot_be_taken_away():
    events = recorded(event("fee_due", RECEIVED), event("fee_paid", RECEIVED + DAY))
    assert refused(rules.record, RECEIPT, events, correction(1), WORKING_DAYS) == [
        ("/event", "later-events-depend")
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [(4, "event-not-found"), (2, "correction-stays"), (1, "cancelled-already")],
)
def test_only_an_event_that_counts_can_be_corrected(number, code):
    wrong = replace(event("paused", RECEIVED), cancelled_by=2)
    events = recorded(wrong, correction(1), event("accepted", RECEIVED))
    assert refused(rules.record, RECEIPT, events, correction(number), WORKING_DAYS) == [
        ("/event", code)
    ]


def test_a_correction_too_happens_at_a_possible_moment():
    events = recorded(event("accepted", RECEIVED))
    early, late = RECEIVED - DAY, RECEIVED + 2 * DAY
    assert refused(rules.record, RECEIPT, events, correction(1, early), WORKING_DAYS) == [
        ("/at", "before-reception")
    ]
    unheard = correction(9, late, recorded_at=RECEIVED + DAY)
    assert refused(rules.record, RECEIPT, events, unheard, WORKING_DAYS) == [
        ("/at", "in-the-future"),
        ("/event", "event-not-found"),
    ]


def test_the_same_event_again_is_known_and_another_in_its_place_is_refused():
    events = recorded(apology(RECEIVED, DUE + DAY), event("accepted", RECEIVED))
    assert rules.said_before(events, apology(RECEIVED, DUE + DAY)) == events[0]
    assert rules.said_before(events, apology(RECEIVED + HOUR, DUE + DAY)) is None
    other = replace(apology(RECEIVED, DUE + 2 * DAY), reason="Khác")
    assert refused(rules.said_before, events, other) == [
        ("/new_due_at", "recorded-otherwise"),
        ("/reason", "recorded-otherwise"),
    ]


def test_what_was_cancelled_may_be_recorded_again():
    wrong = replace(event("accepted", RECEIVED), cancelled_by=2)
    events = recorded(wrong, correction(1))
    assert rules.said_before(events, event("accepted", RECEIVED)) is None
    assert rules.said_before(events, correction(1, RECEIVED + DAY)) == events[1]


def test_an_amended_calendar_does_not_undo_what_was_recorded():
    asked = recorded(event("supplement_requested", RECEIVED + 4 * DAY))
    received = event("supplement_received", RECEIVED + 5 * DAY)
    course = rules.record(RECEIPT, asked, received, WORKING_DAYS)
    assert course.status == Status.PROCESSING
    assert refused(rules.replay, RECEIPT, asked, WORKING_DAYS) == [("", "later-events-depend")]


def near(*moments: datetime) -> st.SearchStrategy[datetime]:
    """Moments at, just beside and some days around these."""
    around = [timedelta(0), HOUR, -HOUR, DAY, -DAY, 3 * DAY, 15 * DAY, 16 * DAY]
    around += [timedelta(microseconds=1), timedelta(microseconds=-1)]
    return st.tuples(st.sampled_from(moments), st.sampled_from(around)).map(sum_of)


def sum_of(pair: tuple[datetime, timedelta]) -> datetime:
    return pair[0] + pair[1]


class Life(RuleBasedStateMachine):
    @initialize(due=st.none() | near(RECEIVED, DUE).filter(lambda at: at >= RECEIVED))
    def register(self, due):
        self.receipt = Receipt(RECEIVED, due)
        self.course = rules.begin(self.receipt, WORKING_DAYS)
        self.events: list[Event] = []

    def moments(self, data) -> datetime:
        known = [self.course.last_at, self.course.due_at, self.course.asked_at]
        return data.draw(near(*[at for at in known if at is not None]))

    def happen(self, data, kind: EventType) -> None:
        said = {}
        if kind in {EventType.ACCEPTED, EventType.SUPPLEMENT_RECEIVED} and data.draw(st.booleans()):
            said["due_at"] = self.moments(data)
        if kind is EventType.APOLOGY_SENT:
            said = {"new_due_at": self.moments(data), "reason": "Chờ phối hợp"}
        told = event(kind, self.moments(data), number=len(self.events) + 1, **said)
        before = self.course
        try:
            self.course = before.after(told)
        except DossierMoveRefusedError:
            return
        self.events.append(told)
        assert before.ended_at is None
        assert self.course.last_at >= before.last_at
        if self.course.due_at != before.due_at:
            assert kind is EventType.SUPPLEMENT_RECEIVED or before.status is Status.REGISTERED
        if self.course.new_due_at != before.new_due_at:
            assert kind in {EventType.SUPPLEMENT_RECEIVED, EventType.APOLOGY_SENT}

    @rule(data=st.data(), kind=st.sampled_from(sorted(set(EventType) - {EventType.CORRECTED})))
    def anything_is_said(self, data, kind):
        self.happen(data, kind)

    @precondition(lambda self: self.course.ended_at is None)
    @rule(data=st.data())
    def something_likely_happens(self, data):
        kinds = sorted(kind for kind, moves in dossier.MOVES.items() if self.course.status in moves)
        self.happen(data, data.draw(st.sampled_from(kinds)))

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def something_was_wrong(self, data):
        number = len(self.events) + 1
        cancels = data.draw(st.integers(1, number))
        wrong = correction(cancels, self.course.last_at, number=number)
        try:
            course = rules.record(self.receipt, self.events, wrong, WORKING_DAYS)
        except DossierMoveRefusedError:
            return
        self.events[cancels - 1] = replace(self.events[cancels - 1], cancelled_by=number)
        self.events.append(wrong)
        self.course = replace(course, ask_until=self.course.ask_until)

    @invariant()
    def the_state_is_what_the_events_that_count_make_of_the_receipt(self):
        assert rules.replay(self.receipt, self.events, WORKING_DAYS) == self.course
        live = [one for one in self.events if one.live]
        assert [one.at for one in live] == sorted(one.at for one in live)
        assert rules.replay(self.receipt, live, WORKING_DAYS) == self.course

    @invariant()
    def what_the_database_forbids_is_not_reached(self):
        now, due_at, new_due_at = self.course, self.course.due_at, self.course.new_due_at
        assert due_at is None or due_at >= now.received_at
        assert new_due_at is None or (due_at is not None and new_due_at > due_at)
        assert due_at is not None or now.status in {1, 3, 5, 7, 8}
        assert (now.status == Status.RETURNED) == (now.returned_at is not None)
        assert now.status == Status.STOPPED or (now.status in {3, 7, 10}) == bool(now.ended_at)
        assert now.returned_at in {None, now.ended_at}

    @invariant()
    def there_was_at_most_one_apology(self):
        sent = [one for one in self.events if one.live and one.type is EventType.APOLOGY_SENT]
        assert len(sent) == self.course.apologised

    @invariant()
    def an_open_dossier_can_be_brought_to_an_end(self):
        kinds = {kind for kind in dossier.ENDS if self.course.status in dossier.MOVES[kind]}
        for kind in kinds - {EventType.CLOSED} if self.course.ended_at is None else ():
            assert self.course.after(event(kind, self.course.last_at)).ended_at is not None
        assert kinds or self.course.ended_at is not None


def test_no_sequence_of_events_reaches_an_impossible_state():
    run_state_machine_as_test(
        Life,
        settings=settings(max_examples=MOST_WALKS, stateful_step_count=MOST_STEPS, deadline=None),
    )
