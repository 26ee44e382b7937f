"""Ratings: one statement stores a batch and counts what it really stored.

It is the only way in, so a rating can be neither stored uncounted nor counted twice.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tallies import ADD_CELLS, RATING_CELLS
from app.domain.errors import (
    AlreadyRatedError,
    DomainError,
    DossierNotFoundError,
    RatingWindowClosedError,
    ResultNotReturnedError,
)
from app.domain.period import CLOCK_SKEW

CREATED = "created"

# Each row's outcome other than `created`, and the refusal that says it.
REFUSALS: dict[str, type[DomainError]] = {
    refusal.code: refusal
    for refusal in (
        DossierNotFoundError,
        ResultNotReturnedError,
        RatingWindowClosedError,
        AlreadyRatedError,
    )
}


@dataclass(frozen=True, slots=True)
class NewRating:
    """A rating whose answers fit the questionnaire, on its way into the table."""

    id: UUID
    agency_id: int
    survey_id: int
    dossier: str
    dossier_reference: bytes
    window: timedelta
    channel: str
    counter: str | None
    answers: tuple[int, ...]
    comment: str | None
    device_seq: int | None
    rated_at: datetime
    received_at: datetime


def reference(key: bytes, agency: str, dossier: str) -> bytes:
    """A keyed one-way reference: without the key nobody can tell which dossier was rated."""
    return hmac.digest(key, f"{agency}\n{dossier}".encode(), hashlib.sha256)


_SUBMIT = text(f"""
WITH incoming AS (
    SELECT *
      FROM unnest(
           CAST(:id AS uuid[]), CAST(:agency_id AS int[]), CAST(:survey_id AS int[]),
           CAST(:dossier AS text[]), CAST(:dossier_reference AS bytea[]),
           CAST(:window AS interval[]), CAST(:channel AS text[]), CAST(:counter AS text[]),
           CAST(:answers AS text[]), CAST(:comment AS text[]), CAST(:device_seq AS bigint[]),
           CAST(:rated_at AS timestamptz[]), CAST(:received_at AS timestamptz[]))
      WITH ORDINALITY AS new (
           id, agency_id, survey_id, dossier, dossier_reference, rating_window, channel, counter,
           answers, comment, device_seq, rated_at, received_at, place)
), judged AS (
    SELECT new.*, dossier.channel AS service_channel, dossier.procedure, dossier.officer,
           dossier.returned_at, dossier.counter AS service_counter,
           coalesce(new.counter, dossier.counter) AS at_counter,
           CASE WHEN dossier.code IS NULL THEN 'dossier-not-found'
                WHEN dossier.returned_at IS NULL
                  OR new.rated_at < dossier.returned_at - CAST(:skew AS interval)
                THEN 'result-not-returned'
                WHEN new.rated_at > dossier.returned_at + new.rating_window
                THEN 'rating-window-closed'
           END AS refusal
      FROM incoming AS new
      LEFT JOIN dossier ON dossier.agency_id = new.agency_id AND dossier.code = new.dossier
), accepted AS (
    INSERT INTO rating (
           id, agency_id, survey_id, basis, reference, digest, channel, service_channel, counter,
           procedure, officer, answers, comment, device_seq, rated_at, received_at, funnel_month,
           funnel_counter, released)
    SELECT id, agency_id, survey_id, 'dossier', dossier_reference, '', channel, service_channel,
           at_counter, procedure, officer, CAST(answers AS smallint[]), comment, device_seq,
           rated_at, received_at,
           date_trunc('month', returned_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
           service_counter, false
      FROM judged
     WHERE refusal IS NULL
     ORDER BY agency_id, dossier_reference, place
    ON CONFLICT DO NOTHING
    RETURNING agency_id, id, survey_id, basis, channel, counter, procedure, officer, answers,
              rated_at
), counted AS ({ADD_CELLS.format(cells=RATING_CELLS.format(ratings="accepted"))})
SELECT coalesce(judged.refusal,
                CASE WHEN accepted.id IS NULL THEN 'already-rated' ELSE 'created' END)
  FROM judged
  LEFT JOIN accepted ON accepted.agency_id = judged.agency_id AND accepted.id = judged.id
 ORDER BY judged.place
""")  # noqa: S608 -- fragments of db.tallies, no input


async def submit(session: AsyncSession, batch: Sequence[NewRating]) -> list[str]:
    """Store and count a batch; each row's outcome in order: `created` or a refusal's code.

    One bad row does not fail the others.
    """
    columns: dict[str, list[object]] = {
        "id": [new.id for new in batch],
        "agency_id": [new.agency_id for new in batch],
        "survey_id": [new.survey_id for new in batch],
        "dossier": [new.dossier for new in batch],
        "dossier_reference": [new.dossier_reference for new in batch],
        "window": [new.window for new in batch],
        "channel": [new.channel for new in batch],
        "counter": [new.counter for new in batch],
        # Arrays of arrays must be rectangular in PostgreSQL, so each row travels as text.
        "answers": ["{" + ",".join(map(str, new.answers)) + "}" for new in batch],
        "comment": [new.comment for new in batch],
        "device_seq": [new.device_seq for new in batch],
        "rated_at": [new.rated_at for new in batch],
        "received_at": [new.received_at for new in batch],
    }
    outcomes = await session.scalars(_SUBMIT, {**columns, "skew": CLOCK_SKEW})
    return list(outcomes)
