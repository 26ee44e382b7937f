"""Successions: who took over from whom, along whole chains."""

from collections.abc import Sequence
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.structure import Succession

# UNION drops what was reached before, so records that lead in a circle end too.
_INVOLVING = text("""
    WITH RECURSIVE reached (code) AS (
        SELECT unnest(CAST(:codes AS text[]))
         UNION
        SELECT link.other
          FROM reached
          JOIN (SELECT agency AS code, successor AS other FROM agency_succession
                 UNION ALL
                SELECT successor, agency FROM agency_succession) AS link USING (code))
    SELECT agency, successor, share, takes_effect_on
      FROM agency_succession
      JOIN reached ON reached.code = agency
     ORDER BY agency, successor
""")


async def involving(session: AsyncSession, codes: Sequence[str]) -> list[Succession]:
    """All successions that are linked with these agencies, backwards, forwards and sideways.

    The other successors of an agency belong to it, because its counts are dealt out among all.
    """
    rows = await session.execute(_INVOLVING, {"codes": list(codes)})
    return [
        Succession(agency, successor, Fraction(share), on) for agency, successor, share, on in rows
    ]
