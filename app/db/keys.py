"""API keys: kept as hashes, found by what is presented."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies as agency_rows
from app.db.tables import ApiKey
from app.domain.access import Caller
from app.domain.errors import CredentialUnknownError


@dataclass(frozen=True, slots=True)
class Granted:
    """What a credential grants, and when it ends or ended."""

    caller: Caller
    ends_at: datetime | None

    def at(self, now: datetime) -> Caller:
        """Whose it is; raises CredentialUnknownError once it has ended."""
        if self.ends_at is not None and self.ends_at <= now:
            raise CredentialUnknownError
        return self.caller


def hashed(key: str) -> bytes:
    """What is stored of a key. Keys are 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).digest()


async def create(
    session: AsyncSession, key: str, granted: Caller, now: datetime, expires_at: datetime | None
) -> None:
    """Store the key with what it grants; a key that is there already gets these grants.

    One that was revoked stays revoked.
    """
    if granted.agencies is not None:
        await agency_rows.check_known(session, {code: code for code in granted.agencies})
    values = {
        "name": granted.key,
        "scopes": sorted(granted.scopes),
        "agencies": None if granted.agencies is None else sorted(granted.agencies),
        "created_at": now,
        "expires_at": expires_at,
    }
    stmt = insert(ApiKey).values(hash=hashed(key), **values)
    await session.execute(stmt.on_conflict_do_update(index_elements=["hash"], set_=values))


async def replace(session: AsyncSession, key: str, granted: Caller, now: datetime) -> None:
    """Store the key and end all others of the same name, as when a setting was changed."""
    await create(session, key, granted, now, None)
    others = update(ApiKey).where(
        col(ApiKey.name) == granted.key,
        col(ApiKey.hash) != hashed(key),
        col(ApiKey.revoked_at).is_(None),
    )
    await session.execute(others.values(revoked_at=now))


async def revoked(session: AsyncSession, key: str) -> bool:
    """Whether the key was ended."""
    stmt = select(col(ApiKey.revoked_at)).where(col(ApiKey.hash) == hashed(key))
    return await session.scalar(stmt) is not None


async def find(session: AsyncSession, key: str) -> Granted:
    """What the key grants, and until when; raises CredentialUnknownError."""
    found = await session.scalar(select(ApiKey).where(col(ApiKey.hash) == hashed(key)))
    if found is None:
        raise CredentialUnknownError
    limited = None if found.agencies is None else frozenset(found.agencies)
    ends = [moment for moment in (found.expires_at, found.revoked_at) if moment is not None]
    caller = Caller(found.name, frozenset(found.scopes), limited)
    return Granted(caller, min(ends, default=None))


async def list_all(session: AsyncSession) -> Sequence[ApiKey]:
    """All keys ever made, oldest first."""
    return (await session.scalars(select(ApiKey).order_by(col(ApiKey.id)))).all()


async def revoke(session: AsyncSession, number: int, now: datetime) -> bool:
    """End a key now; False when there is no such key, or it was ended before."""
    stmt = (
        update(ApiKey)
        .where(col(ApiKey.id) == number, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(ApiKey.id))
    )
    return await session.scalar(stmt) is not None
