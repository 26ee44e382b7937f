"""API keys: kept as hashes, found by what is presented."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies as agency_rows
from app.db.tables import ApiKey
from app.domain.access import Caller, state
from app.domain.errors import CredentialUnknownError

# A process that finds a row taken leaves it: another is writing just that.
_USED = text("""
UPDATE api_key SET last_used_at = used.at
  FROM (SELECT api_key.id, seen.at
          FROM unnest(CAST(:numbers AS int[]), CAST(:moments AS timestamptz[])) AS seen (id, at)
          JOIN api_key USING (id)
         WHERE api_key.last_used_at IS NULL OR api_key.last_used_at <= seen.at - interval '1 minute'
           FOR UPDATE OF api_key SKIP LOCKED) AS used
 WHERE api_key.id = used.id
""")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a credential grants, when it ends or ended, and the number of an API key."""

    caller: Caller
    ends_at: datetime | None
    number: int | None = None

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
    return Granted(caller, min(ends, default=None), found.id)


async def list_all(session: AsyncSession) -> Sequence[ApiKey]:
    """All keys ever made, oldest first."""
    return (await session.scalars(select(ApiKey).order_by(col(ApiKey.id)))).all()


async def revoke(session: AsyncSession, number: int, now: datetime) -> str | None:
    """End a key now; its name, or None when there is no such key, or it was ended before."""
    stmt = (
        update(ApiKey)
        .where(col(ApiKey.id) == number, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(ApiKey.name))
    )
    return await session.scalar(stmt)


async def rotate(
    session: AsyncSession, key: str, number: int, ends_at: datetime, now: datetime
) -> ApiKey | None:
    """Store a key with the grants of another, which ends then if not before; the other one.

    The new one lasts as long as the other was made for. None when that is not in force.
    """
    stmt = select(ApiKey).where(col(ApiKey.id) == number).with_for_update()
    old = await session.scalar(stmt)
    if old is None or state(old.expires_at, old.revoked_at, now) != "in force":
        return None
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at else None
    limited = None if old.agencies is None else frozenset(old.agencies)
    granted = Caller(old.name, frozenset(old.scopes), limited)
    old.expires_at = min(ends_at, old.expires_at or ends_at)
    await create(session, key, granted, now, expires_at)
    return old


async def note_uses(session: AsyncSession, uses: Mapping[int, datetime]) -> None:
    """Write down when keys were last used, by their numbers; what is a minute old stays."""
    values = {"numbers": [*uses], "moments": [*uses.values()]}
    await session.execute(_USED, values)
