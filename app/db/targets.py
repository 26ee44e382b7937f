"""Targets: set for an agency or for every agency of a peer group."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Agency, PeerGroup, PeerGroupMember, Target
from app.domain import figure
from app.domain.errors import AgencyNotFoundError, Fault, TargetNotFoundError
from app.domain.period import Period

Key = dict[str, object]


async def key(session: AsyncSession, owner: str, period: Period, criterion: str) -> Key:
    """What a target is stored under; an owner's code is looked up among agencies first.

    Raises AgencyNotFoundError when it is neither an agency nor a peer group.
    """
    is_agency = not await catalogue.missing(session, col(Agency.code), [owner])
    if not is_agency and await catalogue.missing(session, col(PeerGroup.code), [owner]):
        raise AgencyNotFoundError(Fault("/path/owner", "owner-not-found", {"code": owner}))
    return {
        "agency": owner if is_agency else None,
        "peer_group": None if is_agency else owner,
        "first": period.first,
        "last": period.last,
        "criterion": criterion,
    }


async def get(session: AsyncSession, owner: str, period: Period, criterion: str) -> Target:
    """The target; raises TargetNotFoundError."""
    stmt = select(Target).filter_by(**await key(session, owner, period, criterion))
    target = await session.scalar(stmt)
    if target is None:
        raise TargetNotFoundError(Fault("/path/criterion", "target-not-found", {"code": criterion}))
    return target


async def put(session: AsyncSession, under: Key, value: Decimal, expected: Expected) -> Target:
    """Store the target and return it."""
    return await catalogue.put(session, Target, under, {"value": value}, expected)


async def of_agencies(
    session: AsyncSession, agencies: Sequence[str], period: Period
) -> dict[str, list[figure.Target]]:
    """Per agency the targets whose period covers the given one: its own and its groups'."""
    stmt = (
        select(Target, col(PeerGroupMember.agency))
        .outerjoin(
            PeerGroupMember,
            (col(PeerGroupMember.peer_group) == Target.peer_group)
            & col(PeerGroupMember.agency).in_(agencies)
            & (col(PeerGroupMember.valid_from) <= period.last)
            & (
                col(PeerGroupMember.valid_to).is_(None)
                | (col(PeerGroupMember.valid_to) >= period.first)
            ),
        )
        .where(
            col(Target.first) <= period.first,
            col(Target.last) >= period.last,
            or_(col(Target.agency).in_(agencies), col(PeerGroupMember.agency).is_not(None)),
        )
    )
    found: dict[str, list[figure.Target]] = {}
    for target, member in await session.execute(stmt):
        span = Period(target.first, target.last)
        own = target.agency is not None
        found.setdefault(target.agency or member, []).append(
            figure.Target(target.criterion, span, target.value, own)
        )
    return found
