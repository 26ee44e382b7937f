"""Ratings: one statement stores a batch and counts what it really stored.

It is the only way in, so a rating can be neither stored uncounted nor counted twice.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.db import funnel, tallies
from app.domain.errors import (
    AlreadyRatedError,
    DomainError,
    DossierNotFoundError,
    IdempotencyKeyReusedError,
    InvitationRevokedError,
    RatingWindowClosedError,
    ResultNotReturnedError,
    SaturatedError,
)
from app.domain.period import CLOCK_SKEW

Columns = list[Sequence[object]]

CREATED, REPLAYED, REFUSED = "created", "replayed", "refused"

# Each outcome that is a refusal by what is stored, and the refusal that says it.
REFUSALS: dict[str, type[DomainError]] = {
    refusal.code: refusal
    for refusal in (
        DossierNotFoundError,
        ResultNotReturnedError,
        RatingWindowClosedError,
        InvitationRevokedError,
        AlreadyRatedError,
        IdempotencyKeyReusedError,
        SaturatedError,
    )
}


class NewRating(NamedTuple):
    """A rating whose answers fit the questionnaire, on its way into the table.

    The fields are in the order in which the statement takes its columns.

    `id` names the request and `digest` what it said, so that the same one sent again is known.
    `refused` when the time or the survey does not allow it: only if it is there already is it
    answered as before. `invitation` is the number of the invitation that it rests on: the
    dossier's, or the `recipient`'s to the survey, which has no dossier.
    """

    id: UUID
    agency_id: int
    survey_id: int
    dossier: str | None
    reference: bytes
    digest: bytes
    window_days: int
    channel: str
    counter: str | None
    answers: tuple[int, ...]
    comment: str | None
    device: str | None
    device_seq: int | None
    rated_at: datetime
    received_at: datetime
    refused: bool = False
    invitation: int | None = None
    recipient: bytes | None = None


class Outcome(NamedTuple):
    """What became of a rating: created, replayed, refused, or the code of one of REFUSALS."""

    code: str
    id: UUID
    received_at: datetime


_ANSWERS = NewRating._fields.index("answers")
_SHARED = tuple(
    map(NewRating._fields.index, ("survey_id", "window_days", "rated_at", "received_at"))
)


def reference(key: bytes, agency: str, dossier: str) -> bytes:
    """A keyed one-way reference: without the key nobody can tell which dossier was rated."""
    made = _keyed(key).copy()
    made.update(f"{agency}\n{dossier}".encode())
    return made.digest()


@lru_cache(2)
def _keyed(key: bytes) -> hmac.HMAC:
    """The beginning of a hash with the key, which takes longer than the rest."""
    return hmac.new(key, digestmod="sha256")


def survey_reference(key: bytes, recipient: bytes) -> bytes:
    """A keyed one-way reference to who was invited to a survey, of the hash kept of them."""
    return hmac.digest(key, b"survey invitation\n" + recipient, "sha256")


# A NULL that fills up an array stands for its first value, where there must be one. A dossier is
# locked until the commit against losing its return, which the rating relies on.
SUBMIT = f"""
WITH incoming AS (
    SELECT id, agency_id, coalesce(survey_id, ($3::int[])[1]) AS survey_id, dossier, reference,
           digest, coalesce(window_days, ($7::int[])[1]) AS window_days, channel, counter, answers,
           comment, device, device_seq, coalesce(rated_at, ($14::timestamptz[])[1]) AS rated_at,
           coalesce(received_at, ($15::timestamptz[])[1]) AS received_at, refused, invitation,
           recipient, place
      FROM unnest(
           $1::uuid[], $2::int[], $3::int[], $4::text[], $5::bytea[], $6::bytea[], $7::int[],
           $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[],
           $14::timestamptz[], $15::timestamptz[], $16::bool[], $17::int[], $18::bytea[])
      WITH ORDINALITY AS new (
           id, agency_id, survey_id, dossier, reference, digest, window_days, channel, counter,
           answers, comment, device, device_seq, rated_at, received_at, refused, invitation,
           recipient, place)
), found AS (
    SELECT new.place, dossier.channel AS service_channel, dossier.procedure, dossier.officer,
           dossier.counter AS funnel_counter, dossier.returned_at
      FROM incoming AS new
      JOIN dossier ON dossier.agency_id = new.agency_id AND dossier.code = new.dossier
       FOR KEY SHARE OF dossier
), judged AS (
    SELECT new.*, found.service_channel, found.procedure, found.officer, found.funnel_counter,
           found.returned_at,
           CASE WHEN new.refused THEN 'refused'
                WHEN new.recipient IS NOT NULL AND NOT EXISTS (
                     SELECT FROM survey_invitation AS held
                      WHERE held.agency_id = new.agency_id AND held.survey_id = new.survey_id
                        AND held.recipient = new.recipient
                        AND held.number = new.invitation AND held.revoked_at IS NULL)
                THEN 'invitation-revoked'
                WHEN new.recipient IS NOT NULL THEN NULL
                WHEN found.place IS NULL THEN 'dossier-not-found'
                WHEN found.returned_at IS NULL OR new.rated_at < found.returned_at - $19::interval
                THEN 'result-not-returned'
                WHEN new.rated_at > found.returned_at + make_interval(days => new.window_days)
                THEN 'rating-window-closed'
                WHEN new.invitation IS NOT NULL AND NOT EXISTS (
                     SELECT FROM invitation AS held
                      WHERE held.agency_id = new.agency_id AND held.dossier = new.dossier
                        AND held.number = new.invitation AND held.revoked_at IS NULL)
                THEN 'invitation-revoked'
           END AS refusal
      FROM incoming AS new
      LEFT JOIN found USING (place)
), accepted AS (
    INSERT INTO rating (
           id, agency_id, survey_id, basis, reference, digest, channel, service_channel, counter,
           procedure, officer, answers, comment, device, device_seq, rated_at, received_at,
           funnel_month, funnel_counter, released)
    SELECT id, agency_id, survey_id, CASE WHEN recipient IS NULL THEN 'dossier' ELSE 'survey' END,
           reference, digest, channel, service_channel, coalesce(counter, funnel_counter),
           procedure, officer, answers::smallint[], comment, device, device_seq, rated_at,
           received_at,
           date_trunc('month', returned_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
           funnel_counter, false
      FROM judged
     WHERE refusal IS NULL
     ORDER BY agency_id, reference, place
    ON CONFLICT DO NOTHING
    RETURNING agency_id, id, digest, survey_id, basis, channel, service_channel, counter,
              procedure, officer, answers, rated_at, funnel_month, funnel_counter
), {{counted}}
), moved AS ({funnel.ADD_CELLS.format(cells=funnel.RATED_CELLS.format(ratings="accepted"))})
SELECT judged.refusal, accepted.id IS NOT NULL AS stored
  FROM judged
  LEFT JOIN accepted ON accepted.agency_id = judged.agency_id AND accepted.id = judged.id
                    AND accepted.digest = judged.digest
 ORDER BY judged.place
"""  # noqa: S608 -- fragments of db.tallies and db.funnel, no input

_COUNTED = tallies.ADD_COUNTS.format(counts=tallies.RATING_COUNTS.format(ratings="accepted"))
_SUBMIT = SUBMIT.format(counted=f"counted AS ({_COUNTED}")

# Why a row was not stored. It runs after the other statement has committed and so sees whatever
# that one ran into: the same request before, in the same batch, or in another process.
_EXPLAIN = """
SELECT same.id, same.received_at, same.digest = new.digest AS equal, rated.id IS NOT NULL AS rated
  FROM unnest($1::uuid[], $2::int[], $3::bytea[], $4::bytea[], $5::text[], $6::bigint[])
       WITH ORDINALITY AS new (id, agency_id, reference, digest, device, device_seq, place)
  LEFT JOIN LATERAL (
       SELECT held.id, held.received_at, held.digest
         FROM rating AS held
        WHERE held.agency_id = new.agency_id AND held.id = new.id
        UNION ALL
       SELECT held.id, held.received_at, held.digest
         FROM rating AS held
        WHERE held.agency_id = new.agency_id AND held.device = new.device
          AND held.device_seq = new.device_seq
        LIMIT 1) AS same ON true
  LEFT JOIN rating AS rated ON rated.agency_id = new.agency_id
       AND rated.reference = new.reference AND NOT rated.released
 ORDER BY new.place
"""


async def submit(connection: asyncpg.Connection, batch: Sequence[NewRating]) -> list[Outcome]:
    """Store and count a batch; each row's outcome, in order. One bad row does not fail the others.

    When it returns, what it calls created is committed, unless the connection is in a transaction.
    """
    return await submit_columns(connection, batch, columns(batch), _SUBMIT)


async def submit_columns(
    connection: asyncpg.Connection, batch: Sequence[NewRating], given: Columns, statement: str
) -> list[Outcome]:
    """As `submit`, of a batch whose columns are made, by SUBMIT with its way of counting."""
    rows = await connection.fetch(statement, *given, CLOCK_SKEW)
    # The same request twice in a batch: the second one is a replay of the first.
    first: dict[tuple[int, UUID], int] = {}
    created = [
        row["stored"] and first.setdefault((new.agency_id, new.id), place) == place
        for place, (new, row) in enumerate(zip(batch, rows, strict=True))
    ]
    left = [place for place, stored in enumerate(created) if not stored]
    said = iter(
        await _explain(
            connection, [batch[place] for place in left], [rows[place]["refusal"] for place in left]
        )
        if left
        else ()
    )
    return [
        Outcome(CREATED, new.id, new.received_at) if stored else next(said)
        for new, stored in zip(batch, created, strict=True)
    ]


def columns(batch: Sequence[NewRating]) -> Columns:
    """The statement's arrays; one value is enough where all rows have the same, or none has any."""
    made: Columns = [*zip(*batch, strict=True)]
    # Arrays of arrays must be rectangular in PostgreSQL, so each row's answers travel as text.
    made[_ANSWERS] = ["{" + ",".join(map(str, new.answers)) + "}" for new in batch]
    for place, column in enumerate(made):
        if (column[0] is None or place in _SHARED) and column.count(column[0]) == len(column):
            made[place] = column[:1]
    return made


async def _explain(
    connection: asyncpg.Connection, batch: Sequence[NewRating], refusals: Sequence[str | None]
) -> list[Outcome]:
    rows = await connection.fetch(
        _EXPLAIN,
        [new.id for new in batch],
        [new.agency_id for new in batch],
        [new.reference for new in batch],
        [new.digest for new in batch],
        [new.device for new in batch],
        [new.device_seq for new in batch],
    )
    return [
        _outcome(new, refusal, row) for new, refusal, row in zip(batch, refusals, rows, strict=True)
    ]


def _outcome(new: NewRating, refusal: str | None, row: asyncpg.Record) -> Outcome:
    if row["id"] is not None and row["equal"]:
        return Outcome(REPLAYED, row["id"], row["received_at"])
    if row["id"] is not None:
        code = IdempotencyKeyReusedError.code
    elif refusal is not None:
        code = refusal
    elif row["rated"]:
        code = AlreadyRatedError.code
    else:
        # What stood in the way is gone again, as when its rating was voided this very moment.
        code = SaturatedError.code
    return Outcome(code, new.id, new.received_at)
