"""Webhooks: what is due is sent, one at a time to each receiver, many receivers at once."""

import asyncio
import random

import structlog

from app.db import deliveries
from app.db.deliveries import Claimed
from app.domain import webhook as rules
from app.worker import Jobs
from app.worker.sending import MOST_AT_ONCE, Message, Sender

POLL_SECONDS = 1
GRACE_SECONDS = 5
CHANCE = random.SystemRandom()

log = structlog.get_logger("hailong.worker")


async def work(jobs: Jobs, stop: asyncio.Event) -> None:
    """Send what is due, until told to stop."""
    post = Post(jobs, Sender(jobs.clock, private=jobs.settings.webhook_allow_private))
    try:
        while not stop.is_set():
            try:
                await post.take()
            except Exception as error:  # noqa: BLE001 -- whatever it was, others wait to be told
                log.warning("webhooks are not sent", kind=type(error).__qualname__)
            await post.wait(stop)
    finally:
        await post.close()


class Post:
    """The deliveries that this worker is about."""

    def __init__(self, jobs: Jobs, sender: Sender) -> None:
        self._jobs, self._sender = jobs, sender
        self._under_way: dict[asyncio.Task[None], str] = {}

    async def take(self) -> int:
        """Take what is due, one of each receiver, and begin to send it; how many are under way."""
        room = MOST_AT_ONCE - len(self._under_way)
        busy = set(self._under_way.values())
        async with self._jobs.sessions.begin() as session:
            taken = await deliveries.claim(session, self._jobs.clock(), busy, room)
        for one in taken:
            self._under_way[asyncio.create_task(self._deliver(one))] = one.webhook
        return len(self._under_way)

    async def wait(self, stop: asyncio.Event) -> None:
        """Return when a delivery has ended, or it is time to look again, or to stop."""
        ending = asyncio.create_task(stop.wait())
        await asyncio.wait(
            [ending, *self._under_way],
            timeout=POLL_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        ending.cancel()
        self._under_way = {task: name for task, name in self._under_way.items() if not task.done()}

    async def close(self) -> None:
        """Give what is under way a few seconds; what is cut off then is sent again."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE_SECONDS)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._sender.close()

    async def _deliver(self, mine: Claimed) -> None:
        made = [rules.secret(self._jobs.reference_key, salt) for salt in mine.salts]
        last = await self._sender.send(Message(mine.id, mine.url, mine.body, made))
        try:
            async with self._jobs.sessions.begin() as session:
                await deliveries.settle(session, mine, last, CHANCE.random())
        except Exception as error:  # noqa: BLE001 -- it will be sent again
            log.warning("a delivery is not noted", kind=type(error).__qualname__)
