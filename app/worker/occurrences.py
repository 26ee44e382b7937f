"""Low ratings and overdue dossiers, looked for now and then by one worker at a time."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog

from app.db import deliveries, occurrences
from app.worker import Jobs

LOOK_SECONDS, SWEEP_SECONDS = 30, 3600

log = structlog.get_logger("hailong.worker")


async def work(jobs: Jobs, stop: asyncio.Event) -> None:
    """Look at once and then every half minute, and sweep every hour, until told to stop."""
    sweep_at = jobs.clock()
    while not stop.is_set():
        try:
            await look(jobs)
            if jobs.clock() >= sweep_at:
                await sweep(jobs)
                sweep_at = jobs.clock() + timedelta(seconds=SWEEP_SECONDS)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the next look may succeed
            log.warning("occurrences are not looked for", kind=type(error).__qualname__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_SECONDS)


async def look(jobs: Jobs) -> int:
    """Enqueue what has happened, the overdue in parts; how much it was."""
    async with jobs.sessions.begin() as session:
        found = await occurrences.tell_low_ratings(session, jobs.clock())
    part = occurrences.MOST_TOGETHER
    while part == occurrences.MOST_TOGETHER:
        async with jobs.sessions.begin() as session:
            part = await occurrences.tell_overdue(session, jobs.clock())
        found += part
    return found


async def sweep(jobs: Jobs) -> None:
    """Forget what is old and settled."""
    async with jobs.sessions.begin() as session:
        await deliveries.forget(session, jobs.clock())
        await occurrences.forget(session, jobs.clock())
