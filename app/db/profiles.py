"""What the profiles of official regimes count: returned dossiers, and how they were rated.

Which dossier a rating is of is told neither to the database nor by it: references go in, in an
order that says nothing, and only counts come out (docs/decisions/0006).
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import funnel, ratings, surveys
from app.domain.evidence import Funnel
from app.domain.period import VIETNAM, Period
from app.domain.profiles import DossierCounts, Timeliness, dissatisfied

_RETURNED = """
    dossier.agency_id = ANY(CAST(:agencies AS int[]))
       AND dossier.returned_at >= :begins AND dossier.returned_at < :ends
"""

# Each dossier is judged once; counting by filters would judge it anew for each of them.
_TIMELINESS = text(f"""
    SELECT dossier.agency_id,
           CASE WHEN dossier.returned_at > dossier.due_at THEN 'late'
                WHEN (dossier.returned_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
                   < (dossier.due_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date THEN 'early'
                ELSE 'on_time' END,
           complained.code IS NOT NULL, count(*)
      FROM dossier
      LEFT JOIN (
           SELECT DISTINCT agency_id, code
             FROM unnest(CAST(:owners AS int[]), CAST(:codes AS text[])) AS named (agency_id, code)
           ) AS complained USING (agency_id, code)
     WHERE {_RETURNED}
     GROUP BY 1, 2, 3
""")  # noqa: S608 -- fragments, no input

# A survey that was ever rated has a tally.
_RATED_SURVEYS = text("""
    SELECT code FROM survey
     WHERE id IN (SELECT survey_id FROM tally
                   WHERE agency_id = ANY(CAST(:agencies AS int[]))
                     AND facet = 'basis' AND facet_key = 'dossier')
""")

_LATE = text(f"""
    SELECT dossier.agency_id, agency.code, array_agg(dossier.code)
      FROM dossier JOIN agency ON agency.id = dossier.agency_id
     WHERE {_RETURNED} AND dossier.returned_at > dossier.due_at
     GROUP BY 1, 2
""")  # noqa: S608 -- fragments, no input

# Grouped, not joined: however many there are, and whatever the planner thinks of their number, it
# takes one pass.
_SUBTRACTED = text("""
    WITH said AS (
        SELECT agency_id, reference, true AS late, false AS dissatisfied
          FROM unnest(CAST(:owners AS int[]), CAST(:late AS bytea[]))
               AS hashed (agency_id, reference)
         UNION ALL
        SELECT agency_id, reference, false, true
          FROM rating
         WHERE agency_id = ANY(CAST(:agencies AS int[])) AND voided_at IS NULL
           AND funnel_month BETWEEN :first AND :last
           AND EXISTS (
               SELECT FROM unnest(CAST(:surveys AS int[]), CAST(:questions AS int[]),
                                  CAST(:options AS int[])) AS bad (survey_id, question, option)
                WHERE bad.survey_id = rating.survey_id
                  AND bad.option = rating.answers[bad.question])
    ), dossiers AS (
        SELECT agency_id, bool_or(late) AS late, bool_or(dissatisfied) AS dissatisfied
          FROM said GROUP BY agency_id, reference)
    SELECT agency_id, count(*) FILTER (WHERE late), count(*) FILTER (WHERE dissatisfied),
           count(*) FILTER (WHERE late AND dissatisfied)
      FROM dossiers
     GROUP BY 1
""")


async def counts(
    session: AsyncSession, agencies: Sequence[int], period: Period, reference_key: bytes
) -> dict[int, DossierCounts]:
    """For each agency its dossiers returned in the period: all, late, badly rated, and both.

    In a repeatable-read transaction all counts are of one moment. Otherwise what is returned
    meanwhile may count as returned already and not yet as late.
    """
    bad = await _dissatisfied(session, agencies)
    late = await _late(session, agencies, period, reference_key)
    months = {"agencies": list(agencies), "first": period.first, "last": period.last}
    rows = await session.execute(_SUBTRACTED, {**months, **bad, **late})
    subtracted = {agency: tuple(found) for agency, *found in rows}
    # Read last, so that they hold every dossier that is subtracted.
    moved = await funnel.read(session, agencies, period)
    made = {}
    for agency in agencies:
        came = moved.get(agency, Funnel())
        late, dissatisfied, both = subtracted.get(agency, (0, 0, 0))
        made[agency] = DossierCounts(came.returned, late, dissatisfied, both, came.rated)
    return made


async def timeliness(
    session: AsyncSession,
    agencies: Sequence[int],
    period: Period,
    complaints: Mapping[int, Sequence[str]],
) -> dict[int, tuple[Timeliness, Timeliness]]:
    """For each agency how its dossiers returned in the period came: all, and those complained of.

    `complaints` names dossiers by their codes; what is not among the returned ones is not counted.
    """
    named = [(agency, code) for agency, codes in complaints.items() for code in codes]
    asked = {"owners": [agency for agency, _ in named], "codes": [code for _, code in named]}
    rows = await session.execute(_TIMELINESS, asked | _returned(agencies, period))
    found = {agency: (Counter[str](), Counter[str]()) for agency in agencies}
    for agency, came, complained, n in rows:
        every, some = found[agency]
        every[came] += n
        some[came] += n * complained
    return {agency: (_came(every), _came(some)) for agency, (every, some) in found.items()}


def _came(counted: Counter[str]) -> Timeliness:
    return Timeliness(counted["early"], counted["on_time"], counted["late"])


def _returned(agencies: Sequence[int], period: Period) -> dict[str, object]:
    """The moments, in Vietnam, between which the agencies' dossiers were returned."""
    first, after = period.first, period.last + timedelta(days=1)
    begins, ends = (datetime.combine(day, time(), VIETNAM) for day in (first, after))
    return {"agencies": list(agencies), "begins": begins, "ends": ends}


async def _late(
    session: AsyncSession, agencies: Sequence[int], period: Period, reference_key: bytes
) -> dict[str, object]:
    """The references of the late dossiers, and whose they are."""
    rows = (await session.execute(_LATE, _returned(agencies, period))).all()

    def hashed() -> list[tuple[bytes, int]]:
        return sorted(
            (ratings.reference(reference_key, agency, dossier), owner)
            for owner, agency, dossiers in rows
            for dossier in dossiers
        )

    # There may be tens of thousands: meanwhile others are served.
    late = await asyncio.to_thread(hashed)
    return {"owners": [owner for _, owner in late], "late": [reference for reference, _ in late]}


async def _dissatisfied(session: AsyncSession, agencies: Sequence[int]) -> dict[str, object]:
    """Which answers mean "not satisfied", in every survey that the agencies were rated in."""
    codes = (await session.scalars(_RATED_SURVEYS, {"agencies": list(agencies)})).all()
    bad = [
        (form.id, question, option)
        for form in await surveys.with_forms(session, codes, "/survey")
        for question, option in dissatisfied(form.questionnaire)
    ]
    columns = [[row[place] for row in bad] for place in range(3)]
    return dict(zip(("surveys", "questions", "options"), columns, strict=True))
