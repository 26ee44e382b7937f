"""The tie between this database and the key that its dossier references are made with."""

import hashlib

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db.tables import Installation


class WrongReferenceKeyError(Exception):
    """The key is not the one that this database's ratings were made with."""


async def bound(session: AsyncSession) -> bool:
    """Whether the database is tied to a key already."""
    return await session.get(Installation, 1) is not None


async def bind(session: AsyncSession, key: bytes) -> None:
    """Tie the database to the key, the first time; later raise WrongReferenceKeyError on another.

    With another key every dossier could be rated a second time.
    """
    fingerprint = hashlib.sha256(b"fingerprint\n" + key).digest()
    first = insert(Installation).values(id=1, reference_key_fingerprint=fingerprint)
    await session.execute(first.on_conflict_do_nothing())
    if await session.scalar(select(col(Installation.reference_key_fingerprint))) != fingerprint:
        raise WrongReferenceKeyError(
            "The reference key is not the one this database was made with: "
            "set HAILONG_REFERENCE_KEY, or restore reference.key in HAILONG_DATA_DIR."
        )
