"""Webhooks: where events are sent to, the secrets they are signed with, and what is to be told."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, delete, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies as agency_rows
from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Webhook, WebhookSecret
from app.domain.errors import Fault
from app.domain.webhook import (
    MOST_SECRETS,
    MOST_WEBHOOKS,
    Event,
    LastSecretError,
    TooManySecretsError,
    TooManyWebhooksError,
    WebhookNotFoundError,
    WebhookSecretEndedError,
    WebhookSecretNotFoundError,
)

# Who covers all agencies is told of everything; others of what they cover, and of what is public.
# The lock waits for who puts a webhook meanwhile, and looks again at what it wants then.
_ENQUEUE = text("""
INSERT INTO webhook_delivery (
       webhook, id, type, agencies, body, state, created_at, begun_at, next_at, tries, attempts)
SELECT webhook.code, event.id, event.type,
       CASE WHEN event.agencies <> 'null' THEN
            ARRAY(SELECT jsonb_array_elements_text(event.agencies)) END,
       event.body, 'waiting', :now, :now, :now, 0, '[]'
  FROM jsonb_to_recordset(CAST(:events AS jsonb))
       AS event (id uuid, type text, body text, agencies jsonb)
  JOIN webhook ON webhook.active AND event.type = ANY(webhook.events)
              AND (webhook.agencies IS NULL OR to_jsonb(webhook.agencies) @> event.agencies)
   FOR KEY SHARE OF webhook
ON CONFLICT DO NOTHING
""")

# So nothing is sent, or sent again, to where a webhook leads now that it is not meant for.
_DROP_UNWANTED = text("""
DELETE FROM webhook_delivery AS delivery USING webhook
 WHERE webhook.code = :code AND delivery.webhook = webhook.code
   AND (delivery.type = ANY(webhook.events)
        AND (webhook.agencies IS NULL OR webhook.agencies @> delivery.agencies)) IS NOT TRUE
""")


async def enqueue(session: AsyncSession, now: datetime, *events: Event) -> None:
    """Have the events sent to every active webhook that wants them, once this is committed.

    An event that was enqueued before is not sent again.
    """
    said = [
        {
            "id": str(event.id),
            "type": event.type.value,
            "body": event.body,
            "agencies": None if event.agencies is None else sorted(event.agencies),
        }
        for event in events
    ]
    await session.execute(_ENQUEUE, {"events": json.dumps(said), "now": now})


async def find(session: AsyncSession, code: str) -> Webhook | None:
    """The webhook, or None; others that would write it wait until the transaction ends."""
    await catalogue.alone(session, Webhook, code)
    return await session.get(Webhook, code)


async def get(session: AsyncSession, code: str, within: Collection[str] | None) -> Webhook:
    """The webhook; WebhookNotFoundError also of one that is not of only these agencies."""
    found = await session.get(Webhook, code)
    if found is None or not is_of_only(found, within):
        raise WebhookNotFoundError(Fault("/path/webhook", "webhook-not-found", {"code": code}))
    return found


def is_of_only(row: Webhook, within: Collection[str] | None) -> bool:
    """Whether all its agencies are among these (None: whatever they are)."""
    return within is None or (row.agencies is not None and set(row.agencies) <= set(within))


async def put(
    session: AsyncSession, code: str, values: Mapping[str, Any], now: datetime, expected: Expected
) -> Webhook:
    """Store the webhook and return it; one that was paused has a new start if it is active now.

    Deliveries that it does not want any more are dropped. Raises PreconditionFailedError,
    UnknownReferenceError of agencies that do not exist, or TooManyWebhooksError.
    """
    named = values["agencies"] or []
    await agency_rows.check_known(
        session, {f"/agencies/{place}": agency for place, agency in enumerate(named)}
    )
    paused = {"paused_at": None, "pause_reason": None}
    state = {"failing_since": None, "failures": 0, "retry_at": None, **paused, "created_at": now}
    # Who enqueues is waited for: what is stored by then is looked at below.
    held = await session.get(Webhook, code, with_for_update=True, populate_existing=True)
    if held is not None:
        state |= held.model_dump(include={"created_at"} if values["active"] else set(state))
    stored = {**state, **values}
    if held is not None and held.url == values["url"]:
        stored["url_by"] = held.url_by
    else:
        await _check_room(session, code, values["url_by"])
    row = await catalogue.put(session, Webhook, {"code": code}, stored, expected)
    await session.execute(_DROP_UNWANTED, {"code": code})
    return row


async def _check_room(session: AsyncSession, code: str, name: str) -> None:
    """Nothing, or TooManyWebhooksError when keys of this name have as many others as they may."""
    await catalogue.alone(session, Webhook, "url by", name)
    others = [other for other in await led_by(session, name) if other != code]
    if len(others) >= MOST_WEBHOOKS:
        raise TooManyWebhooksError(Fault("/path/webhook", "too-many-webhooks"))


async def led_by(session: AsyncSession, name: str) -> Sequence[str]:
    """The webhooks that lead to where keys of this name said, in the order of their codes."""
    stmt = select(col(Webhook.code)).where(col(Webhook.url_by) == name)
    return (await session.scalars(stmt.order_by(col(Webhook.code)))).all()


async def remove(session: AsyncSession, code: str, expected: Expected) -> None:
    """Delete the webhook with its secrets and deliveries; raises PreconditionFailedError."""
    held = await session.get(Webhook, code, with_for_update=True, populate_existing=True)
    if held is not None:
        catalogue.check(held.revision, expected)
        await session.execute(delete(Webhook).where(col(Webhook.code) == code))


async def list_page(
    session: AsyncSession, within: Collection[str] | None, after: str, limit: int
) -> Sequence[Webhook]:
    """Up to `limit` webhooks after the code; if agencies are named, those of only these."""
    stmt = select(Webhook).where(col(Webhook.code) > after)
    if within is not None:
        stmt = stmt.where(col(Webhook.agencies).op("<@")(cast(list(within), ARRAY(Text))))
    return (await session.scalars(stmt.order_by(col(Webhook.code)).limit(limit))).all()


async def secrets(
    session: AsyncSession, codes: Collection[str]
) -> Mapping[str, Sequence[WebhookSecret]]:
    """The live secrets of each of the webhooks, the oldest first."""
    stmt = select(WebhookSecret).where(col(WebhookSecret.webhook).in_(codes))
    stmt = stmt.where(col(WebhookSecret.ended_at).is_(None)).order_by(col(WebhookSecret.number))
    found: dict[str, list[WebhookSecret]] = {code: [] for code in codes}
    for one in await session.scalars(stmt):
        found[one.webhook].append(one)
    return found


async def add_secret(
    session: AsyncSession, code: str, salt: UUID, now: datetime, request: UUID | None = None
) -> tuple[WebhookSecret, bool]:
    """Store another live secret; return it, or the one of this request and that it was there.

    Raises WebhookSecretEndedError, or TooManySecretsError.
    """
    given = await _secrets_given(session, code)
    same = next((one for one in given if request is not None and one.request == request), None)
    if same is not None and same.ended_at is not None:
        fault = {"number": same.number}
        raise WebhookSecretEndedError(Fault("/path/webhook", "webhook-secret-ended", fault))
    if same is not None:
        return same, True
    if len([one for one in given if one.ended_at is None]) >= MOST_SECRETS:
        raise TooManySecretsError(Fault("/path/webhook", "too-many-secrets"))
    made = WebhookSecret(webhook=code, number=1, salt=salt, request=request, created_at=now)
    if given:
        made.number = given[-1].number + 1
        await _count_change(session, code)
    session.add(made)
    await session.flush()
    return made, False


async def end_secret(session: AsyncSession, code: str, number: int, now: datetime) -> None:
    """End a secret; raises WebhookSecretNotFoundError, or LastSecretError."""
    live = [one for one in await _secrets_given(session, code) if one.ended_at is None]
    ended = next((one for one in live if one.number == number), None)
    if ended is None:
        raise WebhookSecretNotFoundError(
            Fault("/path/number", "webhook-secret-not-found", {"number": number})
        )
    if len(live) == 1:
        raise LastSecretError(Fault("/path/number", "last-secret"))
    ended.ended_at = now
    await _count_change(session, code)


async def _secrets_given(session: AsyncSession, code: str) -> Sequence[WebhookSecret]:
    """All secrets that the webhook ever had, the oldest first; nobody else changes them now."""
    await catalogue.alone(session, Webhook, code)
    stmt = select(WebhookSecret).where(col(WebhookSecret.webhook) == code)
    return (await session.scalars(stmt.order_by(col(WebhookSecret.number)))).all()


async def _count_change(session: AsyncSession, code: str) -> None:
    """Note that the webhook is not what it was."""
    changed = update(Webhook).where(col(Webhook.code) == code)
    await session.execute(changed.values(revision=col(Webhook.revision) + 1))
