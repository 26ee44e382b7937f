"""Agencies, their counters and their successors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Agency, AgencySuccession, Counter
from app.domain import agency as rules
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadySucceededError,
    CounterNotFoundError,
    Fault,
    UnknownReferenceError,
)


async def get(session: AsyncSession, code: str, pointer: str = "/path/agency") -> Agency:
    """The agency; raises AgencyNotFoundError."""
    found = await session.scalar(select(Agency).where(col(Agency.code) == code))
    if found is None:
        raise AgencyNotFoundError(Fault(pointer, "agency-not-found", {"code": code}))
    return found


async def list_page(session: AsyncSession, after: str | None, limit: int) -> Sequence[Agency]:
    """Up to `limit` agencies after the one named; raises InvalidError when there is none such."""
    stmt = await catalogue.page(session, select(Agency), col(Agency.code), after, limit)
    return (await session.scalars(stmt)).all()


async def other_than(session: AsyncSession, codes: Collection[str], prefix: str) -> str | None:
    """The first agency that is none of these, and whose code does not begin so."""
    stmt = select(func.min(col(Agency.code))).where(
        col(Agency.code).not_in(codes), not_(col(Agency.code).startswith(prefix, autoescape=True))
    )
    return await session.scalar(stmt)


async def of_codes(session: AsyncSession, wanted: Sequence[str]) -> Sequence[Agency]:
    """The agencies of these codes, in the order of the codes."""
    stmt = select(Agency).where(col(Agency.code).in_(wanted)).order_by(col(Agency.code))
    return (await session.scalars(stmt)).all()


async def check_known(session: AsyncSession, named: Mapping[str, str]) -> None:
    """Nothing when every code (under its pointer) is an agency; else UnknownReferenceError."""
    unknown = await catalogue.missing(session, col(Agency.code), named.values())
    if unknown:
        raise UnknownReferenceError(
            *(
                Fault(pointer, "agency-not-found", {"code": code})
                for pointer, code in named.items()
                if code in unknown
            )
        )


async def find(session: AsyncSession, code: str) -> Agency | None:
    """The agency or None; nobody else writes or ends it until the transaction ends."""
    await catalogue.alone(session, Agency, code)
    return await session.scalar(select(Agency).where(col(Agency.code) == code))


async def check_parent(session: AsyncSession, code: str, parent: str | None) -> None:
    """Nothing when the parent is another agency, or none; else a refusal."""
    rules.check_parent(code, parent)
    if parent is not None:
        await check_known(session, {"/parent": parent})


async def put(
    session: AsyncSession, code: str, values: Mapping[str, Any], expected: Expected
) -> Agency:
    """Store the agency, which `find` has looked up before, and return it.

    The end of one that has successors is fixed: another raises AlreadySucceededError.
    """
    stmt = select(col(AgencySuccession.takes_effect_on)).where(col(AgencySuccession.agency) == code)
    ended = await session.scalar(stmt.limit(1))
    if ended is not None and values["valid_to"] != ended - timedelta(days=1):
        raise AlreadySucceededError
    return await catalogue.put(session, Agency, {"code": code}, values, expected)


async def children(session: AsyncSession, parent: str, first: date, last: date) -> Sequence[Agency]:
    """The agencies under a parent that existed at some time between two days."""
    stmt = (
        select(Agency)
        .where(
            col(Agency.parent) == parent,
            col(Agency.valid_from) <= last,
            col(Agency.valid_to).is_(None) | (col(Agency.valid_to) >= first),
        )
        .order_by(col(Agency.code))
    )
    return (await session.scalars(stmt)).all()


async def check_counter(session: AsyncSession, agency: str, code: str | None) -> None:
    """Nothing when no counter is named, or one of the agency's; else UnknownReferenceError."""
    if code is not None and await session.get(Counter, (agency, code)) is None:
        raise UnknownReferenceError(Fault("/counter", "counter-not-found", {"code": code}))


async def get_counter(session: AsyncSession, agency: str, code: str) -> Counter:
    """The counter; raises AgencyNotFoundError or CounterNotFoundError."""
    counter = await session.get(Counter, (agency, code))
    if counter is None:
        await get(session, agency)
        raise CounterNotFoundError(Fault("/path/counter", "counter-not-found", {"code": code}))
    return counter


async def counter_names(session: AsyncSession, agency: str) -> dict[str, Mapping[str, str]]:
    """The names of the agency's counters, by their codes."""
    stmt = select(col(Counter.code), col(Counter.name)).where(col(Counter.agency) == agency)
    return dict((await session.execute(stmt)).all())


async def list_counters(
    session: AsyncSession, agency: str, after: str | None, limit: int
) -> Sequence[Counter]:
    """Up to `limit` counters of the agency after the one named.

    Raises AgencyNotFoundError, or InvalidError when the agency has no counter of that code.
    """
    await get(session, agency)
    own = select(Counter).where(col(Counter.agency) == agency)
    stmt = await catalogue.page(session, own, col(Counter.code), after, limit)
    return (await session.scalars(stmt)).all()


async def put_counter(
    session: AsyncSession, agency: str, code: str, name: Mapping[str, str], expected: Expected
) -> Counter:
    """Store the counter of an agency and return it."""
    await get(session, agency)
    key = {"agency": agency, "code": code}
    return await catalogue.put(session, Counter, key, {"name": name}, expected)


async def succeed(
    session: AsyncSession, code: str, shares: Mapping[str, Decimal], on: date
) -> tuple[Agency, bool]:
    """End the agency on the day before `on` and record who takes over which share.

    With it, whether just that was recorded before; anything else raises AlreadySucceededError.
    """
    held = await get(session, code)
    rules.check_succession(code, held.valid_from, shares, on)
    await check_known(session, {f"/successors/{n}/agency": code for n, code in enumerate(shares)})
    rows = [
        {"agency": code, "successor": successor, "share": share, "takes_effect_on": on}
        for successor, share in shares.items()
    ]
    await catalogue.alone(session, Agency, code)
    stmt = select(AgencySuccession).where(col(AgencySuccession.agency) == code)
    recorded = {
        (row.successor, row.share, row.takes_effect_on) for row in await session.scalars(stmt)
    }
    if recorded == {(successor, share, on) for successor, share in shares.items()}:
        return held, True
    if recorded:
        raise AlreadySucceededError
    await session.execute(insert(AgencySuccession), rows)
    await session.execute(
        update(Agency)
        .where(col(Agency.code) == code)
        .values(valid_to=on - timedelta(days=1), revision=col(Agency.revision) + 1)
    )
    await session.refresh(held)
    return held, False
