"""What happens without anybody saying so: low ratings, and dossiers whose appointment passes.

Both are found in the tables, so a rating costs nothing more than it did, and whatever way they came
in by nothing is missed.
"""

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import surveys, webhooks
from app.db.tables import Webhook
from app.domain.period import local_day
from app.domain.profiles import dissatisfied
from app.domain.webhook import GIVE_UP_AFTER, WebhookEvent, dossier_overdue, rating_low

MOST_TOGETHER = 1000

# As long as a delivery is tried: so long a worker may be away, and a rating on its way.
LOOKED_BACK = GIVE_UP_AFTER

_SURVEYS = text("""
    SELECT code FROM survey WHERE id IN (SELECT survey_id FROM rating WHERE updated_at > :since)
""")

# Read once, and not for each webhook and agency.
_LOW = text("""
WITH low AS MATERIALIZED (
    SELECT agency_id, survey_id, id, rated_at, received_at
      FROM rating
     WHERE updated_at > :since AND received_at > :since AND voided_at IS NULL
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
 LIMIT :most
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
    """Enqueue low ratings that webhooks were not told of; how many, at most 1000 at once."""
    wanted = select(col(Webhook.code)).where(
        col(Webhook.active), col(Webhook.events).contains([WebhookEvent.RATING_LOW.value])
    )
    if await session.scalar(wanted.limit(1)) is None:
        return 0
    since = now - LOOKED_BACK
    codes = (await session.scalars(_SURVEYS, {"since": since})).all()
    bad = [
        (form.id, question, option)
        for form in await surveys.with_forms(session, codes, "/survey")
        for question, option in dissatisfied(form.questionnaire)
    ]
    asked = {
        "surveys": [survey for survey, _, _ in bad],
        "questions": [question for _, question, _ in bad],
        "options": [option for _, _, option in bad],
        "type": WebhookEvent.RATING_LOW.value,
        "since": since,
        "most": MOST_TOGETHER,
    }
    low = (await session.execute(_LOW, asked)).all()
    found = [
        rating_low(agency, rating, survey, local_day(at)) for agency, rating, survey, at in low
    ]
    await webhooks.enqueue(session, now, *found)
    return len(found)


async def tell_overdue(session: AsyncSession, now: datetime) -> int:
    """Note dossiers that are overdue and enqueue them; how many, at most 1000 at once.

    Each is noted once per appointment, whether or not a webhook wants to know.
    """
    noted = (await session.execute(_OVERDUE, {"now": now, "most": MOST_TOGETHER})).all()
    await webhooks.enqueue(session, now, *(dossier_overdue(*row) for row in noted))
    return len(noted)
