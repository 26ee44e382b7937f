"""Operations: asked for with all their input, claimed by a worker, and looked after until read.

The row is the queue. Who holds the advisory lock of an operation works on it; the lock ends with
the connection, so what a dead worker left is found by the next. See docs/decisions/0031.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    Update,
    cast,
    delete,
    exists,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate
from sqlmodel import col

from app.db import uploads
from app.db.tables import ApiKey, Operation, OperationChunk, OperationError
from app.domain.access import Caller
from app.domain.errors import Fault, IdempotencyKeyReusedError, InvalidError
from app.domain.operation import (
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    Count,
    Kind,
    OperationNotFoundError,
)

CHANNEL = "hailong_operations"
MOST_ERRORS = 100_000  # kept of an operation
LONGEST_TOLD = 500
KEPT, UNCLAIMED = timedelta(days=90), timedelta(days=1)

_OPEN = col(Operation.state).in_([QUEUED, RUNNING])
_LOCK = "hashtextextended('operation ' || CAST(:id AS text), 0)"
_TRY_LOCK = text(f"SELECT pg_try_advisory_lock({_LOCK})")
_UNLOCK = text(f"SELECT pg_advisory_unlock({_LOCK})")


class RowFault(NamedTuple):
    """What is wrong with a row of the file, and in which of its lines it begins."""

    line: int
    fault: Fault


async def create(session: AsyncSession, new: Operation) -> tuple[Operation, bool]:
    """Queue the operation; the one that is there, and whether the same request had made it.

    Raises IdempotencyKeyReusedError when the request key came with something else.
    """
    stmt = (
        insert(Operation)
        .values(new.model_dump())
        .on_conflict_do_nothing()
        .returning(Operation)
        .execution_options(populate_existing=True)
    )
    stored = await session.scalar(stmt)
    if stored is not None:
        await session.execute(select(func.pg_notify(CHANNEL, "")))
        return stored, False
    held = await session.scalar(
        select(Operation).where(
            col(Operation.owner) == new.owner, col(Operation.request_key) == new.request_key
        )
    )
    if held is None or held.digest != new.digest:
        code = IdempotencyKeyReusedError.code
        raise IdempotencyKeyReusedError(Fault("/header/Idempotency-Key", code))
    await uploads.discard(session, new.id)
    return held, True


async def get(session: AsyncSession, number: UUID, caller: Caller) -> Operation:
    """The operation, if the caller may know of it; else raises OperationNotFoundError."""
    stmt = select(Operation).where(col(Operation.id) == number, *_known_to(caller))
    found = await session.scalar(stmt)
    if found is None:
        raise OperationNotFoundError(
            Fault("/path/operation", OperationNotFoundError.code, {"code": str(number)})
        )
    return found


def _known_to(caller: Caller) -> list[ColumnElement[bool]]:
    """The operations that a caller may know of: of kinds that it could ask for itself.

    Who is limited sees only what was asked for under its own name and within its own limits.
    """
    kinds = [kind.value for kind in Kind if kind.scope in caller.scopes]
    found: list[ColumnElement[bool]] = [col(Operation.kind).in_(kinds)]
    if caller.agencies is not None:
        within = col(Operation.agencies).op("<@")(cast(sorted(caller.agencies), ARRAY(Text)))
        found += [col(Operation.owner) == caller.key, within]
    return found


async def list_page(
    session: AsyncSession, caller: Caller, cursor: UUID | None, limit: int
) -> Sequence[Operation]:
    """Up to `limit` operations that the caller may know of, the latest first, after the one named.

    Raises InvalidError when the cursor is none of theirs.
    """
    order = tuple_(col(Operation.created_at), col(Operation.id))
    stmt = select(Operation).where(*_known_to(caller))
    if cursor is not None:
        at = select(col(Operation.created_at)).where(
            col(Operation.id) == cursor, *_known_to(caller)
        )
        if (moment := await session.scalar(at)) is None:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        stmt = stmt.where(order < tuple_(moment, cursor))
    stmt = stmt.order_by(col(Operation.created_at).desc(), col(Operation.id).desc())
    return (await session.scalars(stmt.limit(limit))).all()


async def errors(
    session: AsyncSession, of: UUID, after: int, limit: int
) -> Sequence[OperationError]:
    """Up to `limit` faults of an operation's rows, in the order of the file, after that number."""
    stmt = (
        select(OperationError)
        .where(col(OperationError.operation_id) == of, col(OperationError.number) > after)
        .order_by(col(OperationError.number))
        .limit(limit)
    )
    return (await session.scalars(stmt)).all()


@asynccontextmanager
async def holding(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to hold operations with; what it holds is let go when it is closed or lost."""
    async with engine.connect() as connection:
        try:
            await connection.execute(text("SET plan_cache_mode = force_generic_plan"))
            await connection.execute(text("SET jit = off"))
            await connection.execute(text("SET work_mem = '32MB'"))
            await connection.commit()
            yield connection
        finally:
            # Were it given back to the pool, it would go on holding them.
            await connection.invalidate()


async def hold(connection: AsyncConnection, of: UUID) -> bool:
    """Hold an operation against all others; False when somebody does."""
    async with connection.begin():
        return bool(await connection.scalar(_TRY_LOCK, {"id": str(of)}))


async def release(connection: AsyncConnection, of: UUID) -> None:
    """Let go of an operation."""
    async with connection.begin():
        await connection.execute(_UNLOCK, {"id": str(of)})


async def claim(connection: AsyncConnection, now: datetime) -> Operation | None:
    """The operation that waited longest and nobody works on, held; None if there is none.

    One that is running already was left by a worker that ended. What has failed again and again
    without getting on stands behind what has not.
    """
    async with connection.begin():
        failures = func.greatest(col(Operation.attempts) - 1, 0)
        stmt = select(col(Operation.id)).where(_OPEN)
        waiting = (await connection.scalars(stmt.order_by(failures, col(Operation.saved_at)))).all()
    for one in waiting:
        if await hold(connection, one):
            if (claimed := await begin(connection, one, now)) is not None:
                return claimed
            await release(connection, one)
    return None


async def wait(session: AsyncSession) -> bool:
    """Whether operations wait that nobody has begun."""
    return bool(await session.scalar(select(exists().where(col(Operation.state) == QUEUED))))


async def begin(connection: AsyncConnection, of: UUID, now: datetime) -> Operation | None:
    """The operation, which is held, begun or begun again; None when it has ended since."""
    async with AsyncSession(connection, expire_on_commit=False) as session, session.begin():
        stmt = (
            update(Operation)
            .where(col(Operation.id) == of, _OPEN)
            .values(
                state=RUNNING,
                started_at=func.coalesce(col(Operation.started_at), now),
                attempts=col(Operation.attempts) + 1,
                revision=col(Operation.revision) + 1,
            )
        )
        return (await session.scalars(_returning(stmt))).one_or_none()


async def revoked(session: AsyncSession, key_hash: bytes | None, now: datetime) -> bool:
    """Whether the key that asked was revoked since."""
    if key_hash is None:
        return False
    stmt = select(ApiKey).where(col(ApiKey.hash) == key_hash, col(ApiKey.revoked_at) <= now)
    return await session.scalar(stmt) is not None


async def advance(
    session: AsyncSession,
    held: Operation,
    count: Count,
    faults: Sequence[RowFault],
    more: Mapping[str, Any],
) -> Operation:
    """Note what became of rows, in the transaction that stored them; `more` is set besides."""
    added = {name: getattr(count, name) for name in ("read", "accepted", "replayed", "rejected")}
    added |= {"faults": len(faults), "revision": 1}
    sums = {name: getattr(Operation, name) + value for name, value in added.items()}
    stmt = update(Operation).where(col(Operation.id) == held.id).values(**sums, attempts=0, **more)
    noted = (await session.scalars(_returning(stmt))).one()
    first = noted.faults - len(faults) + 1
    rows = [
        {
            "operation_id": held.id,
            "number": number,
            "line": one.line,
            "pointer": _storable(one.fault.pointer),
            "code": one.fault.code,
            "params": _plain(one.fault),
        }
        for number, one in enumerate(faults, first)
        if number <= MOST_ERRORS
    ]
    if rows:
        await session.execute(insert(OperationError), rows)
    return noted


def _returning(stmt: Update) -> ReturningUpdate[Operation]:
    """The operation as the update leaves it, whatever the session knew of it."""
    return stmt.returning(Operation).execution_options(
        populate_existing=True, synchronize_session=False
    )


def _plain(fault: Fault) -> dict[str, int | str]:
    """The parameters of its text, as JSON keeps them."""
    return {
        name: value if isinstance(value, int) else _storable(str(value))
        for name, value in fault.params.items()
    }


def _storable(told: str) -> str:
    """What a file made us say, without the one character that PostgreSQL keeps in no text."""
    return told.replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_TOLD]


async def finish(
    session: AsyncSession, held: Operation, now: datetime, problem: Fault | None = None
) -> Operation:
    """End the operation: done, or failed for a reason; its input is not needed any more."""
    said = problem and {"code": problem.code, "params": _plain(problem)}
    values: dict[str, Any] = {
        "state": DONE if said is None else FAILED,
        "finished_at": now,
        "saved_at": now,
    }
    if said is not None:
        values["problem"] = said
    else:
        values["done_bytes"] = col(Operation.total_bytes)
    values["revision"] = col(Operation.revision) + 1
    stmt = update(Operation).where(col(Operation.id) == held.id).values(**values)
    ended = (await session.scalars(_returning(stmt))).one()
    await uploads.discard(session, held.id)
    return ended


async def sweep(session: AsyncSession, now: datetime) -> None:
    """Forget operations that ended long ago, and input that never became one."""
    await session.execute(delete(Operation).where(col(Operation.finished_at) < now - KEPT))
    mine = exists().where(col(Operation.id) == col(OperationChunk.operation_id))
    await session.execute(
        delete(OperationChunk).where(col(OperationChunk.received_at) < now - UNCLAIMED, ~mine)
    )
