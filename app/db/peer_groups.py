"""Peer groups and their dated members."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Agency, PeerGroup, PeerGroupMember
from app.domain.errors import Fault, PeerGroupNotFoundError, UnknownReferenceError


async def get(session: AsyncSession, code: str, pointer: str = "/path/peer_group") -> PeerGroup:
    """The peer group; raises PeerGroupNotFoundError."""
    group = await session.get(PeerGroup, code)
    if group is None:
        raise PeerGroupNotFoundError(Fault(pointer, "peer-group-not-found", {"code": code}))
    return group


async def list_page(session: AsyncSession, after: str | None, limit: int) -> Sequence[PeerGroup]:
    """Up to `limit` groups after the one named; raises InvalidError when there is none such."""
    stmt = await catalogue.page(session, select(PeerGroup), col(PeerGroup.code), after, limit)
    return (await session.scalars(stmt)).all()


async def check_known(session: AsyncSession, code: str | None) -> None:
    """Nothing when no group is named, or one that exists; else raises UnknownReferenceError."""
    if code is not None and await session.get(PeerGroup, code) is None:
        raise UnknownReferenceError(Fault("/peer_group", "peer-group-not-found", {"code": code}))


async def members(session: AsyncSession, code: str) -> Sequence[PeerGroupMember]:
    """All members there ever were, in the order of code and day."""
    stmt = (
        select(PeerGroupMember)
        .where(col(PeerGroupMember.peer_group) == code)
        .order_by(col(PeerGroupMember.agency), col(PeerGroupMember.valid_from))
    )
    return (await session.scalars(stmt)).all()


async def agencies_in(
    session: AsyncSession, code: str, first: date, last: date
) -> Sequence[Agency]:
    """The agencies that belonged to the group at some time between two days."""
    stmt = (
        select(Agency)
        .where(
            col(Agency.code).in_(
                select(col(PeerGroupMember.agency)).where(
                    col(PeerGroupMember.peer_group) == code,
                    col(PeerGroupMember.valid_from) <= last,
                    col(PeerGroupMember.valid_to).is_(None)
                    | (col(PeerGroupMember.valid_to) >= first),
                )
            )
        )
        .order_by(col(Agency.code))
    )
    return (await session.scalars(stmt)).all()


async def put(
    session: AsyncSession,
    code: str,
    name: Mapping[str, str],
    membership: Sequence[Mapping[str, Any]],
    expected: Expected,
) -> PeerGroup:
    """Store the group with exactly these members and return it."""
    group = await catalogue.put(session, PeerGroup, {"code": code}, {"name": name}, expected)
    await session.execute(delete(PeerGroupMember).where(col(PeerGroupMember.peer_group) == code))
    if membership:
        await session.execute(
            insert(PeerGroupMember), [{"peer_group": code, **member} for member in membership]
        )
    return group
