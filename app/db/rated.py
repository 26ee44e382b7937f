"""Whether a dossier has its rating, and whether that counts."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db.tables import Rating


async def is_rated(session: AsyncSession, agency_id: int, dossier_reference: bytes) -> bool:
    """Whether the dossier has its one rating, so that nobody else can rate it."""
    stmt = select(col(Rating.id)).where(
        col(Rating.agency_id) == agency_id,
        col(Rating.reference) == dossier_reference,
        col(Rating.released).is_(False),
    )
    return await session.scalar(stmt) is not None


async def is_counted(session: AsyncSession, agency_id: int, dossier_reference: bytes) -> bool:
    """Whether a rating of the dossier counts: one that was voided does not."""
    stmt = select(col(Rating.id)).where(
        col(Rating.agency_id) == agency_id,
        col(Rating.reference) == dossier_reference,
        col(Rating.released).is_(False),  # so that the index is used
        col(Rating.voided_at).is_(None),
    )
    return await session.scalar(stmt) is not None
