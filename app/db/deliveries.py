"""Deliveries: taken by one worker at a time, sent without a transaction, and settled.

The row is the queue. Who takes one writes into it until when it is his; a worker that dies leaves
it to the next.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, delete, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db.tables import Delivery, Webhook
from app.domain import webhook as rules
from app.domain.errors import Fault, InvalidError
from app.domain.webhook import Attempt, DeliveryNotFoundError

LEASE = timedelta(seconds=30)
KEPT = timedelta(days=30)
MOST_ATTEMPTS_SHOWN = 30

# One of each webhook, so that none waits for another's receiver, and those that do not fail before
# those that do, which may take up all the time there is. A webhook that fails has its next
# try with this one, and no other worker's; it would wait again after that if this worker were lost.
_CLAIM = text("""
WITH due AS (
    SELECT webhook.code, webhook.url, webhook.retry_at, picked.id
      FROM webhook
     CROSS JOIN LATERAL (
           SELECT delivery.id, delivery.next_at
             FROM webhook_delivery AS delivery
            WHERE delivery.webhook = webhook.code AND delivery.next_at <= :now
            ORDER BY delivery.next_at
            LIMIT 1
              FOR UPDATE SKIP LOCKED) AS picked
     WHERE webhook.active AND webhook.code <> ALL(CAST(:busy AS text[]))
       AND (webhook.retry_at IS NULL OR webhook.retry_at <= :now)
     ORDER BY webhook.retry_at IS NOT NULL, picked.next_at
     LIMIT :most
       FOR NO KEY UPDATE OF webhook SKIP LOCKED
), tried AS (
    UPDATE webhook SET retry_at = :until
      FROM due WHERE webhook.code = due.code AND due.retry_at IS NOT NULL
)
UPDATE webhook_delivery AS delivery
   SET state = 'sending', next_at = :until
  FROM due
 WHERE (delivery.webhook, delivery.id) = (due.code, due.id)
RETURNING delivery.webhook, delivery.id, delivery.body, delivery.begun_at, delivery.next_at,
          due.url,
          ARRAY(SELECT salt FROM webhook_secret AS secret
                 WHERE secret.webhook = delivery.webhook AND secret.ended_at IS NULL
                 ORDER BY number) AS salts
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is the caller's until then, and what it takes to send it."""

    webhook: str
    id: UUID
    body: str
    begun_at: datetime
    until: datetime
    url: str
    salts: Sequence[UUID]


async def claim(
    session: AsyncSession, now: datetime, busy: Collection[str], most: int
) -> list[Claimed]:
    """Take up to `most` deliveries that are due, one each of webhooks neither busy nor at rest."""
    said = {"now": now, "until": now + LEASE, "busy": list(busy), "most": most}
    return [Claimed(*row) for row in await session.execute(_CLAIM, said)]


async def settle(session: AsyncSession, mine: Claimed, last: Attempt, chance: float) -> None:
    """Note what came of an attempt; nothing when the delivery is no longer the caller's.

    One that was asked for again meanwhile begins anew.
    """
    # Who enqueues meanwhile relies on the webhook being there, and need not wait.
    hook = await session.get(Webhook, mine.webhook, with_for_update={"key_share": True})
    delivery = await session.get(Delivery, (mine.webhook, mine.id), with_for_update=True)
    if hook is None or delivery is None or delivery.next_at != mine.until:
        return
    _note(hook, delivery, last, chance)
    if delivery.begun_at != mine.begun_at:
        await session.flush()
        await again(session, mine.webhook, mine.id, delivery.begun_at)


def _note(hook: Webhook, delivery: Delivery, last: Attempt, chance: float) -> None:
    delivery.attempts = [*delivery.attempts, _shown(last)][-MOST_ATTEMPTS_SHOWN:]
    if last.delivered:
        delivery.state, delivery.next_at = "delivered", None
        hook.failing_since, hook.failures, hook.retry_at = None, 0, None
        return
    delivery.tries += 1
    again = rules.next_attempt(delivery.begun_at, delivery.tries, last, chance)
    delivery.state, delivery.next_at = "waiting" if again else "given_up", again
    hook.failing_since, hook.failures = hook.failing_since or last.at, hook.failures + 1
    hook.retry_at = rules.next_attempt(hook.failing_since, hook.failures, last, chance)
    reason = rules.pause(last, hook.failing_since)
    if reason is not None and hook.active:
        hook.active, hook.paused_at, hook.pause_reason = False, last.at, reason.value
        hook.revision += 1


def _shown(last: Attempt) -> dict[str, object]:
    return {
        "at": last.at.isoformat(),
        "status": last.status,
        "error": last.error,
        "milliseconds": last.milliseconds,
    }


async def list_page(
    session: AsyncSession, webhook: str, after: UUID | None, limit: int
) -> Sequence[Delivery]:
    """Up to `limit` deliveries of the webhook, the latest first, that come after the one named.

    Raises InvalidError when there is none of that id.
    """
    order = (col(Delivery.created_at), col(Delivery.id))
    stmt = select(Delivery).where(col(Delivery.webhook) == webhook)
    if after is not None:
        place = await session.get(Delivery, (webhook, after))
        if place is None:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        stmt = stmt.where(tuple_(*order) < tuple_(place.created_at, place.id))
    stmt = stmt.order_by(order[0].desc(), order[1].desc()).limit(limit)
    return (await session.scalars(stmt)).all()


async def get(session: AsyncSession, webhook: str, number: UUID) -> Delivery:
    """The delivery; raises DeliveryNotFoundError."""
    found = await session.get(Delivery, (webhook, number), populate_existing=True)
    if found is None:
        raise DeliveryNotFoundError(Fault("/path/delivery", "delivery-not-found"))
    return found


async def again(session: AsyncSession, webhook: str, number: UUID, now: datetime) -> Delivery:
    """The delivery, which begins anew, once it is settled if it is being sent.

    It is sent at once, before all that waits, even if the webhook is at rest because it fails.
    Raises DeliveryNotFoundError.
    """
    # Before the delivery, as everybody locks them who needs both.
    hook = await session.get(Webhook, webhook, with_for_update={"key_share": True})
    own = col(Delivery.webhook) == webhook
    first = select(func.min(Delivery.next_at) - timedelta(microseconds=1)).where(
        own, col(Delivery.state) == "waiting"
    )
    sending = (col(Delivery.state) == "sending") & (col(Delivery.next_at) > now)
    at = func.least(now, first.scalar_subquery())
    anew = {
        "state": case((sending, "sending"), else_="waiting"),
        "next_at": case((sending, col(Delivery.next_at)), else_=at),
        "begun_at": now,
        "tries": 0,
    }
    renewed = update(Delivery).where(own, col(Delivery.id) == number).values(anew)
    state = await session.scalar(renewed.returning(col(Delivery.state)))
    if hook is not None and hook.retry_at is not None and state == "waiting":
        hook.retry_at = min(hook.retry_at, now)
    return await get(session, webhook, number)


async def forget(session: AsyncSession, now: datetime) -> None:
    """Delete what was settled and is older than 30 days."""
    old = delete(Delivery).where(
        col(Delivery.created_at) < now - KEPT, col(Delivery.next_at).is_(None)
    )
    await session.execute(old)
