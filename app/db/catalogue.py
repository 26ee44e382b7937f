"""Entries that stand under a code and count their revisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Select, Update, false, inspect, select, text, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped

from app.db.tables import SQLModel
from app.domain.errors import Fault, InvalidError, PreconditionFailedError

Row = TypeVar("Row", bound=SQLModel)
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Expected:
    """The state the caller expects an entry in: any, not there, there, or at some revision."""

    absent: bool = False
    present: bool = False
    among: frozenset[int] | None = None
    other_than: frozenset[int] = frozenset()


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
    suits = revision.not_in(expected.other_than)
    if expected.among is not None:
        suits &= revision.in_(expected.among)
    if expected.absent:
        suits = false()
    if expected.present:
        stmt = update(table).where(*(columns[name] == value for name, value in key.items()), suits)
        stmt = stmt.values(**values, revision=revision + 1)
    else:
        stmt = insert(table).values(**key, **values, revision=1)
        stmt = stmt.on_conflict_do_update(
            index_elements=list(key), set_={**values, "revision": revision + 1}, where=suits
        )
    result = await session.execute(
        stmt.returning(table),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    row = result.scalar_one_or_none()
    if row is None:
        raise PreconditionFailedError
    return row


# In one order, so that two transactions never wait for each other.
_ALONE = text("""
    SELECT pg_advisory_xact_lock(key)
      FROM (SELECT DISTINCT hashtextextended(name, 0) AS key
              FROM unnest(CAST(:names AS text[])) AS name ORDER BY 1 OFFSET 0) AS ordered
""")


async def alone(session: AsyncSession, table: type[SQLModel], *key: object) -> None:
    """Make every other writer under this key wait until the transaction ends.

    A row lock cannot do that for an entry that is not there yet: two writers would both find
    nothing to look at, and the second would overwrite what the first was allowed to fix.
    """
    await alone_all(session, table, [key])


async def alone_all(
    session: AsyncSession, table: type[SQLModel], keys: Iterable[tuple[object, ...]]
) -> None:
    """Make every other writer under these keys wait until the transaction ends."""
    names = ["\n".join([table.__name__, *map(str, key)]) for key in keys]
    await session.execute(_ALONE, {"names": names})


def check(revision: int, expected: Expected) -> None:
    """Nothing when an entry of that revision is as expected; else PreconditionFailedError."""
    unlike = expected.among is not None and revision not in expected.among
    if expected.absent or unlike or revision in expected.other_than:
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


async def page(
    session: AsyncSession,
    stmt: Select[*Columns],
    code: ColumnElement[str] | Mapped[str],
    after: str | None,
    limit: int,
) -> Select[*Columns]:
    """The statement for up to `limit` of its rows in the order of the code, after the one named.

    Raises InvalidError when it has no row of that code.
    """
    if after is not None:
        if await session.scalar(stmt.with_only_columns(code).where(code == after)) is None:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        stmt = stmt.where(code > after)
    return stmt.order_by(code).limit(limit)
