"""Tallies: counting what was stored, in the same transaction, and reading the counts.

The fragments below say once how a rating and a sheet are counted; whatever counts (a submit, a
sheet, a recount) is built from them, so two counts cannot differ by their wording.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.surveys import SurveyForm
from app.domain import tally
from app.domain.period import Period
from app.domain.tally import SurveyTally

# Cells of ratings: every facet that the rating has, times the form itself and each ticked option.
RATING_CELLS = """
    SELECT r.agency_id, r.survey_id, facets.facet,
           date_trunc('month', r.rated_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS month,
           facets.facet_key, ticked.question, ticked.option, count(*) AS n
      FROM {ratings} AS r
     CROSS JOIN LATERAL (VALUES
           ('all', ''), ('basis', r.basis), ('channel', r.channel), ('counter', r.counter),
           ('procedure', r.procedure), ('officer', r.officer)) AS facets (facet, facet_key)
     CROSS JOIN LATERAL (
           SELECT 0::smallint AS question, 0::smallint AS option
            UNION ALL
           SELECT place::smallint, option
             FROM unnest(r.answers) WITH ORDINALITY AS answer (option, place)
            WHERE option > 0) AS ticked
     WHERE facets.facet_key IS NOT NULL
     GROUP BY 1, 2, 3, 4, 5, 6, 7
"""

# Cells of a tally sheet: nobody knows at which counter or for which procedure its forms were.
SHEET_CELLS = """
    SELECT s.agency_id, s.survey_id, facets.facet, s.month, facets.facet_key,
           cell.question, cell.option, sum(cell.n)::bigint AS n
      FROM {sheets} AS s
     CROSS JOIN LATERAL (VALUES
           ('all', ''), ('basis', 'sheet'), ('channel', s.channel)) AS facets (facet, facet_key)
     CROSS JOIN LATERAL jsonb_to_recordset(s.sheet -> 'cells')
           AS cell (question smallint, option smallint, n bigint)
     GROUP BY 1, 2, 3, 4, 5, 6, 7
"""

# Rows are added in the order of their key, so that two transactions never lock crosswise.
ADD_CELLS = """
    INSERT INTO tally (agency_id, survey_id, facet, month, facet_key, question, option, n)
    {cells}
    ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (agency_id, survey_id, facet, month, facet_key, question, option)
    DO UPDATE SET n = tally.n + excluded.n
"""

_READ = text("""
    SELECT agency_id, survey_id, question, option, sum(n)::bigint
      FROM tally
     WHERE agency_id = ANY(CAST(:agencies AS int[])) AND survey_id = ANY(CAST(:surveys AS int[]))
       AND facet = 'all' AND month BETWEEN :first AND :last
     GROUP BY 1, 2, 3, 4
""")

_DRIFT = text(
    "WITH due AS ("  # noqa: S608 -- fragments of this module, no input
    "SELECT agency_id, survey_id, facet, month, facet_key, question, option, sum(n) AS n"
    f"  FROM ({RATING_CELLS.format(ratings='rating')}"
    f"        UNION ALL {SHEET_CELLS.format(sheets='tally_sheet')}) AS cells"
    " GROUP BY 1, 2, 3, 4, 5, 6, 7) "
    "SELECT count(*) FROM due FULL JOIN tally"
    " USING (agency_id, survey_id, facet, month, facet_key, question, option)"
    " WHERE coalesce(due.n, 0) <> coalesce(tally.n, 0)"
)


async def read(
    session: AsyncSession, agencies: Sequence[int], surveys: Sequence[SurveyForm], period: Period
) -> dict[int, dict[str, SurveyTally]]:
    """Per agency, and survey code, the tally of the period; no entry where nothing is counted."""
    rows = await session.execute(
        _READ,
        {
            "agencies": list(agencies),
            "surveys": [survey.id for survey in surveys],
            "first": period.first,
            "last": period.last,
        },
    )
    cells: dict[tuple[int, int], dict[tuple[int, int], int]] = {}
    for agency, survey, question, option, n in rows:
        cells.setdefault((agency, survey), {})[question, option] = n
    forms = {survey.id: survey for survey in surveys}
    found: dict[int, dict[str, SurveyTally]] = {}
    for (agency, survey), counted in cells.items():
        form = forms[survey]
        found.setdefault(agency, {})[form.survey.code] = tally.read(
            form.survey.code, form.questionnaire, counted
        )
    return found


async def drift(session: AsyncSession) -> int:
    """The number of tally cells that differ from what ratings and sheets add up to; must be 0."""
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    return int(await session.scalar(_DRIFT) or 0)
