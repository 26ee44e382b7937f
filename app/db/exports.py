"""Whole data sets, read a page at a time in one snapshot; and from when to ask for changes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import surveys
from app.db.surveys import SurveyForm
from app.db.tables import Agency, Dossier, Rating, Survey

Row = Mapping[Any, Any]

# While a page is written nothing else is answered. Larger ones are no faster; others wait longer.
PAGE = 200
# Between the moment that a transaction calls its beginning and the moment that others see it begun.
MARGIN = timedelta(minutes=1)

_RATING = (
    "agency_id",
    "id",
    "survey_id",
    "basis",
    "channel",
    "counter",
    "answers",
    "comment",
    "rated_at",
    "voided_at",
    "void_reason",
    "released",
    "updated_at",
)

_EVENTS = text("""
    SELECT event.agency_id, event.dossier, event.number, event.type, event.at, event.recorded_at,
           event.due_at, event.new_due_at, event.reason, event.cancels, event.cancelled_by
      FROM unnest(CAST(:agency_id AS int[]), CAST(:code AS text[])) AS named (agency_id, dossier)
      JOIN dossier_event AS event USING (agency_id, dossier)
     ORDER BY event.agency_id, event.dossier, event.number
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are asked for: of these agencies (their numbers; None: all), written since then.

    `after` is the agency's number and the key of the row that comes before the first.
    """

    agencies: Sequence[int] | None = None
    updated_after: datetime | None = None
    after: tuple[int, Any] | None = None
    survey_id: int | None = None


async def next_updated_after(session: AsyncSession) -> datetime:
    """From when to ask for what an export that begins after this does not show yet.

    A row is stamped with the beginning of its transaction. Those that are open now may be committed
    after the export has begun, so it lies before the oldest of them.
    """
    oldest = await session.scalar(
        text("""
        SELECT least(now(), min(xact_start))
          FROM pg_stat_activity
         WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND backend_type = 'client backend'
        """)
    )
    moment: datetime = oldest
    return moment - MARGIN


async def begin(session: AsyncSession) -> None:
    """Let a long export sort."""
    await session.execute(text("SET LOCAL statement_timeout = '10min'"))


async def agencies(session: AsyncSession) -> dict[int, str]:
    """The codes of all agencies by their numbers."""
    rows = await session.execute(select(col(Agency.id), col(Agency.code)))
    return {number: code for number, code in rows if number is not None}


async def forms(session: AsyncSession, survey_id: int | None = None) -> dict[int, SurveyForm]:
    """All surveys with their questionnaires, or the one, by number and in the order of codes."""
    stmt = select(col(Survey.code)).order_by(col(Survey.code))
    if survey_id is not None:
        stmt = stmt.where(col(Survey.id) == survey_id)
    codes = (await session.scalars(stmt)).all()
    return {form.id: form for form in await surveys.with_forms(session, codes, "/query/survey")}


async def ratings(session: AsyncSession, wanted: Wanted) -> AsyncIterator[Sequence[Row]]:
    """Pages of ratings in the order of agency and id."""
    stmt = _wanted(select(*(col(getattr(Rating, name)) for name in _RATING)), Rating, wanted)
    if wanted.survey_id is not None:
        stmt = stmt.where(col(Rating.survey_id) == wanted.survey_id)
    async for page in _pages(session, stmt.order_by(col(Rating.agency_id), col(Rating.id))):
        yield page


async def dossiers(session: AsyncSession, wanted: Wanted) -> AsyncIterator[Sequence[Row]]:
    """Pages of dossiers with their `events`, in the order of agency and code."""
    columns = Dossier.metadata.tables["dossier"].columns
    stmt = _wanted(select(*columns), Dossier, wanted)
    async for page in _pages(session, stmt.order_by(col(Dossier.agency_id), col(Dossier.code))):
        events = await _events(session, page)
        yield [{**row, "events": events.get((row["agency_id"], row["code"]), [])} for row in page]


def _wanted(stmt: Select[Any], of: type[Rating] | type[Dossier], wanted: Wanted) -> Select[Any]:
    key = col(Rating.id) if of is Rating else col(Dossier.code)
    if wanted.agencies is not None:
        stmt = stmt.where(col(of.agency_id).in_(wanted.agencies))
    if wanted.updated_after is not None:
        stmt = stmt.where(col(of.updated_at) >= wanted.updated_after)
    if wanted.after is not None:
        stmt = stmt.where(tuple_(col(of.agency_id), key) > tuple_(*wanted.after))
    return stmt


async def _pages(session: AsyncSession, stmt: Select[Any]) -> AsyncIterator[Sequence[Row]]:
    result = await session.stream(stmt.execution_options(yield_per=PAGE))
    async for page in result.mappings().partitions():
        yield page


async def _events(session: AsyncSession, page: Sequence[Row]) -> dict[tuple[int, str], list[Row]]:
    """The events of a page's dossiers, in the order of recording."""
    keys = {name: [row[name] for row in page] for name in ("agency_id", "code")}
    rows = (await session.execute(_EVENTS, keys)).mappings().all()
    found: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["agency_id"], row["dossier"]), []).append(row)
    return found
