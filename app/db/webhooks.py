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
    Event,
    LastSecretError,
    TooManySecretsError,
    WebhookNotFoundError,
    WebhookSecretNotFoundError,
)

# Who covers all agencies is told of everything; others of what they cover, and of what is public.
_ENQUEUE = text("""
INSERT INTO webhook_delivery (
       webhook, id, type, body, state, created_at, begun_at, next_at, tries, attempts)
SELECT webhook.code, event.id, event.type, event.body, 'waiting', :now, :now, :now, 0, '[]'
  FROM jsonb_to_recordset(CAST(:events AS jsonb))
       AS event (id uuid, type text, body text, agencies jsonb)
  JOIN webhook ON webhook.active AND event.type = ANY(webhook.events)
              AND (webhook.agencies IS NULL OR to_jsonb(webhook.agencies) @> event.agencies)
ON CONFLICT DO NOTHING
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


async def get(session: AsyncSession, code: str) -> Webhook:
    """The webhook; raises WebhookNotFoundError."""
    found = await session.get(Webhook, code)
    if found is None:
        raise WebhookNotFoundError(Fault("/path/webhook", "webhook-not-found", {"code": code}))
    return found


async def put(
    session: AsyncSession, code: str, values: Mapping[str, Any], now: datetime, expected: Expected
) -> Webhook:
    """Store the webhook and return it; one that was paused has a new start if it is active now.

    Raises PreconditionFailedError, or UnknownReferenceError of agencies that do not exist.
    """
    named = values["agencies"] or []
    await agency_rows.check_known(
        session, {f"/agencies/{place}": agency for place, agency in enumerate(named)}
    )
    state = {"failing_since": None, "paused_at": None, "pause_reason": None, "created_at": now}
    if (held := await session.get(Webhook, code)) is not None:
        state |= held.model_dump(include={"created_at"} if values["active"] else set(state))
    return await catalogue.put(session, Webhook, {"code": code}, {**state, **values}, expected)


async def remove(session: AsyncSession, code: str) -> None:
    """Delete the webhook with its secrets and deliveries."""
    await session.execute(delete(Webhook).where(col(Webhook.code) == code))


async def list_page(
    session: AsyncSession, within: Collection[str] | None, after: str, limit: int
) -> Sequence[Webhook]:
    """Up to `limit` webhooks after the code; if agencies are named, those of only these."""
    stmt = select(Webhook).where(col(Webhook.code) > after)
    if within is not None:
        stmt = stmt.where(col(Webhook.agencies).op("<@")(cast(list(within), ARRAY(Text))))
    return (await session.scalars(stmt.order_by(col(Webhook.code)).limit(limit))).all()


async def secrets(session: AsyncSession, code: str) -> Sequence[WebhookSecret]:
    """The live secrets of the webhook, the oldest first."""
    stmt = select(WebhookSecret).where(col(WebhookSecret.webhook) == code)
    return (await session.scalars(stmt.order_by(col(WebhookSecret.number)))).all()


async def add_secret(
    session: AsyncSession, code: str, salt: UUID, now: datetime
) -> tuple[WebhookSecret, bool]:
    """Store another live secret; return it, and whether it was there already.

    Raises TooManySecretsError.
    """
    held = await _secrets_to_change(session, code)
    if (same := next((one for one in held if one.salt == salt), None)) is not None:
        return same, True
    if len(held) >= MOST_SECRETS:
        raise TooManySecretsError(Fault("/path/webhook", "too-many-secrets"))
    number = max((one.number for one in held), default=0) + 1
    made = WebhookSecret(webhook=code, number=number, salt=salt, created_at=now)
    session.add(made)
    await session.flush()
    return made, False


async def remove_secret(session: AsyncSession, code: str, number: int) -> None:
    """End a secret; raises WebhookSecretNotFoundError, or LastSecretError."""
    held = await _secrets_to_change(session, code)
    ended = next((one for one in held if one.number == number), None)
    if ended is None:
        raise WebhookSecretNotFoundError(
            Fault("/path/number", "webhook-secret-not-found", {"number": number})
        )
    if len(held) == 1:
        raise LastSecretError(Fault("/path/number", "last-secret"))
    await session.delete(ended)
    await session.flush()


async def _secrets_to_change(session: AsyncSession, code: str) -> Sequence[WebhookSecret]:
    """The live secrets, locked; the webhook is not what it was."""
    await catalogue.alone(session, Webhook, code)
    held = await secrets(session, code)
    if held:
        changed = update(Webhook).where(col(Webhook.code) == code)
        await session.execute(changed.values(revision=col(Webhook.revision) + 1))
    return held
