"""The funnel after anything that may happen to dossiers, against a count in plain Python."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import dossier_events, dossiers, invitations, invited
from app.db.catalogue import Expected
from app.db.session import sessions
from app.domain import course as rules
from app.domain.dossier import MOVES, Event, EventType, Receipt
from app.domain.errors import DomainError
from app.domain.period import local_day

KEY = b"key"
COUNTS = ("received", "returned", "late", "invited", "opened")
# Midnight in Vietnam, where a month ends seven hours before it does in UTC.
MONTHS_END = datetime(2026, 1, 31, 17, tzinfo=UTC)

hours = st.integers(-30, 24 * 40)
registrations = st.tuples(
    st.tuples(hours, st.none() | st.integers(0, 400)),
    st.sampled_from([None, "Q1"]),
    st.sampled_from(["desk", "online"]),
)
steps = st.one_of(
    st.tuples(st.just("happen"), st.integers(0, 9), st.integers(0, 100), st.integers(1, 300)),
    st.tuples(st.just("happen"), st.integers(0, 9), st.just(0), st.integers(1, 300)),
    st.tuples(st.just("end"), st.integers(0, 900)),
    st.tuples(st.just("correct"), st.integers(0, 3)),
    st.just(("invite",)),
    st.just(("open",)),
    registrations.map(lambda drawn: ("register", *drawn)),
)
lives = st.lists(st.tuples(st.integers(0, 2), steps), min_size=20, max_size=40)


@dataclass
class Shadow:
    """What Python believes of one dossier."""

    code: str
    values: dict = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    token: str | None = None
    invited: bool = False
    opened: bool = False

    @property
    def receipt(self) -> Receipt:
        return Receipt(self.values["received_at"], self.values["due_at"])

    @property
    def course(self) -> rules.Course:
        return rules.replay(self.receipt, self.events)


@pytest.fixture
async def catalogue(make):
    await make.agency()
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    await make.survey()
    await make.procedure()


async def register(session, shadow, dates, counter, channel):
    received, due = dates
    received_at = MONTHS_END + timedelta(hours=received)
    values = {
        "procedure": "1.000001",
        "counter": counter,
        "channel": channel,
        "received_at": received_at,
        "due_at": None if due is None else received_at + timedelta(hours=due),
        "officer": None,
        "applicant_kind": "citizen",
    }
    await dossiers.register(session, "A1", shadow.code, values, Expected())
    shadow.values = values


async def happen(session, shadow, which, gap, more):
    possible = sorted(kind for kind, moves in MOVES.items() if shadow.course.status in moves)
    if not possible:
        return
    kind = possible[which % len(possible)]
    at = shadow.course.last_at + timedelta(hours=gap)
    said = {}
    if kind in {EventType.ACCEPTED, EventType.SUPPLEMENT_RECEIVED}:
        said = {"due_at": None if shadow.course.limit else at + timedelta(hours=more)}
    if kind is EventType.APOLOGY_SENT:
        said = {"new_due_at": at + timedelta(hours=more), "reason": "Chờ phối hợp"}
    await told(session, shadow, Event(type=kind, at=at, recorded_at=at, **said))


async def end(session, shadow, gap):
    at = shadow.course.last_at + timedelta(hours=gap)
    await told(session, shadow, Event(EventType.RESULT_RETURNED, at, at))


async def correct(session, shadow, back):
    at = MONTHS_END + timedelta(days=200)
    live = [one.number for one in shadow.events if one.live]
    wrong = live[-1 - back % len(live)] if live else 1
    said = {"cancels": wrong, "reason": "Ghi nhầm"}
    await told(session, shadow, Event(EventType.CORRECTED, at, at, **said))


async def told(session, shadow, event):
    recorded = await dossier_events.record(session, KEY, ("A1", shadow.code), event)
    if recorded.replayed:
        return
    number = recorded.event.number
    for place, one in enumerate(shadow.events):
        if one.number == event.cancels:
            shadow.events[place] = replace(one, cancelled_by=number)
    shadow.events.append(replace(event, number=number))
    if recorded.invitation:
        shadow.token, shadow.invited = recorded.invitation.token, True


async def invite(session, shadow):
    place = ("A1", shadow.code)
    issued, _ = await invitations.renew(session, KEY, place, shadow.course.last_at)
    shadow.token, shadow.invited = issued.token, True


async def open_(session, shadow):
    if shadow.token:
        found = await invited.find(session, shadow.token, MONTHS_END)
        await invited.record_opening(session, found)
        shadow.opened = True


ACTS = {
    "register": register,
    "happen": happen,
    "end": end,
    "correct": correct,
    "invite": invite,
    "open": open_,
}


def counted(shadows) -> dict:
    """Every cell of the funnel, counted dossier by dossier."""
    cells: Counter = Counter()
    for shadow in shadows:
        course = shadow.course
        where = (shadow.values["counter"] or "", "1.000001", shadow.values["channel"])
        if course.status not in {1, 3}:
            cells[local_day(course.received_at).replace(day=1), *where, "received"] += 1
        if course.returned_at is not None:
            month = local_day(course.returned_at).replace(day=1)
            late = course.returned_at > course.due_at
            for name in ["returned"] + ["late"] * late + ["invited"] * shadow.invited:
                cells[month, *where, name] += 1
            cells[month, *where, "opened"] += shadow.opened
    return {cell: n for cell, n in cells.items() if n}


async def funnel(session) -> dict:
    rows = await session.execute(
        text(f"SELECT month, counter, procedure, channel, {', '.join(COUNTS)} FROM funnel")  # noqa: S608
    )
    return {
        (*row[:4], name): n for row in rows for name, n in zip(COUNTS, row[4:], strict=True) if n
    }


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(registered=st.tuples(*[registrations] * 3), lived=lives)
async def test_the_funnel_counts_what_plain_python_counts(catalogue, connection, registered, lived):
    shadows = [Shadow(f"H00-260201-000{n}") for n in range(3)]
    nested = await connection.begin_nested()
    async with sessions(connection)() as session:
        for shadow, drawn in zip(shadows, registered, strict=True):
            await register(session, shadow, *drawn)
        for number, (act, *drawn) in lived:
            with suppress(DomainError):
                async with session.begin_nested():
                    await ACTS[act](session, shadows[number], *drawn)
        assert await funnel(session) == counted(shadows)
        for shadow in shadows:
            held = await dossiers.get(session, "A1", shadow.code)
            state = dossiers.state(shadow.course)
            assert {name: getattr(held, name) for name in state} == state
    await nested.rollback()


RETURN = {"type": "result_returned", "at": "2026-06-15T09:00:00+07:00"}


async def test_of_eight_equal_returns_at_once_one_is_recorded_and_counted(committed):
    await committed.agency()
    await committed.survey()
    path = f"/v1/agencies/A1/dossiers/{await committed.dossier(returned=False)}/events"
    answers = await asyncio.gather(*(committed.admin.post(path, json=RETURN) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert len({answer.json()["invitation"]["token"] for answer in answers}) == 1
    cells = await funnel(committed.session)
    assert {cell[-1]: n for cell, n in cells.items()} == {
        "received": 1,
        "returned": 1,
        "invited": 1,
    }


async def test_of_a_return_and_a_withdrawal_at_once_one_is_recorded(committed):
    await committed.agency()
    path = f"/v1/agencies/A1/dossiers/{await committed.dossier(returned=False)}/events"
    said = [RETURN, RETURN | {"type": "withdrawn"}]
    answers = await asyncio.gather(*(committed.admin.post(path, json=one) for one in said))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_while_a_return_is_cancelled_it_cannot_be_rated(committed):
    await committed.agency()
    await committed.survey()
    for _ in range(5):
        dossier = await committed.dossier()
        path = f"/v1/agencies/A1/dossiers/{dossier}/events"
        wrong = {"type": "corrected", "at": RETURN["at"], "event": 1, "reason": "Ghi nhầm"}
        answers = await asyncio.gather(
            committed.rate({"q1": "5"}, dossier=dossier), committed.admin.post(path, json=wrong)
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]
