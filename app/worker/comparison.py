"""Tally and funnel compared with what they count, now and then."""

import asyncio
from contextlib import suppress

import structlog

from app.db import recount
from app.db.session import Sessions
from app.worker import Jobs

log = structlog.get_logger("hailong.worker")


async def work(jobs: Jobs, stop: asyncio.Event) -> None:
    """Compare at once and then every so many hours, until told to stop."""
    while not stop.is_set():
        await compare(jobs.sessions)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), jobs.settings.compare_hours * 3600)


async def compare(sessions: Sessions) -> int:
    """Log how many counts differ from what they count, and return the number."""
    async with sessions.begin() as opened:
        parts = await recount.parts(opened)
    found = await recount.compare_all(sessions, parts, at_once=1)
    drift = {table: recount.total(found, table) for table in ("tally", "funnel")}
    if any(drift.values()):
        log.error(
            "tally and funnel differ from what they count", drift=sum(drift.values()), **drift
        )
    else:
        log.info("tally and funnel compared", drift=0)
    return sum(drift.values())
