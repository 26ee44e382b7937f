"""Imports: the operation that waits longest is claimed, and done by this worker alone."""

import asyncio
import traceback
from datetime import timedelta
from functools import partial

import structlog

from app.db import operations
from app.db.known import Known
from app.db.session import driver_of, own_connection
from app.worker import Jobs
from app.worker.importing import Import

LOOK_SECONDS, SWEEP_SECONDS, REST_SECONDS = 10, 3600, 1
TURN = timedelta(minutes=1)  # of a long import, while others wait

log = structlog.get_logger("hailong.worker")


async def work(jobs: Jobs, stop: asyncio.Event) -> None:
    """Do what is asked for, one operation after the other, until told to stop."""
    known = Known(jobs.sessions)
    listening = asyncio.create_task(known.listen(partial(own_connection, jobs.engine)))
    try:
        while not stop.is_set():
            try:
                await _serve(jobs, known, stop)
            except Exception as error:  # noqa: BLE001 -- whatever it was, others wait to be done
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
                log.warning("imports are interrupted", kind=type(error).__qualname__, at=where)
                await _rest(stop, REST_SECONDS)
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def _serve(jobs: Jobs, known: Known, stop: asyncio.Event) -> None:
    """Work on one connection, which holds the operation that is being worked on."""
    woken, swept = asyncio.Event(), None
    async with operations.holding(jobs.engine) as connection:
        driver = await driver_of(connection)
        await driver.add_listener(operations.CHANNEL, lambda *_: woken.set())
        while not stop.is_set():
            now = jobs.clock()
            if swept is None or (now - swept).total_seconds() > SWEEP_SECONDS:
                async with jobs.sessions.begin() as session:
                    await operations.sweep(session, now)
                swept = now
            woken.clear()
            held = await operations.claim(connection, now)
            if held is None:
                await _rest(stop, LOOK_SECONDS, woken)
                continue
            try:
                await Import(jobs, known, connection, held, turn=TURN).run(stop)
            finally:
                await operations.release(connection, held.id)


async def _rest(stop: asyncio.Event, seconds: float, *wakers: asyncio.Event) -> None:
    """Wait so long, or until one of the events."""
    waiting = [asyncio.create_task(event.wait()) for event in (stop, *wakers)]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
