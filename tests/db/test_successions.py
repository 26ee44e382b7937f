"""Successions along whole chains, against a walk in plain Python."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import successions
from app.db.session import sessions
from app.domain.structure import Succession

CODES = [f"A{number}" for number in range(8)]
MERGER = date(2025, 3, 1)

links = st.lists(
    st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)).filter(
        lambda pair: pair[0] != pair[1]
    ),
    unique=True,
    max_size=10,
)


@pytest.fixture
async def agencies(make):
    for code in CODES:
        await make.agency(code)


async def store(session, drawn, share="0.123456789"):
    for agency, successor in drawn:
        await session.execute(
            text("""
            INSERT INTO agency_succession (agency, successor, share, takes_effect_on)
            VALUES (:agency, :successor, CAST(CAST(:share AS text) AS numeric), :on)
            """),
            {"agency": agency, "successor": successor, "share": share, "on": MERGER},
        )


def linked(drawn, codes):
    """What is in touch with the codes, one step after the other, whichever way it leads."""
    found = set(codes)
    while more := {code for pair in drawn if found & set(pair) for code in pair} - found:
        found |= more
    return sorted(pair for pair in drawn if found & set(pair))


@given(links, st.lists(st.sampled_from(CODES), unique=True))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_all_that_is_linked_is_found(agencies, connection, drawn, codes):
    nested = await connection.begin_nested()
    async with sessions(connection)() as session:
        await store(session, drawn)
        found = await successions.involving(session, codes)
    await nested.rollback()
    assert [(one.agency, one.successor) for one in found] == linked(drawn, codes)


async def test_a_share_is_read_exactly(agencies, session):
    await store(session, [("A0", "A1")])
    found = await successions.involving(session, ["A1"])
    assert found == [Succession("A0", "A1", Fraction(123456789, 10**9), MERGER)]


async def test_a_circle_of_successions_comes_to_an_end(agencies, session):
    circle = [("A0", "A1"), ("A1", "A2"), ("A2", "A0")]
    await store(session, circle, "1")
    found = await successions.involving(session, ["A1"])
    assert [(one.agency, one.successor) for one in found] == circle


async def test_a_succession_recorded_over_the_api_is_found(client, make, session):
    for code in ("A1", "A2", "A3"):
        await make.agency(code)
    shares = [{"agency": "A2", "share": 0.6}, {"agency": "A3", "share": 0.4}]
    body = {"successors": shares, "on": "2025-03-01"}
    assert (await client.post("/v1/agencies/A1/succession", json=body)).status_code == 201
    assert await successions.involving(session, ["A3"]) == [
        Succession("A1", "A2", Fraction(3, 5), MERGER),
        Succession("A1", "A3", Fraction(2, 5), MERGER),
    ]
