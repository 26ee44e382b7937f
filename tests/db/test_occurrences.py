"""Low ratings and overdue dossiers, looked for by workers beside each other."""

from datetime import timedelta

import pytest
from conftest import NOW, REFERENCE_KEY
from sqlalchemy import func, select, text

from app.db import occurrences
from app.db.session import sessions
from app.db.tables import Delivery, OccurrenceLook
from app.settings import Settings
from app.worker import Jobs
from app.worker.occurrences import look, sweep


@pytest.fixture
async def province(committed):
    """Somebody who wants to be told of low ratings and overdue dossiers."""
    await committed.agency()
    await committed.survey()
    hook = {"url": "https://receiver.example/hook", "events": ["rating.low", "dossier.overdue"]}
    await committed.put("/v1/webhooks/w", hook)
    return committed


@pytest.fixture
def jobs(committing):
    """What a worker is handed, whose clock stands."""
    key = REFERENCE_KEY.encode()
    return Jobs(Settings(), committing, sessions(committing), key, lambda: NOW)


async def told(jobs):
    async with jobs.sessions.begin() as session:
        return await session.scalar(select(func.count()).select_from(Delivery))


async def looked_until(jobs):
    async with jobs.sessions.begin() as session:
        row = (await session.execute(select(OccurrenceLook.until, func.now()))).one()
    return tuple(row)


async def test_what_was_stored_before_the_last_look_is_not_looked_at_again(province, jobs):
    await province.rate({"q1": "1"})
    assert await look(jobs) == 1
    until, now = await looked_until(jobs)
    assert now - timedelta(minutes=2) < until < now
    await province.rate({"q1": "1"})
    async with jobs.sessions.begin() as session:
        await session.execute(text("UPDATE occurrence_look SET until = now() + interval '1 hour'"))
    assert (await look(jobs), await told(jobs)) == (0, 1)
    assert await look(jobs) == 1


async def test_a_look_reaches_back_before_all_that_is_not_committed_yet(province, jobs):
    async with jobs.sessions() as storing:
        begun = await storing.scalar(select(func.now()))
        async with jobs.sessions.begin() as session:
            await session.execute(text("SELECT pg_sleep(1.5)"))
        await look(jobs)
        until, now = await looked_until(jobs)
        assert until <= begun - timedelta(minutes=1) < now - timedelta(minutes=1, seconds=1)


async def test_a_worker_that_was_away_for_long_looks_no_further_back_than_three_days(
    province, jobs
):
    await province.rate({"q1": "1"})
    await look(jobs)
    async with jobs.sessions.begin() as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        await session.execute(text("DELETE FROM webhook_delivery"))
        await session.execute(text("UPDATE rating SET updated_at = now() - interval '4 days'"))
        await session.execute(text("UPDATE occurrence_look SET until = now() - interval '9 days'"))
    assert await look(jobs) == 0


async def test_one_worker_looks_at_a_time(province, jobs):
    await province.rate({"q1": "1"})
    await province.dossier(returned=False, due_at="2026-06-12T17:00:00+07:00")
    async with jobs.sessions.begin() as session:
        assert await occurrences.tell_low_ratings(session, NOW) == 1
        assert await look(jobs) == 0
    assert await look(jobs) == 1
    assert await told(jobs) == 2


async def test_what_nobody_wants_to_know_is_looked_past_and_not_told_afterwards(province, jobs):
    hook = {"url": "https://receiver.example/hook", "events": ["rating.low"]}
    await province.put("/v1/webhooks/w", hook | {"active": False})
    await province.rate({"q1": "1"})
    assert await look(jobs) == 0
    until, now = await looked_until(jobs)
    assert now - timedelta(minutes=2) < until < now


async def test_what_is_old_and_settled_is_swept_away(province, jobs):
    await province.dossier(returned=False, due_at="2026-06-12T17:00:00+07:00")
    assert await look(jobs) == 1
    await sweep(jobs)
    assert await told(jobs) == 1
    async with jobs.sessions.begin() as session:
        await session.execute(
            text("UPDATE webhook_delivery SET state = 'given_up', next_at = NULL")
        )
        old = {"at": NOW - timedelta(days=31)}
        await session.execute(text("UPDATE webhook_delivery SET created_at = :at"), old)
        await session.execute(text("UPDATE overdue_dossier SET noted_at = :at"), old)
        await session.execute(text("UPDATE dossier SET status = 7, ended_at = :at"), old)
    await sweep(jobs)
    async with jobs.sessions.begin() as session:
        notes = await session.scalar(text("SELECT count(*) FROM overdue_dossier"))
    assert (await told(jobs), notes) == (0, 0)
