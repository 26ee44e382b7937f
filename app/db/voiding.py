"""Ratings as an agency sees them afterwards: listed, and voided with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, funnel, surveys, tallies
from app.db.surveys import SurveyForm
from app.db.tables import Agency, Rating, Survey
from app.domain.errors import AlreadyVoidedError, Fault, InvalidError, RatingNotFoundError

# In the order in which a submit takes its locks: the rating, its tally rows, its funnel row.
_COUNTS = tallies.RATING_COUNTS.format(ratings="voided")
_CELLS = funnel.RATED_CELLS.format(ratings="voided")
_VOID = text(f"""
WITH voided AS (
    UPDATE rating
       SET voided_at = :at, voided_by = :by, void_reason = :reason, released = :released
     WHERE agency_id = :agency_id AND id = :id AND voided_at IS NULL
    RETURNING *
), counted AS ({tallies.SUBTRACT_COUNTS.format(counts=_COUNTS)}
), moved AS ({funnel.SUBTRACT_CELLS.format(cells=_CELLS)})
SELECT count(*) FROM voided
""")  # noqa: S608 -- fragments of db.tallies and db.funnel, no input


@dataclass(frozen=True, slots=True)
class Voiding:
    """Why a rating is not to count, by whose key and when, and whether there may be another."""

    reason: str
    rate_again: bool
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of an agency's ratings are asked for."""

    survey: str | None = None
    voided: bool | None = None


async def void(
    session: AsyncSession, agency: str, rating_id: UUID, said: Voiding
) -> tuple[Rating, str, bool]:
    """Take a rating out of every count; the rating, its survey, and whether it was void before.

    The rating stays. Voided before for the same reason, its dossier may be released now. Raises
    AgencyNotFoundError, RatingNotFoundError, or AlreadyVoidedError when it was voided for another
    reason, or is released already.
    """
    owner = await agencies.get(session, agency)
    key = {"agency_id": owner.id, "id": rating_id}
    values = {"at": said.at, "by": said.by, "reason": said.reason, "released": said.rate_again}
    done = await session.scalar(_VOID, {**key, **values})
    rating, survey = await _get(session, owner, rating_id)
    if done:
        return rating, survey, False
    if rating.void_reason != said.reason:
        raise AlreadyVoidedError(Fault("/reason", AlreadyVoidedError.code))
    if rating.released and not said.rate_again:
        raise AlreadyVoidedError(Fault("/rate_again", AlreadyVoidedError.code))
    replayed = rating.released == said.rate_again
    rating.released = said.rate_again
    return rating, survey, replayed


async def get(session: AsyncSession, agency: str, rating_id: UUID) -> tuple[Rating, SurveyForm]:
    """A rating of the agency with the form that it answers.

    Raises AgencyNotFoundError or RatingNotFoundError.
    """
    rating, survey = await _get(session, await agencies.get(session, agency), rating_id)
    (form,) = await surveys.with_forms(session, [survey], "/path/rating")
    return rating, form


async def _get(session: AsyncSession, owner: Agency, rating_id: UUID) -> tuple[Rating, str]:
    stmt = select(Rating, col(Survey.code)).join(Survey, col(Survey.id) == Rating.survey_id)
    stmt = stmt.where(col(Rating.agency_id) == owner.id, col(Rating.id) == rating_id)
    row = (await session.execute(stmt.execution_options(populate_existing=True))).one_or_none()
    if row is None:
        raise RatingNotFoundError(Fault("/path/rating", RatingNotFoundError.code))
    return row[0], row[1]


async def list_page(
    session: AsyncSession, agency: str, wanted: Wanted, after: UUID | None, limit: int
) -> Sequence[tuple[Rating, SurveyForm]]:
    """Up to `limit` ratings after the one named, with the forms that they answer.

    Raises AgencyNotFoundError, SurveyNotFoundError, or InvalidError when `after` is none of its.
    """
    owner = await agencies.get(session, agency)
    stmt = select(Rating, col(Survey.code)).join(Survey, col(Survey.id) == Rating.survey_id)
    stmt = stmt.where(col(Rating.agency_id) == owner.id)
    if wanted.survey is not None:
        survey = await surveys.get(session, wanted.survey, "/query/survey")
        stmt = stmt.where(col(Rating.survey_id) == survey.id)
    if wanted.voided is not None:
        stmt = stmt.where(col(Rating.voided_at).is_not(None) == wanted.voided)
    if after is not None:
        if await session.get(Rating, (owner.id, after)) is None:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        stmt = stmt.where(col(Rating.id) > after)
    rows = (await session.execute(stmt.order_by(col(Rating.id)).limit(limit))).all()
    codes = sorted({code for _, code in rows})
    forms = await surveys.with_forms(session, codes, "/query/survey")
    answered = dict(zip(codes, forms, strict=True))
    return [(rating, answered[code]) for rating, code in rows]
