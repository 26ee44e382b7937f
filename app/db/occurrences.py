"""What happens without anybody saying so: low ratings, and dossiers whose appointment passes.

Both are found in the tables, so a rating costs nothing more than it did, and whatever way they came
in by nothing is missed.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import exports, surveys, webhooks
from app.db.deliveries import KEPT
from app.db.tables import OccurrenceLook, Webhook
from app.domain.period import local_day
from app.domain.profiles import dissatisfied
from app.domain.webhook import GIVE_UP_AFTER, Event, WebhookEvent, dossier_overdue, rating_low

MOST_TOGETHER = 1000

# As long as a delivery is tried: so long a worker may be away, and a rating on its way.
LOOKED_BACK = GIVE_UP_AFTER

# Whether nobody else looks until this transaction ends: one at a time is enough.
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('hailong occurrences'))")

_SURVEYS = text("""
    SELECT code FROM survey
     WHERE id IN (SELECT survey_id FROM rating WHERE updated_at > :since AND rated_at > :recent)
""")

# Read once, and not for each webhook and agency.
_LOW = text("""
WITH low AS MATERIALIZED (
    SELECT agency_id, survey_id, id, rated_at, received_at
      FROM rating
     WHERE updated_at > :since AND rated_at > :recent AND voided_at IS NULL
       AND EXISTS (
           SELECT FROM unnest(CAST(:surveys AS int[]), CAST(:questions AS int[]),
                              CAST(:options AS int[])) AS bad (survey_id, question, option)
            WHERE bad.survey_id = rating.survey_id
              AND bad.option = rating.answers[bad.question])
)
SELECT DISTINCT agency.code, low.id, survey.code, low.rated_at
  FROM low
  JOIN agency ON agency.id = low.agency_id
  JOIN survey ON survey.id = low.survey_id
  JOIN webhook ON webhook.active AND :type = ANY(webhook.events)
   AND (webhook.agencies IS NULL OR agency.code = ANY(webhook.agencies))
   AND webhook.created_at <= low.received_at
 WHERE NOT EXISTS (
       SELECT FROM webhook_delivery AS told
        WHERE told.webhook = webhook.code AND told.id = low.id)
""")

# Told again they would be the same event, which is not sent again as long as its delivery is kept.
_SETTLED = text("""
DELETE FROM overdue_dossier AS told USING dossier
 WHERE (told.agency_id, told.dossier) = (dossier.agency_id, dossier.code)
   AND told.noted_at < :before
   AND (dossier.ended_at IS NOT NULL OR dossier.due_at IS DISTINCT FROM told.due_at)
""")

# The rule itself is `overdue` in the domain; here it must find rows by an index.
_OVERDUE = text("""
WITH noted AS (
    INSERT INTO overdue_dossier (agency_id, dossier, due_at, noted_at)
    SELECT agency_id, code, due_at, :now
      FROM dossier
     WHERE ended_at IS NULL AND due_at < :now AND status <> 5
       AND NOT EXISTS (
           SELECT FROM overdue_dossier AS told
            WHERE (told.agency_id, told.dossier, told.due_at)
                = (dossier.agency_id, dossier.code, dossier.due_at))
     LIMIT :most
    ON CONFLICT DO NOTHING
    RETURNING agency_id, dossier, due_at
)
SELECT agency.code, noted.dossier, noted.due_at
  FROM noted JOIN agency ON agency.id = noted.agency_id
""")


async def tell_low_ratings(session: AsyncSession, now: datetime) -> int:
    """Enqueue low ratings of the last 3 days that were stored since the last look; how many.

    Those of transactions that are open now are for the next look. 0 while somebody else looks.
    """
    if not await session.scalar(_ALONE):
        return 0
    until = await exports.next_updated_after(session)
    last = await session.get(OccurrenceLook, WebhookEvent.RATING_LOW)
    since = max(last.until, until - LOOKED_BACK) if last else until - LOOKED_BACK
    await session.merge(OccurrenceLook(event=WebhookEvent.RATING_LOW, until=until))
    wanted = select(col(Webhook.code)).where(
        col(Webhook.active), col(Webhook.events).contains([WebhookEvent.RATING_LOW.value])
    )
    if await session.scalar(wanted.limit(1)) is None:
        return 0
    found = 0
    async for part in _low_ratings(session, since, now - LOOKED_BACK):
        await webhooks.enqueue(session, now, *part)
        found += len(part)
    return found


async def _low_ratings(
    session: AsyncSession, since: datetime, recent: datetime
) -> AsyncIterator[Sequence[Event]]:
    """Low ratings that webhooks were not told of, given after `recent` and stored after `since`."""
    asked: dict[str, Any] = {"since": since, "recent": recent}
    codes = (await session.scalars(_SURVEYS, asked)).all()
    bad = [
        (form.id, question, option)
        for form in await surveys.with_forms(session, codes, "/survey")
        for question, option in dissatisfied(form.questionnaire)
    ]
    asked |= {
        "surveys": [survey for survey, _, _ in bad],
        "questions": [question for _, question, _ in bad],
        "options": [option for _, _, option in bad],
        "type": WebhookEvent.RATING_LOW.value,
    }
    low = await session.stream(_LOW, asked)
    async for part in low.partitions(MOST_TOGETHER):
        yield [
            rating_low(agency, rating, survey, local_day(at)) for agency, rating, survey, at in part
        ]


async def tell_overdue(session: AsyncSession, now: datetime) -> int:
    """Note dossiers that are overdue and enqueue them; how many, at most 1000 at once.

    Each is noted once per appointment, whether or not a webhook wants to know. 0 while somebody
    else looks.
    """
    if not await session.scalar(_ALONE):
        return 0
    noted = (await session.execute(_OVERDUE, {"now": now, "most": MOST_TOGETHER})).all()
    await webhooks.enqueue(session, now, *(dossier_overdue(*row) for row in noted))
    return len(noted)


async def forget(session: AsyncSession, now: datetime) -> None:
    """Delete notes of overdue dossiers that ended, or have another appointment, for 30 days."""
    await session.execute(_SETTLED, {"before": now - KEPT})
