"""Low ratings and overdue dossiers, looked for now and then."""

import asyncio
from contextlib import suppress

import structlog

from app.db import deliveries, occurrences
from app.worker import Jobs

LOOK_SECONDS = 30

log = structlog.get_logger("hailong.worker")


async def work(jobs: Jobs, stop: asyncio.Event) -> None:
    """Look at once and then every half minute, until told to stop."""
    while not stop.is_set():
        try:
            await look(jobs)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the next look may succeed
            log.warning("occurrences are not looked for", kind=type(error).__qualname__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_SECONDS)


async def look(jobs: Jobs) -> int:
    """Enqueue what has happened, in parts, and forget old deliveries; how much it was."""
    found = 0
    for tell in (occurrences.tell_low_ratings, occurrences.tell_overdue):
        part = occurrences.MOST_TOGETHER
        while part == occurrences.MOST_TOGETHER:
            async with jobs.sessions.begin() as session:
                part = await tell(session, jobs.clock())
            found += part
    async with jobs.sessions.begin() as session:
        await deliveries.forget(session, jobs.clock())
    return found
