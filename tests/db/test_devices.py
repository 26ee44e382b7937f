"""Devices' keys, and their numbers against a plain-Python count of the same arrivals."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import devices
from app.db.session import sessions
from app.db.tables import DeviceRefusal
from app.domain.access import DEVICE_SCOPE
from app.domain.device import Arrivals, Gap
from app.domain.errors import (
    CredentialUnknownError,
    DeviceNotFoundError,
    InvalidError,
    UnknownReferenceError,
)

NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
LAST_SEQUENCE = 2**53 - 1

numbers = st.sets(st.integers(1, 30), max_size=20)


@pytest.fixture
async def ids(session):
    """Two agencies with two counters each, and a survey; the agencies' numbers by code."""
    await session.execute(
        text("""
        INSERT INTO agency (code, name, kind, valid_from)
        SELECT 'A' || n, '{"vi": "Cơ quan"}', 'department', '2010-01-01'
          FROM generate_series(1, 2) AS n
        """)
    )
    await session.execute(
        text("""
        INSERT INTO counter (agency, code, name)
        SELECT 'A' || a, 'Q' || c, '{"vi": "Quầy"}'
          FROM generate_series(1, 2) AS a, generate_series(1, 2) AS c
        """)
    )
    await session.execute(
        text("""
        WITH form AS (
            INSERT INTO questionnaire (code, version, document) VALUES ('f', 1, '{}')
            RETURNING code)
        INSERT INTO survey (code, title, questionnaire, version, opens_on, rating_window_days,
                            layout)
        SELECT 's1', '{"vi": "Đợt"}', code, 1, '2026-01-01', 90, '{1}' FROM form
        """)
    )
    return dict((await session.execute(text("SELECT code, id FROM agency"))).all())


async def accept(session, agency_id, device, arrived) -> None:
    """Ratings of the device that were accepted under the numbers."""
    await session.execute(
        text("""
        INSERT INTO rating (
               agency_id, id, survey_id, basis, reference, digest, channel, service_channel,
               procedure, answers, device, device_seq, rated_at, received_at, funnel_month,
               released)
        SELECT :agency_id, new.id, survey.id, 'dossier', sha256(new.id::text::bytea), '', 'tablet',
               'desk', 'P', '{1}', :device, seq, :at, :at, '2026-06-01', false
          FROM survey,
               (SELECT seq, gen_random_uuid() AS id
                  FROM unnest(CAST(:seqs AS bigint[])) AS seq) AS new
        """),
        {"agency_id": agency_id, "device": device, "seqs": list(arrived), "at": NOW},
    )


def refusals(agency_id, device, arrived, code="result-not-returned") -> list[DeviceRefusal]:
    return [
        DeviceRefusal(
            agency_id=agency_id, device=device, device_seq=seq, code=code, received_at=NOW
        )
        for seq in arrived
    ]


async def created(session, code="K1", place=("A1", "Q1"), key="hld_1", at=NOW):
    await devices.create(session, key, code, place, at)
    return await devices.get(session, code)


def oracle(accepted, refused):
    """The arrivals and gaps of one device, number by number."""
    seen = accepted | refused
    found: list[Gap] = []
    for number in range(1, max(seen, default=0) + 1):
        if number in seen:
            continue
        if found and found[-1].last == number - 1:
            found[-1] = Gap(found[-1].first, number)
        else:
            found.append(Gap(number, number))
    return Arrivals(max(seen, default=0), len(accepted), len(refused - accepted)), found


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.tuples(numbers, numbers), other=st.tuples(numbers, numbers))
async def test_the_database_finds_the_gaps_that_plain_python_finds(ids, connection, drawn, other):
    nested = await connection.begin_nested()
    async with sessions(connection)() as session:
        # Another tablet, the same name elsewhere, ratings without a tablet and without a number.
        await accept(session, ids["A2"], "K1", range(1, 40))
        await accept(session, ids["A1"], None, range(1, 40))
        await accept(session, ids["A1"], "K1", [None, 0])
        for place, (code, arrived) in enumerate({"K1": drawn, "K2": other}.items(), 1):
            await created(session, code, ("A1", f"Q{place}"), f"hld_{code}")
            await accept(session, ids["A1"], code, arrived[0])
            await devices.record_refusals(session, refusals(ids["A1"], code, arrived[1]))
        expected = {"K1": oracle(*drawn), "K2": oracle(*other)}
        for code, (arrivals, gaps) in expected.items():
            report = await devices.gaps(session, await devices.get(session, code))
            assert (report.arrivals, report.gaps, report.truncated) == (arrivals, gaps, False)
        listed = {device.code: arrivals for device, arrivals in await devices.list_all(session)}
        assert listed == {code: arrivals for code, (arrivals, _) in expected.items()}
    await nested.rollback()


async def test_the_greatest_number_costs_no_more_than_the_first(ids, session):
    device = await created(session)
    await accept(session, ids["A1"], "K1", [1, LAST_SEQUENCE])
    report = await devices.gaps(session, device)
    assert report.gaps == [Gap(2, LAST_SEQUENCE - 1)]
    assert report.arrivals.missing == LAST_SEQUENCE - 2


@pytest.mark.parametrize(("last", "truncated"), [(2000, False), (2002, True)])
async def test_only_the_first_thousand_gaps_are_named(ids, session, last, truncated):
    device = await created(session)
    await accept(session, ids["A1"], "K1", range(2, last + 1, 2))
    report = await devices.gaps(session, device)
    assert report.gaps == [Gap(n, n) for n in range(1, 2000, 2)]
    assert (report.arrivals.missing, report.truncated) == (last // 2, truncated)


async def test_the_first_refusal_of_a_number_is_kept(ids, session):
    await devices.record_refusals(session, refusals(ids["A1"], "K1", [2, 1]))
    await devices.record_refusals(session, refusals(ids["A1"], "K1", [2, 3], "already-rated"))
    await devices.record_refusals(session, [])
    rows = await session.execute(
        text("SELECT device_seq, code FROM device_refusal ORDER BY device_seq")
    )
    assert rows.all() == [
        (1, "result-not-returned"),
        (2, "result-not-returned"),
        (3, "already-rated"),
    ]


async def test_a_device_may_only_submit_for_its_agency_and_counter(ids, session):
    await created(session)
    caller = (await devices.find(session, "hld_1")).at(NOW)
    assert (caller.key, caller.scopes) == ("device:K1", {DEVICE_SCOPE})
    assert (caller.agencies, caller.device, caller.counter) == ({"A1"}, "K1", "Q1")


async def test_a_devices_key_is_kept_as_its_hash_only(ids, session):
    await created(session)
    kept = await session.scalar(text("SELECT device::text FROM device"))
    assert "hld_1" not in kept
    for wrong in ("hld_2", "hld_1 ", ""):
        with pytest.raises(CredentialUnknownError):
            await devices.find(session, wrong)


async def test_a_revoked_device_is_unknown_from_then_on(ids, session):
    await created(session)
    assert await devices.revoke(session, "K1", LATER)
    assert not await devices.revoke(session, "K1", LATER)
    assert not await devices.revoke(session, "K2", LATER)
    granted = await devices.find(session, "hld_1")
    assert granted.at(NOW).device == "K1"
    with pytest.raises(CredentialUnknownError):
        granted.at(LATER)


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_lost_key_is_replaced_and_the_numbers_go_on(ids, session, revoked):
    await created(session)
    await accept(session, ids["A1"], "K1", [1, 3])
    if revoked:
        await devices.revoke(session, "K1", NOW)
    device = await created(session, key="hld_2", at=LATER)
    assert (await devices.find(session, "hld_2")).at(LATER).device == "K1"
    with pytest.raises(CredentialUnknownError):
        await devices.find(session, "hld_1")
    assert (await devices.gaps(session, device)).gaps == [Gap(2, 2)]


@pytest.mark.parametrize("place", [("A1", "Q2"), ("A2", "Q1")])
@pytest.mark.parametrize("revoked", [False, True])
async def test_a_code_stays_with_its_counter(ids, session, place, revoked):
    await created(session)
    if revoked:
        await devices.revoke(session, "K1", NOW)
    with pytest.raises(InvalidError) as refused:
        await created(session, place=place, key="hld_2")
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/device", "device-elsewhere")
    assert fault.params == {"code": "K1", "agency": "A1", "counter": "Q1"}
    assert (await devices.find(session, "hld_1")).caller.counter == "Q1"


@pytest.mark.parametrize(
    ("place", "pointer", "code"),
    [
        (("A9", "Q1"), "/agency", "agency-not-found"),
        (("A1", "Q9"), "/counter", "counter-not-found"),
    ],
)
async def test_a_device_stands_at_a_counter_that_there_is(ids, session, place, pointer, code):
    with pytest.raises(UnknownReferenceError) as refused:
        await created(session, place=place)
    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [(pointer, code)]
    with pytest.raises(DeviceNotFoundError):
        await devices.get(session, "K1")
