"""Recounting: whether tally and funnel are what they count adds up to, and mending them if not.

What is right is said by the fragments of db.tallies and db.funnel. Those for many at once are tried
first; what does not fit there is counted by definition. See docs/decisions/0019.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, cast

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import catalogue, funnel, tallies
from app.db.session import Sessions
from app.db.tables import Tally

SHOWN = 20  # of the counts that differ
RANGES, AT_ONCE = 2, 2
MOST_COUNTERS = 1000  # in a row of many_counts; PostgreSQL takes no more than 1664 columns

_OF_AGENCIES = "WHERE agency_id BETWEEN :first AND :last"
_RATINGS = f"(SELECT * FROM rating {_OF_AGENCIES} AND voided_at IS NULL)"  # noqa: S608 -- no input
_SHEETS, _DOSSIERS, _INVITATIONS = (
    f"(SELECT * FROM {table} {_OF_AGENCIES})"  # noqa: S608 -- no input
    for table in ("tally_sheet", "dossier", "invitation")
)

# Compiling would take longer than running, and sums should not have to wait on the disk.
_SET_UP = text("""
    SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
           set_config('work_mem', '128MB', true), set_config('jit', 'off', true)
""")

# The ratings of all agencies lie mixed on the same pages, so that an agency by itself costs a pass
# over all of them. Few ranges, with about the same number of ratings and dossiers, cost little.
_RANGES = text("""
    WITH weighed AS (
        SELECT agency.id, 1 + coalesce(sum(funnel.received + funnel.rated), 0) AS weight
          FROM agency LEFT JOIN funnel ON funnel.agency_id = agency.id
         GROUP BY agency.id
    ), placed AS (
        SELECT id, floor(CAST(:ranges AS int) * (sum(weight) OVER (ORDER BY id) - weight / 2)
                         / sum(weight) OVER ()) AS place
          FROM weighed)
    SELECT min(id), max(id), count(*) FROM placed GROUP BY place ORDER BY 1
""")
_LAYOUTS = text("SELECT DISTINCT layout FROM survey")


@dataclass(frozen=True, slots=True)
class Part:
    """A table and a range of agencies, whose counts are compared by one statement."""

    table: str
    first: int
    last: int
    agencies: int

    @property
    def range(self) -> dict[str, int]:
        """The range, as every statement here names its bounds."""
        return {"first": self.first, "last": self.last}


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not what it should be."""

    agency: str
    month: date
    row: str
    count: str
    held: int
    due: int


@dataclass(frozen=True, slots=True)
class Found:
    """How many counts of a part differ, the first of them, and how many ratings were counted."""

    part: Part
    drift: int
    ratings: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _Counting:
    """A way to count a table anew: the CTEs that end in `due`, and what they know besides."""

    due: str
    unfit: str
    ratings: str


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of counts: its rows as key and counts, their names, and how they are written."""

    key: str
    held: str
    row: str
    count: str
    joined: str
    columns: str
    add: str
    subtract: str

    def find(self, counting: _Counting) -> str:
        """How many counts are wrong, beside each of the first of them."""
        return f"""
WITH {self._wrong(counting)}, counts AS (
    SELECT wrong.*, place, coalesce(right_one, 0) AS right_one, coalesce(held_one, 0) AS held_one
      FROM wrong
     CROSS JOIN LATERAL unnest(due, held) WITH ORDINALITY AS pair (right_one, held_one, place)
     WHERE coalesce(right_one, 0) <> coalesce(held_one, 0))
SELECT (SELECT count(*) FROM counts) AS drift, {counting.unfit} AS unfit,
       {counting.ratings} AS ratings, shown.*
  FROM (VALUES (1)) AS always
  LEFT JOIN (SELECT agency.code, month, {self.row}, {self.count}, held_one, right_one
               FROM counts JOIN agency ON agency.id = agency_id {self.joined}
              ORDER BY agency.code, {self.key}, place
              LIMIT {SHOWN}) AS shown ON true
"""  # noqa: S608 -- fragments, no input

    def add_missing(self, counting: _Counting) -> str:
        """Adds the rows that are not there."""
        return self.add.format(self._of_wrong(counting, "due", "held IS NULL"))

    def take_surplus(self, counting: _Counting) -> str:
        """Takes out of the rows that are there what they have too much, which may be negative."""
        surplus = """ARRAY(SELECT coalesce(held_one, 0) - coalesce(right_one, 0)
                       FROM unnest(due, held) AS pair (right_one, held_one))"""
        return self.subtract.format(self._of_wrong(counting, surplus, "held IS NOT NULL"))

    def _of_wrong(self, counting: _Counting, counts: str, which: str) -> str:
        """Rows for the table from the wrong ones; none if some did not fit and were miscounted."""
        rows = f"SELECT {self.key}, {counts} AS counts FROM wrong WHERE {which}"  # noqa: S608 -- no input
        return f"""
WITH {self._wrong(counting)}
SELECT {self.columns} FROM ({rows}) AS changes WHERE {counting.unfit} = 0"""  # noqa: S608 -- no input

    def _wrong(self, counting: _Counting) -> str:
        """The CTEs that end in `wrong`: the rows with a count that is not what it should be."""
        return f"""
{counting.due}, wrong AS MATERIALIZED (
    SELECT {self.key}, due.counts AS due, held.counts AS held
      FROM due FULL JOIN ({self.held}) AS held USING ({self.key})
     WHERE due.counts IS DISTINCT FROM held.counts
       AND EXISTS (SELECT FROM unnest(due.counts, held.counts) AS pair (right_one, held_one)
                    WHERE coalesce(right_one, 0) <> coalesce(held_one, 0)))
"""  # noqa: S608 -- fragments, no input


_TALLY_KEY = "agency_id, survey_id, facet, month, facet_key"
_FUNNEL_KEY = "agency_id, month, counter, procedure, channel"
_FUNNEL_COUNTS = ("received", "returned", "late", "invited", "opened", "rated")
_TABLES = {
    "tally": _Table(
        key=_TALLY_KEY,
        held=f"SELECT {_TALLY_KEY}, counts FROM tally {_OF_AGENCIES}",  # noqa: S608 -- no input
        row="concat_ws(' ', survey.code, facet, nullif(facet_key, ''))",
        count="CASE place WHEN 1 THEN 'forms' ELSE format('question no. %s, option no. %s',"
        " question, place - survey.layout[question]) END",
        joined="JOIN survey ON survey.id = survey_id"
        " CROSS JOIN LATERAL width_bucket(place::int - 1, survey.layout) AS question",
        columns="*",
        add=tallies.ADD_COUNTS.format(counts="{}"),
        subtract=tallies.SUBTRACT_COUNTS.format(counts="{}"),
    ),
    "funnel": _Table(
        key=_FUNNEL_KEY,
        held=f"SELECT {_FUNNEL_KEY}, ARRAY[{', '.join(_FUNNEL_COUNTS)}] AS counts"  # noqa: S608 -- no input
        f" FROM funnel {_OF_AGENCIES}",
        row="concat_ws(' ', nullif(counter, ''), procedure, channel)",
        count=f"(ARRAY{list(_FUNNEL_COUNTS)})[place]",
        joined="",
        columns=f"{_FUNNEL_KEY}, "
        + ", ".join(f"counts[{n}] AS {name}" for n, name in enumerate(_FUNNEL_COUNTS, 1)),
        add=funnel.ADD_CELLS.format(cells="{}"),
        subtract=funnel.SUBTRACT_CELLS.format(cells="{}"),
    ),
}


def _tally(counted: str, unfit: str = "0") -> _Counting:
    """The tally by CTEs that end in `counted`: what the ratings count."""
    due = f"""{counted}, sheets AS ({tallies.SHEET_COUNTS.format(sheets=_SHEETS)}), due AS (
    SELECT {_TALLY_KEY}, coalesce(add_counts(counted.counts, sheets.counts), counted.counts,
                                  sheets.counts) AS counts
      FROM counted FULL JOIN sheets USING ({_TALLY_KEY}))"""  # noqa: S608 -- fragments, no input
    return _Counting(due, unfit, tallies.FORMS)


def _funnel(cells: str, unfit: str = "0") -> _Counting:
    """The funnel by CTEs that end in `cells`: what dossiers, invitations and ratings count."""
    sums = ", ".join(f"sum({name})" for name in _FUNNEL_COUNTS)
    due = f"""{cells}, due AS (
    SELECT {_FUNNEL_KEY}, ARRAY[{sums}]::bigint[] AS counts FROM cells GROUP BY {_FUNNEL_KEY})"""  # noqa: S608 -- no input
    return _Counting(due, unfit, "0")


BY_DEFINITION = {
    "tally": _tally(f"counted AS ({tallies.RATING_COUNTS.format(ratings=_RATINGS)})"),
    "funnel": _funnel(
        f"cells AS (({funnel.DOSSIER_CELLS.format(dossiers=_DOSSIERS)}) UNION ALL"
        f" ({funnel.RATED_CELLS.format(ratings=_RATINGS)}))"
    ),
}


async def for_many(session: AsyncSession, table: str) -> _Counting:
    """How to count the table fast; the tally with room for the forms of all usual surveys."""
    if table == "funnel":
        many = {"dossiers": _DOSSIERS, "invitations": _INVITATIONS, "ratings": _RATINGS}
        return _funnel(funnel.MANY_CELLS.format(**many), funnel.UNFIT)
    questions = options = 1
    for layout in sorted(await session.scalars(_LAYOUTS), key=lambda layout: layout[-1]):
        more = max(questions, len(layout) - 1)
        wider = max(options, *(after - before for before, after in pairwise(layout)))
        if more * wider <= MOST_COUNTERS:
            questions, options = more, wider
    return _tally(tallies.many_counts(_RATINGS, questions, options), tallies.UNFIT)


async def parts(session: AsyncSession, ranges: int = RANGES) -> list[Part]:
    """All there is to compare."""
    rows = (await session.execute(_RANGES, {"ranges": ranges})).all()
    return [Part(table, *row) for row in rows for table in _TABLES]


async def compare(session: AsyncSession, part: Part) -> Found:
    """Which counts of a part are wrong; one statement, so that both sides are of one moment."""
    return (await _compare(session, part))[1]


async def compare_all(
    sessions: Sessions,
    todo: Sequence[Part],
    told: Callable[[Part], None] = lambda _part: None,
    at_once: int = AT_ONCE,
) -> list[Found]:
    """What is found in each part; `told` hears of each that is done."""
    waiting, found = list(todo), []

    async def work() -> None:
        while waiting:
            part = waiting.pop(0)
            async with sessions.begin() as session:
                found.append(await compare(session, part))
            told(part)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return sorted(found, key=lambda one: todo.index(one.part))


def total(found: Sequence[Found], table: str | None = None) -> int:
    """How many counts are wrong, in one of the tables or in both."""
    return sum(one.drift for one in found if table in {None, one.part.table})


async def drift(session: AsyncSession, table: str | None = None) -> int:
    """How many counts are wrong now, in one of the tables or in both; must be 0."""
    return total([await compare(session, part) for part in await parts(session, 1)], table)


async def mend(sessions: Sessions, part: Part) -> int:
    """Put right what is wrong in a part; the number of rows that were changed.

    Who stores, voids or moves something changes both sides alike, and so not their difference:
    adding that is right whenever it happens, and nobody needs to be kept out.
    """
    mended = 0
    for change in (_Table.add_missing, _Table.take_surplus):
        async with sessions.begin() as session:
            # Two at once would both add the same difference.
            await catalogue.alone(session, Tally)
            counting, found = await _compare(session, part)
            if found.drift:
                stmt = text(change(_TABLES[part.table], counting))
                result = await session.execute(stmt, part.range)
                mended += cast("CursorResult[Any]", result).rowcount
    return mended


async def _compare(session: AsyncSession, part: Part) -> tuple[_Counting, Found]:
    """How the part can be counted, and what is wrong with it."""
    await session.execute(_SET_UP)
    for counting in (await for_many(session, part.table), BY_DEFINITION[part.table]):
        stmt = text(_TABLES[part.table].find(counting))
        rows = (await session.execute(stmt, part.range)).all()
        drift, unfit, ratings, *_ = rows[0]
        if not unfit:
            break
    differences = tuple(Difference(*row[3:]) for row in rows if drift)
    return counting, Found(part, drift, ratings, differences)
