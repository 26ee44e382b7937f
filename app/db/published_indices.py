"""Indices published elsewhere, as printed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue, peer_groups
from app.db.catalogue import Expected
from app.db.tables import PublishedIndex
from app.domain.errors import Fault, PublishedIndexNotFoundError
from app.domain.period import Period
from app.domain.published import PublishedFigure


async def get(session: AsyncSession, source: str, period: Period, agency: str) -> PublishedIndex:
    """What the source published of the agency; raises PublishedIndexNotFoundError."""
    found = await session.get(PublishedIndex, (agency, source, period.first, period.last))
    if found is None:
        raise PublishedIndexNotFoundError(
            Fault("/path/source", "published-index-not-found", {"code": source})
        )
    return found


async def put(
    session: AsyncSession, key: Mapping[str, Any], values: Mapping[str, Any], expected: Expected
) -> PublishedIndex:
    """Store what a source published of an agency for a period, and return it."""
    await agencies.get(session, key["agency"])
    await peer_groups.check_known(session, values["peer_group"])
    return await catalogue.put(session, PublishedIndex, key, values, expected)


async def of_agencies(
    session: AsyncSession, source: str, period: Period, codes: Sequence[str]
) -> dict[str, list[PublishedFigure]]:
    """The printed figures of each agency for exactly that period."""
    stmt = select(PublishedIndex).where(
        col(PublishedIndex.agency).in_(codes),
        col(PublishedIndex.source) == source,
        col(PublishedIndex.first) == period.first,
        col(PublishedIndex.last) == period.last,
    )
    return {row.agency: figures(row) for row in await session.scalars(stmt)}


def figures(row: PublishedIndex) -> list[PublishedFigure]:
    """The printed figures of a row."""
    return [
        PublishedFigure(
            printed["criterion"],
            printed["name"],
            Decimal(printed["value"]),
            printed["rank"],
            printed["peer_count"],
        )
        for printed in row.figures
    ]
