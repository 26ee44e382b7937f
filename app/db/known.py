"""What a process knows of the catalogue, so that a rating costs no query before it is stored.

Every table it remembers has a trigger that notifies all processes when it changes. Nothing is
remembered while this process cannot hear that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import agencies, devices, editions, keys, surveys
from app.db.editions import Publication
from app.db.keys import Granted
from app.db.session import Sessions
from app.db.surveys import SurveyForm
from app.domain.access import Caller
from app.domain.device import KEY_PREFIX
from app.domain.refusals import Refusals

CHANNEL = "hailong_catalogue"
MOST_REMEMBERED = 20_000
HEARTBEAT_SECONDS = 1
NOTING_SECONDS = 60

log = structlog.get_logger("hailong")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What ratings rest on: the agency's number and counters, the survey, and the days covered."""

    agency_id: int
    counters: frozenset[str]
    form: SurveyForm
    coverage: tuple[tuple[date, date | None], ...]

    def covers(self, day: date) -> bool:
        """Whether the survey covers the agency on that day."""
        return any(first <= day and (last is None or day <= last) for first, last in self.coverage)


class Known:
    """Catalogue entries as this process last read them. What does not exist is never remembered."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._remembered: dict[Hashable, Any] = {}
        self._generation = 0
        self._hears = False
        self._uses: dict[int, datetime] = {}

    async def caller(self, key: str, now: datetime) -> Caller:
        """Whose a key is; raises CredentialUnknownError. That it was used is noted later."""
        granted = await self.credential(key)
        caller = granted.at(now)
        if granted.number is not None:
            self._uses[granted.number] = now
        return caller

    async def credential(self, key: str) -> Granted:
        """What a key grants; raises CredentialUnknownError."""
        find = devices.find if key.startswith(KEY_PREFIX) else keys.find
        return await self._get(("credential", keys.hashed(key)), lambda session: find(session, key))

    async def grounds(self, agency: str, survey: str, counter: str | None) -> Grounds:
        """What a rating rests on; else a refusal that names all that is unknown."""
        found = await self._get(
            ("grounds", agency, survey),
            lambda session: self._grounds(session, agency, survey, counter),
        )
        if counter is None or counter in found.counters:
            return found
        async with self._sessions() as session:  # a counter that is new may not be heard of yet
            return await self._grounds(session, agency, survey, counter)

    async def publication(self, edition: str) -> Publication:
        """The published edition; raises EditionNotFoundError."""
        return await self._get(
            ("publication", edition), lambda session: editions.publication(session, edition)
        )

    def remembered_publication(self, edition: str) -> Publication | None:
        """The published edition, if this process has it in memory."""
        found: Publication | None = self._remembered.get(("publication", edition))
        return found

    async def _grounds(
        self, session: AsyncSession, agency: str, survey: str, counter: str | None
    ) -> Grounds:
        unknown = Refusals()
        with unknown:
            owner = await agencies.get(session, agency, "/agency")
        with unknown:
            # One form for all agencies and counters: it may be large.
            form = await self._get(("form", survey), lambda own: _form(own, survey), session)
        with unknown:
            await agencies.check_counter(session, agency, counter)
        unknown.raise_all()
        counters = frozenset(await agencies.counter_names(session, agency))
        coverage = await surveys.coverage(session, survey, agency)
        return Grounds(owner.id or 0, counters, form, coverage)

    async def _get(
        self,
        key: Hashable,
        load: Callable[[AsyncSession], Awaitable[Value]],
        within: AsyncSession | None = None,
    ) -> Value:
        if key in self._remembered:
            value: Value = self._remembered[key]
            return value
        generation = self._generation
        if within is not None:  # who holds a connection must not wait for another
            value = await load(within)
        else:
            async with self._sessions() as session:
                value = await load(session)
        # What was read before a change was heard of may be what is no longer so.
        if self._hears and generation == self._generation:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = value
        return value

    def _forget(self, *_notification: object) -> None:
        self._generation += 1
        self._remembered.clear()

    async def keep_uses(self, seconds: float = NOTING_SECONDS) -> None:
        """Write down when keys were used, at these intervals until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await self.note_uses()

    async def note_uses(self) -> None:
        """Write down when keys were used; while the server is away they are kept for later."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            async with self._sessions.begin() as session:
                await keys.note_uses(session, uses)
        except Exception as error:  # noqa: BLE001 -- nobody's request may depend on it
            log.warning("uses of keys are not written", kind=type(error).__qualname__)
            self._uses = uses | self._uses

    async def listen(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        """Hear of changes until cancelled; while the server is away nothing is remembered."""
        while True:
            try:
                await self._hear(await connect())
            except Exception as error:  # noqa: BLE001 -- whatever it was, it must hear again
                log.warning("changes are not heard of", kind=type(error).__qualname__)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _hear(self, connection: asyncpg.Connection) -> None:
        try:
            connection.add_termination_listener(self._deafen)
            await connection.add_listener(CHANNEL, self._forget)
            self._forget()
            self._hears = not connection.is_closed()
            while self._hears:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                # A line that was cut without a word would otherwise look like silence.
                await connection.execute("SELECT 1", timeout=HEARTBEAT_SECONDS)
        finally:
            self._deafen()
            connection.terminate()

    def _deafen(self, *_connection: object) -> None:
        self._hears = False
        self._forget()


async def _form(session: AsyncSession, survey: str) -> SurveyForm:
    (form,) = await surveys.with_forms(session, [survey], "/survey")
    return form
