"""Self-assessments: what agencies enter for the nine indices of TT 01/2018."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue
from app.db.catalogue import Expected
from app.db.tables import Dossier
from app.db.tables import SelfAssessment as Row
from app.domain.errors import Fault, SelfAssessmentNotFoundError, UnknownReferenceError
from app.domain.period import Period
from app.domain.profiles import SelfAssessment


async def get(session: AsyncSession, agency: str, period: Period) -> Row:
    """What the agency entered; raises AgencyNotFoundError or SelfAssessmentNotFoundError."""
    found = await session.get(Row, (agency, period.first, period.last))
    if found is None:
        await agencies.get(session, agency)
        raise SelfAssessmentNotFoundError(Fault("/path/period", "self-assessment-not-found"))
    return found


async def put(
    session: AsyncSession,
    agency: str,
    period: Period,
    values: Mapping[str, Any],
    expected: Expected,
) -> Row:
    """Store what an agency enters for a period, and return it.

    Raises UnknownReferenceError where a complaint names no dossier of the agency.
    """
    owner = await agencies.get(session, agency)
    stmt = select(col(Dossier.code)).where(
        col(Dossier.agency_id) == owner.id, col(Dossier.code).in_(values["complaints"])
    )
    known = set(await session.scalars(stmt))
    if faults := [
        Fault(f"/complaints/{place}", "dossier-not-found", {"code": code})
        for place, code in enumerate(values["complaints"])
        if code not in known
    ]:
        raise UnknownReferenceError(*faults)
    key = {"agency": agency, "first": period.first, "last": period.last}
    return await catalogue.put(session, Row, key, values, expected)


async def of_agencies(
    session: AsyncSession, codes: Sequence[str], period: Period
) -> dict[str, SelfAssessment]:
    """What each agency entered for exactly that period; no entry where it entered nothing."""
    stmt = select(Row).where(
        col(Row.agency).in_(codes), col(Row.first) == period.first, col(Row.last) == period.last
    )
    return {
        row.agency: SelfAssessment(
            row.points,
            {number: (two, one, none) for number, (two, one, none) in row.counts.items()},
            tuple(row.complaints),
        )
        for row in await session.scalars(stmt)
    }
