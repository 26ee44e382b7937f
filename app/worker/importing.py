"""One import: its rows are read, checked as requests are, and stored batch by batch.

Each batch is stored in one transaction with its errors and the operation's progress, so whoever
takes over from a worker that was killed goes on behind the last one that was committed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.api import import_rows
from app.api.errors import unavailable
from app.api.import_rows import Terms
from app.api.rating_check import Checked, RatingCheck, refusal
from app.api.rating_schemas import RatingIn
from app.api.schemas import In
from app.bulk.rows import Broken, Line, Origin
from app.db import imports, operations, webhooks
from app.db.imports import Many
from app.db.known import Known
from app.db.operations import RowFault
from app.db.ratings import CREATED, REPLAYED, Outcome
from app.db.session import driver_of
from app.db.tables import Operation
from app.domain.access import Caller
from app.domain.errors import (
    AlreadyRatedError,
    DomainError,
    Fault,
    IdempotencyKeyReusedError,
    InvalidError,
)
from app.domain.operation import (
    INTERRUPTED,
    KEY_REVOKED,
    MOST_ATTEMPTS,
    NO_ROWS,
    TOO_MANY_ERRORS,
    Count,
    Kind,
)
from app.domain.webhook import Event, operation_finished
from app.worker import Jobs
from app.worker.reader import Reader

MOST_RATINGS, MOST_ROWS = 15_000, 500  # of a batch
MOST_AT_FIRST = 2_500  # of the first batch, which PostgreSQL waits for
AT_ONCE = 200  # rows, after which other work of the process has its turn
WAIT_SECONDS = 0.1

Row = Checked | In | list[Fault]
Told = Callable[[Operation, int], None]


class Batch(NamedTuple):
    """Rows to be stored together, each as it was checked or with its faults, and where it began.

    `done` is how many bytes of the input are behind them.
    """

    rows: list[tuple[Origin, Row]]
    done: int

    def many(self) -> Many | None:
        """Its ratings, all of which are stored at once; None if there are none."""
        new = [row.new for _, row in self.rows if isinstance(row, Checked)]
        return Many.of(new) if new else None


class _RevokedError(Exception):
    """The key that asked for the operation was revoked since: nothing more is stored for it."""


@dataclass(slots=True)
class Import:
    """An operation that is held, and what is needed to do it; `told` hears of its progress.

    After its `turn` it is left to be gone on with, if others wait.
    """

    jobs: Jobs
    known: Known
    connection: AsyncConnection
    held: Operation
    told: Told = lambda _held, _done: None
    turn: timedelta = timedelta.max

    async def run(self, stop: asyncio.Event) -> None:
        """Store the rows that are left, unless told to stop, and end the operation."""
        began, reader = self.jobs.clock(), Reader(self.jobs, self.held, stop)
        most = MOST_RATINGS if self._kind is Kind.RATINGS else MOST_ROWS
        now = min(most, MOST_AT_FIRST)
        storing: asyncio.Task[None] | None = None
        try:
            while (problem := self._hindrance()) is None:
                lines = await reader.take(now)
                # When reading was broken off the last of them may be half a row.
                if stop.is_set() or await self._is_anothers_turn(began):
                    return
                if not lines:
                    problem = _unreadable(reader.last)
                    break
                # Rows are read and checked while PostgreSQL stores those before them.
                batch = Batch(await self._checked(lines), reader.passed)
                many = batch.many()
                if storing is not None:
                    await storing
                storing = asyncio.create_task(self._store(batch, many))
                now = min(most, 2 * now)
            if storing is not None:
                await storing
        except _RevokedError:
            problem = KEY_REVOKED
        finally:
            if storing is not None:
                with suppress(_RevokedError):
                    await storing
        await self._finish(problem)

    @property
    def _kind(self) -> Kind:
        return Kind(self.held.kind)

    @property
    def _caller(self) -> Caller:
        """Who asked, with the limits that held then."""
        limits = self.held.agencies
        agencies = None if limits is None else frozenset(limits)
        return Caller(self.held.owner, frozenset({self._kind.scope}), agencies)

    def _hindrance(self) -> Fault | None:
        """Why the operation is given up."""
        if self.held.attempts > MOST_ATTEMPTS:
            return INTERRUPTED
        return TOO_MANY_ERRORS if self.held.faults > operations.MOST_ERRORS else None

    async def _is_anothers_turn(self, began: datetime) -> bool:
        # An attempt that has stored nothing goes on: finding its place may take longer than a turn.
        if self.held.attempts or self.jobs.clock() - began < self.turn:
            return False
        async with self.jobs.sessions() as session:
            return await operations.wait(session)

    async def _checked(self, lines: list[Line | Broken]) -> list[tuple[Origin, Row]]:
        checking = RatingCheck(
            known=self.known,
            sessions=self.jobs.sessions,
            key=self.jobs.reference_key,
            moment=self.jobs.clock(),
            caller=self._caller,
        )
        kind = self._kind
        rows: list[tuple[Origin, Row]] = []
        lines.reverse()
        while lines:
            line = lines.pop()  # so that its memory can be used again
            rows.append((line.origin, await _row(checking, kind, line)))
            if len(rows) % AT_ONCE == 0:
                await asyncio.sleep(0)
        return rows

    async def _store(self, batch: Batch, many: Many | None) -> None:
        """Store the rows, in as many transactions as they need so that nobody waits for long."""
        rest, most = batch.rows, len(batch.rows)
        while rest:
            before = self.held.read
            await self._store_part(Batch(rest[:most], batch.done), many)
            stored = self.held.read - before
            rest, most = rest[stored:], 2 * stored

    async def _store_part(self, part: Batch, many: Many | None) -> None:
        """Store the first of the rows, again if others were in the way."""
        for attempt in count(1):
            try:
                self.held = await self._store_once(part, many)
            except (SQLAlchemyError, asyncpg.PostgresError) as error:
                if attempt == MOST_ATTEMPTS or not unavailable(error) or self.connection.closed:
                    raise
                await asyncio.sleep(attempt * WAIT_SECONDS)
            else:
                self.told(self.held, part.done)
                return

    async def _store_once(self, batch: Batch, many: Many | None) -> Operation:
        """Store the first of the rows with the operation's progress, in one transaction."""
        async with (
            AsyncSession(self.connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            tried = await session.begin_nested()
            await session.connection()  # or it would begin only with the session's first statement
            if await operations.revoked(session, self.held.key_hash, self.jobs.clock()):
                raise _RevokedError
            outcomes = await self._outcomes(many)
            said = await self._said(session, [row for _, row in batch.rows], outcomes)
            # A dry run sees what a batch would do, and undoes it.
            await (tried.rollback() if self.held.dry_run else tried.commit())
            faults = [
                RowFault(*origin.sited(fault))
                for (origin, _), one in zip(batch.rows, said, strict=False)
                if not isinstance(one, bool)
                for fault in one
            ]
            accepted, replayed = said.count(False), said.count(True)
            counted = Count(accepted, replayed, len(said) - accepted - replayed)
            more = {"done_bytes": batch.done, "saved_at": self.jobs.clock()}
            return await operations.advance(session, self.held, counted, faults, more)

    async def _outcomes(self, many: Many | None) -> Iterator[Outcome]:
        if many is None:
            return iter(())
        return iter(await imports.submit(await driver_of(self.connection), many))

    async def _said(
        self, session: AsyncSession, rows: Sequence[Row], outcomes: Iterator[Outcome]
    ) -> list[bool | list[Fault]]:
        """Of the first rows, in order, whether they were there before, or what is wrong."""
        terms = Terms(self._caller, self.jobs.clock(), self.jobs.reference_key)
        others = [row for row in rows if isinstance(row, In)]
        stored = iter(await import_rows.store_some(session, others, terms) if others else ())
        said: list[bool | list[Fault]] = []
        for row in rows:
            one: bool | list[Fault] | None
            if isinstance(row, Checked):
                told = next(outcomes)
                one = False if told.code == CREATED else _became(row, told)
            else:
                one = next(stored, None) if isinstance(row, In) else row
            if one is None:
                break
            said.append(one)
        return said

    async def _finish(self, problem: Fault | None) -> None:
        now = self.jobs.clock()
        async with (
            AsyncSession(self.connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            self.held = await operations.finish(session, self.held, now, problem)
            await webhooks.enqueue(session, now, _event(self.held, self._caller))
        self.told(self.held, self.held.done_bytes)


async def _row(checking: RatingCheck, kind: Kind, line: Line | Broken) -> Row:
    """The row, checked as far as it can be before it is stored, or what is wrong with it."""
    if isinstance(line, Broken):
        return [line.fault]
    try:
        row = import_rows.read(kind, line.fields)
    except InvalidError as error:
        found = line.origin.unfit(import_rows.faults(error))
        return await _of_sheet(checking, line, found)
    if not isinstance(row, RatingIn):
        return row
    try:
        return await import_rows.rating(checking, row, of_table=bool(line.origin.row))
    except DomainError as error:
        return await _of_sheet(checking, line, import_rows.faults(error))


async def _of_sheet(checking: RatingCheck, line: Line, found: list[Fault]) -> list[Fault]:
    """The faults; a table's name the options that may stand where an answer is none."""
    if not line.origin.row:
        return found
    return await import_rows.with_options(checking.known, line.fields, found)


def _became(checked: Checked, told: Outcome) -> bool | list[Fault]:
    """Whether the rating was there before, or why it was not stored."""
    refused = refusal(checked, told)
    if refused is None:
        return told.code == REPLAYED
    if isinstance(refused, IdempotencyKeyReusedError) and checked.body.id is None:
        refused = checked.right.refused(AlreadyRatedError.code, checked.body)
    return import_rows.faults(refused)


def _unreadable(last: Line | Broken | None) -> Fault | None:
    """Why the file could not be read to its end, or has nothing in it."""
    if last is None:
        return NO_ROWS
    return last.fault if isinstance(last, Broken) and last.ends else None


def _event(ended: Operation, caller: Caller) -> Event:
    counts = {name: getattr(ended, name) for name in ("read", "accepted", "replayed", "rejected")}
    data = {"kind": ended.kind, "state": ended.state, "dry_run": ended.dry_run, **counts}
    return operation_finished(ended.id, ended.finished_at or ended.saved_at, data, caller.agencies)
