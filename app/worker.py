"""Background work: what nobody waits for."""

import asyncio
import signal
from contextlib import suppress

import structlog

from app import logs
from app.db import schema, session, tallies
from app.db.opening import database
from app.settings import Settings

log = structlog.get_logger("hailong.worker")


async def run(settings: Settings) -> None:
    """Compare the tallies with what they count, now and then, until told to stop."""
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
    """Log how many tally cells differ from their ratings and sheets, and return the number."""
    async with sessions.begin() as opened:
        drift = await tallies.drift(opened)
    if drift:
        log.error("tallies differ from ratings and sheets", drift=drift)
    else:
        log.info("tallies compared", drift=0)
    return drift
