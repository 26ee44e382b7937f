"""Background work: what nobody waits for."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from app import logs
from app.db import schema, session
from app.db.opening import database, reference_key
from app.db.session import Sessions
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Jobs:
    """What the worker's jobs are handed."""

    settings: Settings
    engine: AsyncEngine
    sessions: Sessions
    reference_key: bytes
    clock: Callable[[], datetime]


Job = Callable[[Jobs, asyncio.Event], Coroutine[Any, Any, None]]


def settle() -> None:
    """Look for garbage seldom: batches of rows hold none, and looking took half the time.

    What is there now stays for good.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000_000, 50, 1000)


async def run(settings: Settings, *todo: Job) -> None:
    """Do the jobs side by side until told to stop; one that fails ends them all."""
    logs.configure(settings.log_level)
    stop = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        sessions = session.sessions(engine)
        async with sessions.begin() as opened:
            key = await reference_key(opened, settings.secret, settings.data_dir)
        jobs = Jobs(settings, engine, sessions, key, partial(datetime.now, UTC))
        settle()
        async with asyncio.TaskGroup() as group:
            for job in todo:
                group.create_task(job(jobs, stop))
