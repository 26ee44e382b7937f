"""Background work: what nobody waits for."""

import asyncio
import signal
from contextlib import suppress

import structlog

from app import logs
from app.db import recount, schema, session
from app.db.opening import database
from app.settings import Settings

log = structlog.get_logger("hailong.worker")


async def run(settings: Settings) -> None:
    """Compare tally and funnel with what they count, now and then, until told to stop."""
    logs.configure(settings.log_level)
    stop = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        while not stop.is_set():
            await compare(session.sessions(engine))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), settings.compare_hours * 3600)


async def compare(sessions: session.Sessions) -> int:
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
