"""Quotas: shared by all processes, never exceeded, and seldom asked for."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import pytest
from conftest import NOW
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db.limits import UNCOUNTED, Quotas
from app.db.session import own_connection

CALLER = b"one"


@pytest.fixture
def process(committing, committed):
    """The quotas as another process gives them out."""
    started = []

    def start(quota):
        started.append(Quotas(partial(own_connection, committing), quota))
        return started[-1]

    yield start
    for one in started:
        one.close()


async def spend(quotas, times, cost=1, caller=CALLER, now=NOW):
    """How many of so many requests are let through."""
    account = quotas.named(caller, now) or quotas.open(caller, caller, now)
    return sum(await asyncio.gather(*(quotas.spend(account, cost) for _ in range(times))))


async def windows(engine):
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT began, taken FROM quota_window ORDER BY 1"))
        return [tuple(row) for row in found]


async def test_two_processes_let_through_the_quota_and_no_more(process):
    first, second = process(100), process(100)
    spent = await asyncio.gather(spend(first, 80), spend(second, 80))
    spent += [await spend(first, 80), await spend(second, 80)]
    assert sum(spent) == 100


async def test_what_lies_idle_in_one_process_is_little(process):
    first, second = process(1000), process(1000)
    assert await spend(first, 1) == 1
    assert await spend(second, 1000) >= 800


async def test_many_requests_ask_the_database_a_few_times(process, committing):
    quotas, asked = process(6000), 0
    take = quotas._take  # noqa: SLF001 -- what is counted is how often it is called

    async def counted(*terms):
        nonlocal asked
        asked += 1
        await take(*terms)

    quotas._take = counted  # noqa: SLF001
    for _ in range(6):
        await spend(quotas, 1000)
    assert asked < 90
    assert await windows(committing) == [(NOW, 6000)]


async def test_another_caller_and_the_next_minute_have_quotas_of_their_own(process):
    quotas = process(3)
    assert await spend(quotas, 5) == 3
    assert await spend(quotas, 5, caller=b"other") == 3
    assert await spend(quotas, 5, now=NOW + timedelta(seconds=59)) == 0
    assert await spend(quotas, 5, now=NOW + timedelta(seconds=60)) == 3


async def test_what_a_dead_process_had_taken_is_lost_for_that_minute_only(process):
    dead, living = process(80), process(80)
    assert await spend(dead, 1) == 1
    assert await spend(living, 80) == 70
    assert await spend(living, 80, now=NOW + timedelta(minutes=1)) == 80


async def test_what_costs_more_than_the_quota_costs_all_of_it(process):
    quotas = process(10)
    assert await spend(quotas, 2, cost=50) == 1
    assert await spend(quotas, 1) == 0


async def test_a_quota_that_was_lowered_meanwhile_is_used_up(process):
    before, after = process(100), process(10)
    assert await spend(before, 50) == 50
    assert await spend(after, 5) == 0


async def test_old_windows_are_forgotten(process, committing):
    quotas = process(8)
    await spend(quotas, 1, now=NOW - timedelta(hours=2))
    await spend(quotas, 1, now=NOW - timedelta(minutes=59))
    await spend(quotas, 1)
    assert [began for began, _ in await windows(committing)] == [NOW - timedelta(minutes=59), NOW]


async def test_everything_is_let_through_while_the_database_is_away(process):
    async def refuse():
        raise ConnectionRefusedError

    quotas = Quotas(refuse, 5)
    assert await spend(quotas, 3 * UNCOUNTED) == 3 * UNCOUNTED


async def test_who_waits_for_the_database_is_let_through_and_counted_again_later(
    process, committing
):
    quotas = process(10)
    async with committing.begin() as other:
        await other.execute(text("LOCK TABLE quota_window"))
        assert await spend(quotas, 1) == 1
    assert await spend(quotas, 1, now=NOW + timedelta(minutes=1)) == 1
    assert [began for began, _ in await windows(committing)] == [NOW + timedelta(minutes=1)]


async def test_a_connection_that_was_lost_is_made_again(process, committing):
    quotas = process(100)
    assert await spend(quotas, 1) == 1
    quotas._connection.terminate()  # noqa: SLF001 -- as if the line was cut
    assert await spend(quotas, 200) == 99
    ((_, taken),) = await windows(committing)
    assert taken == 100


async def test_two_services_on_one_database_let_through_the_quota_and_no_more(
    process, serving, committed
):
    key = await committed.key()
    answers = []
    async with AsyncExitStack() as opened:
        callers = []
        for app in (serving(), serving()):
            app.state.quotas = process(50)
            client = AsyncClient(transport=ASGITransport(app), base_url="http://test")
            client.headers["Authorization"] = f"Bearer {key}"
            callers.append(await opened.enter_async_context(client))
        for _ in range(4):
            asking = [one.get("/v1/methods") for one in callers for _ in range(10)]
            answers += await asyncio.gather(*asking)
    told = [answer.status_code for answer in answers]
    assert sorted(set(told)) == [200, 429]
    assert told.count(200) == 50


asks = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30), st.integers(1, 9)), max_size=12)


@given(quota=st.integers(1, 60), asks=asks)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whoever_asks_how_much_the_quota_is_never_exceeded(process, quota, asks):
    caller = repr((quota, asks)).encode()
    processes = [process(quota) for _ in range(3)]
    spent = 0
    for which, times, cost in asks:
        spent += min(cost, quota) * await spend(processes[which], times, cost, caller)
    assert spent <= quota
