"""Entries that stand under a code and count their revisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Update, func, inspect, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped

from app.db.tables import SQLModel
from app.domain.errors import PreconditionFailedError

Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class Expected:
    """The state the caller expects an entry in: any, not there, there, or at one revision."""

    absent: bool = False
    present: bool = False
    revision: int | None = None


async def put(
    session: AsyncSession,
    table: type[Row],
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    expected: Expected,
) -> Row:
    """Store the entry and return it; revision 1 means that it is new.

    One statement, so two writers cannot both see the state they expect. Raises
    PreconditionFailedError when the entry is not in the expected state.
    """
    columns = inspect(table).columns
    revision = columns["revision"]
    stmt: Insert | Update
    if expected.present or expected.revision is not None:
        stmt = update(table).where(*(columns[name] == value for name, value in key.items()))
        if expected.revision is not None:
            stmt = stmt.where(revision == expected.revision)
        stmt = stmt.values(**values, revision=revision + 1)
    elif expected.absent:
        stmt = insert(table).values(**key, **values, revision=1).on_conflict_do_nothing()
    else:
        stmt = (
            insert(table)
            .values(**key, **values, revision=1)
            .on_conflict_do_update(
                index_elements=list(key), set_={**values, "revision": revision + 1}
            )
        )
    result = await session.execute(
        stmt.returning(table),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    row = result.scalar_one_or_none()
    if row is None:
        raise PreconditionFailedError
    return row


async def alone(session: AsyncSession, table: type[SQLModel], *key: object) -> None:
    """Make every other writer under this key wait until the transaction ends.

    A row lock cannot do that for an entry that is not there yet: two writers would both find
    nothing to look at, and the second would overwrite what the first was allowed to fix.
    """
    name = "\n".join([table.__name__, *map(str, key)])
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def check(revision: int, expected: Expected) -> None:
    """Nothing when an entry of that revision is as expected; else PreconditionFailedError."""
    if expected.absent or expected.revision not in {None, revision}:
        raise PreconditionFailedError


async def missing(
    session: AsyncSession, column: ColumnElement[str] | Mapped[str], codes: Iterable[str]
) -> set[str]:
    """Those of the codes that the column does not hold."""
    wanted = set(codes)
    if not wanted:
        return set()
    found = await session.scalars(select(column).where(column.in_(wanted)))
    return wanted - set(found)
