"""Quotas that all processes share, though a request seldom has to ask the database.

A process takes a part of what is left of a caller's quota, gives it out from memory, and takes
the next. The parts become smaller as the quota does, so that little lies idle in one process while
another has none. What a process that died had taken is lost until the window ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from app.domain.quota import WINDOW, window

MOST_REMEMBERED = 50_000
PATIENCE_SECONDS = 1
# Let through when the database cannot say, before it is asked again.
UNCOUNTED = 100
# More than the clocks of two machines differ.
KEPT = timedelta(hours=1)

# An eighth of what is left, but no less than is asked for, as far as there is so much.
_PART = "greatest(0, least({left}, greatest($4, ({left}) / 8)))"
# One statement, so two processes cannot take the same part.
_TAKE = f"""
INSERT INTO quota_window AS held (began, caller, taken, granted)
VALUES ($1, $2, {_PART.format(left="$3::int")}, {_PART.format(left="$3::int")})
ON CONFLICT (began, caller) DO UPDATE
   SET taken = held.taken + {_PART.format(left="$3 - held.taken")},
       granted = {_PART.format(left="$3 - held.taken")}
RETURNING granted, greatest(0, $3 - taken) AS rest
"""  # noqa: S608 -- fragments of this module, no input

_FORGET = "DELETE FROM quota_window WHERE began < $1"

log = structlog.get_logger("hailong")

Connect = Callable[[], Awaitable[asyncpg.Connection]]


@dataclass(slots=True)
class Account:
    """What this process may still let through for a caller in a window.

    `rest` is what all processes could still take when this one asked last.
    """

    caller: bytes
    began: datetime
    left: int
    rest: int

    def has(self, cost: int) -> bool:
        """Whether it is enough, which is then spent."""
        if self.left < cost:
            return False
        self.left -= cost
        return True


class Quotas:
    """The quota of every caller, as far as this process gives it out."""

    def __init__(self, connect: Connect, quota: int) -> None:
        self.quota = quota
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._asking = asyncio.Lock()
        self._began: datetime | None = None
        self._swept: datetime | None = None
        self._named: dict[Hashable, Account] = {}
        self._accounts: dict[bytes, Account] = {}

    def named(self, name: Hashable, now: datetime) -> Account | None:
        """The account that was opened under the name in this window."""
        if self._began is None or not self._began <= now < self._began + WINDOW:
            return None
        return self._named.get(name)

    def open(self, name: Hashable, caller: bytes, now: datetime) -> Account:
        """The caller's account in this window, found under the name from now on."""
        began = window(now)
        if began != self._began or len(self._named) >= MOST_REMEMBERED:
            self._began = began
            self._named.clear()
            self._accounts.clear()
        fresh = Account(caller, began, left=0, rest=self.quota)
        self._named[name] = self._accounts.setdefault(caller, fresh)
        return self._named[name]

    async def spend(self, account: Account, cost: int) -> bool:
        """Whether the quota was enough. What costs more than a whole quota costs the whole.

        While the database cannot say, everything is let through.
        """
        cost = min(cost, self.quota)
        if account.left < cost and account.rest > 0:
            async with self._asking:
                # Who waited for others finds what they took.
                if account.left < cost and account.rest > 0:
                    await self._take(account, cost)
        return account.has(cost)

    async def _take(self, account: Account, cost: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                if account.began != self._swept:
                    await self._connection.execute(_FORGET, account.began - KEPT)
                    self._swept = account.began
                terms = (account.began, account.caller, self.quota, cost)
                ((granted, account.rest),) = await self._connection.fetch(_TAKE, *terms)
                account.left += granted
        except Exception as error:  # noqa: BLE001 -- no fault of the caller, who is let through
            log.warning("requests are not counted", kind=type(error).__qualname__)
            account.left += max(cost, UNCOUNTED)
            self.close()

    def close(self) -> None:
        """Leave the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
