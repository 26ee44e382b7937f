"""The input of operations: kept in parts as it comes, before there is an operation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db.tables import OperationChunk

CHUNK_BYTES = 2**20


async def keep(session: AsyncSession, of: UUID, number: int, data: bytes, now: datetime) -> None:
    """Keep a part of the input of an operation that is yet to be made."""
    session.add(OperationChunk(operation_id=of, number=number, data=data, received_at=now))
    await session.flush()
    session.expunge_all()


async def discard(session: AsyncSession, of: UUID) -> None:
    """Forget an operation's input."""
    await session.execute(delete(OperationChunk).where(col(OperationChunk.operation_id) == of))


async def chunk(session: AsyncSession, of: UUID, number: int) -> bytes | None:
    """A part of an operation's input, by its number from 0; None after the last."""
    stmt = select(col(OperationChunk.data)).where(
        col(OperationChunk.operation_id) == of, col(OperationChunk.number) == number
    )
    return await session.scalar(stmt)
