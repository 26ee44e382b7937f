"""Tallies: counting what was stored, in the same transaction, and reading the counts.

The fragments below say once how a rating and a sheet are counted; whatever counts (a submit, a
sheet, a recount) is built from them, so two counts cannot differ by their wording.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.surveys import SurveyForm
from app.domain import tally
from app.domain.measure import Level
from app.domain.period import Period
from app.domain.tally import SurveyTally

# What ratings count: for every facet that they have, the form itself and each ticked option.
RATING_COUNTS = """
    SELECT r.agency_id, r.survey_id, facets.facet,
           date_trunc('month', r.rated_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS month,
           facets.facet_key, sum_counts(form.counts) AS counts
      FROM {ratings} AS r
      JOIN survey ON survey.id = r.survey_id
     CROSS JOIN LATERAL (
           SELECT ARRAY(
                  SELECT coalesce(ticked.n, 0)
                    FROM generate_series(1, survey.layout[cardinality(survey.layout)])
                         AS every (place)
                    LEFT JOIN (
                         SELECT 1 AS place, 1 AS n
                          UNION ALL
                         SELECT survey.layout[answer.question] + answer.option, 1
                           FROM unnest(r.answers) WITH ORDINALITY AS answer (option, question)
                          WHERE answer.option > 0) AS ticked USING (place)
                   ORDER BY place)::bigint[] AS counts
            OFFSET 0) AS form  -- once for all facets
     CROSS JOIN LATERAL (VALUES
           ('all', ''), ('basis', r.basis), ('channel', r.channel), ('counter', r.counter),
           ('procedure', r.procedure), ('officer', r.officer)) AS facets (facet, facet_key)
     WHERE facets.facet_key IS NOT NULL
     GROUP BY 1, 2, 3, 4, 5
"""

# What a tally sheet counts: nobody knows at which counter or for which procedure its forms were.
SHEET_COUNTS = """
    SELECT s.agency_id, s.survey_id, facets.facet, s.month, facets.facet_key,
           sum_counts(form.counts) AS counts
      FROM {sheets} AS s
      JOIN survey ON survey.id = s.survey_id
     CROSS JOIN LATERAL (
           SELECT ARRAY(
                  SELECT coalesce(cell.n, 0)
                    FROM generate_series(1, survey.layout[cardinality(survey.layout)])
                         AS every (place)
                    LEFT JOIN (
                         SELECT CASE question WHEN 0 THEN 1 ELSE survey.layout[question] + option
                                END AS place, n
                           FROM jsonb_to_recordset(s.sheet -> 'cells')
                                AS given (question int, option int, n bigint)) AS cell USING (place)
                   ORDER BY place)::bigint[] AS counts
            OFFSET 0) AS form  -- once for all facets
     CROSS JOIN LATERAL (VALUES
           ('all', ''), ('basis', 'sheet'), ('channel', s.channel)) AS facets (facet, facet_key)
     GROUP BY 1, 2, 3, 4, 5
"""

# Rows are added in the order of their key, so that two transactions never lock crosswise.
ADD_COUNTS = """
    INSERT INTO tally (agency_id, survey_id, facet, month, facet_key, counts)
    {counts}
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (agency_id, survey_id, facet, month, facet_key)
    DO UPDATE SET counts = ARRAY(
       SELECT held + added FROM unnest(tally.counts, excluded.counts) AS pair (held, added))
"""

# Taking out is an update of locked rows, because a negative one cannot be proposed to ADD_COUNTS.
SUBTRACT_COUNTS = """
    WITH gone AS ({counts}), locked AS (
        SELECT tally.agency_id, tally.survey_id, tally.facet, tally.month, tally.facet_key,
               gone.counts
          FROM tally JOIN gone USING (agency_id, survey_id, facet, month, facet_key)
         ORDER BY 1, 2, 3, 4, 5
           FOR UPDATE OF tally)
    UPDATE tally
       SET counts = ARRAY(
           SELECT coalesce(held, 0) - coalesce(taken, 0)
             FROM unnest(tally.counts, locked.counts) AS pair (held, taken))
      FROM locked
     WHERE (tally.agency_id, tally.survey_id, tally.facet, tally.month, tally.facet_key)
         = (locked.agency_id, locked.survey_id, locked.facet, locked.month, locked.facet_key)
"""

# Every month that a period can name, by the moment it begins and its first day: finding a moment's
# place among them takes a fifth of the time of date_trunc.
MONTHS = """
    SELECT array_agg(month AT TIME ZONE 'Asia/Ho_Chi_Minh' ORDER BY month) AS starts,
           array_agg(month::date ORDER BY month) AS days
      FROM generate_series(timestamp '2000-01-01', '2100-01-01', '1 month') AS month
"""
MONTH = "width_bucket({moment}, (SELECT starts FROM months))"
IN_CALENDAR = "BETWEEN 1 AND 1200"
DAY = "(SELECT days FROM months)[{month}]"

# The CTEs that end in `counted`, the same as RATING_COUNTS makes, for many ratings: one pass over
# them makes wide rows, with a counter for each option as if every question had as many. UNFIT is
# the number of ratings that do not fit there, and so were miscounted.
_MANY_COUNTS = f"""
months AS MATERIALIZED ({MONTHS}), rated AS MATERIALIZED (
    SELECT agency_id, survey_id, month, basis, channel, counter, procedure, officer,
           GROUPING(procedure, officer) AS grouped, count(*) AS forms, {{counters}},
           count(*) FILTER (WHERE cardinality(answers) > {{questions}}
                               OR NOT {{options}} >= ALL (answers)
                               OR NOT month {IN_CALENDAR}) AS unfit
      FROM (SELECT agency_id, survey_id, {MONTH.format(moment="rated_at")} AS month, basis,
                   channel, counter, procedure, officer, answers, {{answers}}
              FROM {{ratings}} AS r OFFSET 0) AS given
     GROUP BY GROUPING SETS (
           (agency_id, survey_id, month, basis, channel, counter),
           (agency_id, survey_id, month, procedure), (agency_id, survey_id, month, officer))
), faceted AS (
    SELECT agency_id, survey_id, 'procedure' AS facet, month, procedure AS facet_key,
           ARRAY[forms, {{names}}] AS counts
      FROM rated WHERE grouped = 1
     UNION ALL
    SELECT agency_id, survey_id, 'officer', month, officer, ARRAY[forms, {{names}}]
      FROM rated WHERE grouped = 2
     UNION ALL
    SELECT agency_id, survey_id, CASE GROUPING(basis, channel, counter)
           WHEN 7 THEN 'all' WHEN 3 THEN 'basis' WHEN 5 THEN 'channel' ELSE 'counter' END, month,
           CASE GROUPING(basis, channel, counter)
           WHEN 7 THEN '' WHEN 3 THEN basis WHEN 5 THEN channel ELSE counter END,
           ARRAY[sum(forms)::bigint, {{sums}}]
      FROM rated WHERE grouped = 3
     GROUP BY GROUPING SETS (
           (agency_id, survey_id, month), (agency_id, survey_id, month, basis),
           (agency_id, survey_id, month, channel), (agency_id, survey_id, month, counter))
), counted AS (
    SELECT agency_id, survey_id, facet, {DAY.format(month="month")} AS month, facet_key,
           CASE survey.layout WHEN ARRAY[{{layout}}] THEN counts ELSE ARRAY(
               SELECT counts[CASE question WHEN 0 THEN 1 ELSE
                             1 + (question - 1) * {{options}} + place - survey.layout[question] END]
                 FROM generate_series(1, survey.layout[cardinality(survey.layout)]) AS place
                CROSS JOIN LATERAL width_bucket(place - 1, survey.layout) AS question
                ORDER BY place) END AS counts
      FROM faceted JOIN survey ON survey.id = survey_id
     WHERE facet_key IS NOT NULL)
"""  # noqa: S608 -- fragments, no input
UNFIT = "(SELECT coalesce(sum(unfit), 0)::bigint FROM rated)"

# How many forms the ratings in `counted` are.
FORMS = "(SELECT coalesce(sum(counts[1]), 0)::bigint FROM counted WHERE facet = 'all')"

_READ = text("""
    SELECT agency_id, survey_id, '' AS key, question, option, sum(n)::bigint
      FROM tally_cell
     WHERE agency_id = ANY(CAST(:agencies AS int[])) AND survey_id = ANY(CAST(:surveys AS int[]))
       AND facet = 'all' AND month BETWEEN :first AND :last
     GROUP BY 1, 2, 3, 4, 5
""")
_SPLIT = text("""
    SELECT agency_id, survey_id,
           CASE facet WHEN 'all' THEN to_char(month, 'YYYY-MM') ELSE facet_key END AS key,
           question, option, sum(n)::bigint
      FROM tally_cell
     WHERE agency_id = :agency AND survey_id = ANY(CAST(:surveys AS int[]))
       AND facet = :facet AND month BETWEEN :first AND :last
     GROUP BY 1, 2, 3, 4, 5
""")


def many_counts(ratings: str, questions: int, options: int) -> str:
    """The CTEs that end in `counted`, with room for so many questions of so many options."""
    places = [(q, o) for q in range(1, questions + 1) for o in range(1, options + 1)]
    return _MANY_COUNTS.format(
        ratings=ratings,
        questions=questions,
        options=options,
        answers=", ".join(f"answers[{q}] AS a{q}" for q in range(1, questions + 1)),
        counters=", ".join(f"count(*) FILTER (WHERE a{q} = {o}) AS n{q}_{o}" for q, o in places),
        names=", ".join(f"n{q}_{o}" for q, o in places),
        sums=", ".join(f"sum(n{q}_{o})::bigint" for q, o in places),
        layout=", ".join(str(1 + question * options) for question in range(questions + 1)),
    )


async def read(
    session: AsyncSession, agencies: Sequence[int], surveys: Sequence[SurveyForm], period: Period
) -> dict[int, dict[str, SurveyTally]]:
    """Per agency, and survey code, the tally of the period; no entry where nothing is counted."""
    rows = await session.execute(_READ, {"agencies": list(agencies), **_of(surveys, period)})
    found: dict[int, dict[str, SurveyTally]] = {}
    for (agency, _), of_survey in _tallies(rows, surveys):
        found.setdefault(agency, {})[of_survey.survey] = of_survey
    return found


async def split(
    session: AsyncSession, agency: int, surveys: Sequence[SurveyForm], period: Period, by: Level
) -> dict[str, list[SurveyTally]]:
    """An agency's tallies per month (2026-03), channel, counter or procedure."""
    facet = "all" if by is Level.MONTH else by.value
    rows = await session.execute(_SPLIT, {"agency": agency, "facet": facet, **_of(surveys, period)})
    found: dict[str, list[SurveyTally]] = {}
    for (_, key), of_survey in _tallies(rows, surveys):
        found.setdefault(key, []).append(of_survey)
    return found


def _of(surveys: Sequence[SurveyForm], period: Period) -> dict[str, object]:
    ids = [survey.id for survey in surveys]
    return {"surveys": ids, "first": period.first, "last": period.last}


def _tallies(
    rows: Iterable[Any], surveys: Sequence[SurveyForm]
) -> Iterator[tuple[tuple[int, str], SurveyTally]]:
    """The tallies that rows of cells make, each with its agency and key, in the surveys' order."""
    cells: dict[tuple[int, int, str], dict[tuple[int, int], int]] = {}
    for agency, survey, key, question, option, n in rows:
        cells.setdefault((survey, agency, key), {})[question, option] = n
    for form in surveys:
        for (survey, agency, key), counted in cells.items():
            if survey == form.id:
                yield (agency, key), tally.read(form.survey.code, form.questionnaire, counted)
