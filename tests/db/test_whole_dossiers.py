"""Dossiers with their events, many at once: the same as one after the other, in few statements."""

from datetime import timedelta

import pytest
from conftest import NOW, REFERENCE_KEY
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from app.api import import_rows
from app.api.import_rows import Terms
from app.db import recount
from app.domain.access import Caller
from app.domain.operation import Kind

TERMS = Terms(Caller("a", frozenset({"dossiers:write"}), None), NOW, REFERENCE_KEY.encode())
RECEIVED = NOW - timedelta(days=12)
LEFT_BEHIND = {
    "dossier": """
        SELECT code, procedure, counter, channel, officer, applicant_kind, received_at,
               receipt_due_at, due_at, new_due_at, status, returned_at, ended_at, revision
          FROM dossier WHERE agency_id = (SELECT id FROM agency WHERE code = :agency)""",
    "dossier_event": """
        SELECT dossier, number, type, at, due_at, new_due_at, reason, cancels, cancelled_by,
               recorded_at
          FROM dossier_event WHERE agency_id = (SELECT id FROM agency WHERE code = :agency)""",
    "invitation": """
        SELECT dossier, number, survey_id, issued_at, expires_at, revoked_at
          FROM invitation WHERE agency_id = (SELECT id FROM agency WHERE code = :agency)""",
    "funnel": """
        SELECT month, counter, procedure, channel, received, returned, late, invited, opened
          FROM funnel WHERE agency_id = (SELECT id FROM agency WHERE code = :agency)
           AND received + returned + late + invited > 0""",
}

moments = st.sampled_from([RECEIVED + timedelta(hours=12 * n) for n in range(30)])
events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "accepted",
                "finished",
                "result_returned",
                "withdrawn",
                "supplement_requested",
                "supplement_received",
                "apology_sent",
                "corrected",
            ]
        ),
        "at": moments,
    },
    optional={
        "due_at": moments,
        "new_due_at": moments,
        "reason": st.just("Vì sao"),
        "event": st.integers(1, 3),
    },
)
likely = st.permutations(["accepted", "finished", "result_returned"]).map(
    lambda types: [
        {"type": name, "at": RECEIVED + timedelta(days=n)} for n, name in enumerate(types, 1)
    ]
)
late = [{"type": "supplement_requested", "at": RECEIVED + timedelta(days=7)}]
again = [
    {"type": f"supplement_{name}", "at": RECEIVED + timedelta(days=1)}
    for name in ("requested", "received", "requested")
]
courses = st.one_of(
    st.lists(events, max_size=3),
    likely,
    st.just([]),
    likely.map(lambda all_: all_[:1]),
    st.sampled_from([late, again]),
)
rows = st.fixed_dictionaries(
    {
        "procedure": st.sampled_from(["1.000001"] * 5 + ["9.9"]),
        "channel": st.sampled_from(["desk", "online"]),
        "received_at": st.sampled_from([RECEIVED] * 5 + [NOW + timedelta(days=1)]),
        "events": courses,
    },
    optional={
        "counter": st.sampled_from(["Q1"] * 5 + ["Q9"]),
        "due_at": st.sampled_from([RECEIVED + timedelta(days=3), RECEIVED + timedelta(days=9)]),
    },
)
batches = st.lists(
    st.dictionaries(st.integers(0, 9), rows, min_size=5, max_size=9), min_size=1, max_size=3
)


@pytest.fixture
async def catalogue(make):
    for agency in ("A1", "A2"):
        await make.agency(agency)
        await make.put(f"/v1/agencies/{agency}/counters/Q1", {"name": {"vi": "Quầy 1"}})
    await make.survey(agencies=["A1", "A2"], invitation_days=30)
    await make.procedure()


def read(agency, number, fields):
    told = {name: value for name, value in fields.items() if name != "events"}
    for name in told.keys() & {"received_at", "due_at"}:
        told[name] = told[name].isoformat()
    happened = [
        {name: getattr(value, "isoformat", lambda v=value: v)() for name, value in one.items()}
        for one in fields["events"]
    ]
    code = f"000.00.01.H00-260602-{number:05}"
    whole = {"agency": agency, "code": code, **told, "events": happened}
    return import_rows.read(Kind.DOSSIERS, whole)


async def stored(session, rows):
    """What is said of all rows, stored part by part."""
    said = []
    while len(said) < len(rows):
        said += await import_rows.store_some(session, rows[len(said) :], TERMS)
    return said


async def left_behind(session, agency):
    return {
        name: sorted(map(repr, await session.execute(text(statement), {"agency": agency})))
        for name, statement in LEFT_BEHIND.items()
    }


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=batches)
async def test_many_dossiers_at_once_leave_what_they_leave_one_by_one(session, catalogue, batches):
    nested = await session.begin_nested()
    for batch in batches:
        together = [read("A1", number, fields) for number, fields in batch.items()]
        # A dossier that is named twice is taken row by row.
        apart = [read("A2", number, fields) for number, fields in batch.items() for _ in "12"]
        said = await stored(session, together)
        assert said == (await stored(session, apart))[::2]
    assert await left_behind(session, "A1") == await left_behind(session, "A2")
    assert await recount.drift(session) == 0
    await nested.rollback()
    session.expire_all()


async def test_dossiers_that_are_new_and_right_take_no_statement_each(
    session, connection, catalogue
):
    happened = [
        {"type": name, "at": RECEIVED + timedelta(days=n)}
        for n, name in enumerate(("accepted", "finished", "result_returned"), 1)
    ]
    fields = {"procedure": "1.000001", "channel": "desk", "counter": "Q1", "events": happened}
    fields |= {"received_at": RECEIVED, "due_at": RECEIVED + timedelta(days=9)}
    new = [read("A1", number, fields) for number in range(50)]
    statements = []
    engine = connection.sync_connection.engine

    def note(*told):
        statements.append(told[2])

    event.listen(engine, "before_cursor_execute", note)
    assert await import_rows.store_some(session, new, TERMS) == [False] * 50
    stored = len(statements)
    assert await import_rows.store_some(session, new, TERMS) == [True] * 50
    event.remove(engine, "before_cursor_execute", note)
    assert stored < 15
    assert len(statements) - stored < 8
    issued = await session.scalar(text("SELECT count(*) FROM invitation"))
    assert issued == 50


async def test_rows_that_are_stored_one_by_one_keep_others_waiting_for_a_few_only(
    session, catalogue
):
    fields = {"procedure": "1.000001", "channel": "desk", "received_at": RECEIVED}
    fields |= {"due_at": RECEIVED + timedelta(days=9), "events": []}
    new = [read("A1", number, fields) for number in range(60)]
    assert await import_rows.store_some(session, new, TERMS) == [False] * 60
    accepted = [{"type": "accepted", "at": RECEIVED + timedelta(days=1)}]
    moved = [read("A1", number, fields | {"events": accepted}) for number in range(60)]
    assert await import_rows.store_some(session, moved, TERMS) == [False] * 25
    many = [
        {"type": name, "at": RECEIVED + timedelta(hours=hour)}
        for hour, name in enumerate(["accepted"] + ["paused", "resumed"] * 50, 30)
    ]
    long = read("A1", 59, fields | {"events": many})
    assert await import_rows.store_some(session, [long, *moved[25:]], TERMS) == [False]
