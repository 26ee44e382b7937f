"""Group commit: what arrives while a batch commits is written together by the next one.

A commit waits for the disk whether it holds one rating or a hundred, so ratings share it. Each
caller is answered after the commit of its own batch, with the outcome of its own rating.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from app.db import ratings
from app.db.ratings import NewRating, Outcome
from app.domain.errors import SaturatedError

MOST_TOGETHER = 256

# SQLSTATE classes that say nothing about the rows: connections, resources, locks, operators.
_NOT_THE_ROWS = ("08", "53", "55", "57")

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class GroupCommit:
    """The one way by which a process stores ratings: one batch at a time, on its own connection."""

    def __init__(self, connect: Connect, most_waiting: int) -> None:
        self._connect = connect
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[NewRating, asyncio.Future[Outcome | Exception]]] = deque()
        self._connection: asyncpg.Connection | None = None
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, batch: Sequence[NewRating]) -> list[Outcome | Exception]:
        """Each rating's outcome once it is committed, or what kept it from being stored.

        Raises SaturatedError, with nothing stored, when too many are waiting already.
        """
        if self._closed or len(self._waiting) + len(batch) > self._most_waiting:
            raise SaturatedError
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Outcome | Exception]] = [loop.create_future() for _ in batch]
        self._waiting.extend(zip(batch, futures, strict=True))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return [await future for future in futures]

    async def close(self) -> None:
        """Commit what was accepted, take no more, and leave the server."""
        self._closed = True
        while self._writing is not None:
            await asyncio.wait([self._writing])
        self._leave()

    async def _write(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), MOST_TOGETHER)
                taken = [self._waiting.popleft() for _ in range(count)]
                outcomes = await self._outcomes([new for new, _ in taken])
                for (_, future), outcome in zip(taken, outcomes, strict=True):
                    # Who hangs up has sent a rating all the same; only the answer is lost.
                    if not future.cancelled():
                        future.set_result(outcome)
        finally:
            self._writing = None

    async def _outcomes(self, batch: Sequence[NewRating]) -> list[Outcome | Exception]:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return list(await ratings.submit(self._connection, batch))
        except (asyncpg.PostgresError, asyncpg.DataError) as error:
            if str(getattr(error, "sqlstate", "")).startswith(_NOT_THE_ROWS) or len(batch) == 1:
                return [error] * len(batch)
            # One row that PostgreSQL cannot take, or a deadlock: each row by itself.
            return [outcome for new in batch for outcome in await self._outcomes([new])]
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # Whether it was committed is not known; sent again under its id it is counted once.
            self._leave()
            return [ConnectionError(str(error))] * len(batch)
        except Exception as error:  # noqa: BLE001 -- nobody may wait for ever for an outcome
            self._leave()
            return [error] * len(batch)

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
