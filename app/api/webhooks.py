"""Webhooks: who is told of what, the secrets it is signed with, and what became of it."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from app.api.bodies import NamedOnce
from app.api.deps import (
    REPLAYS,
    Chosen,
    CodeCursor,
    ExpectedState,
    IdCursor,
    NewId,
    Now,
    Paging,
    ReferenceKey,
    RequestKey,
    Session,
    needs,
    stored,
    tag,
)
from app.api.errors import problems
from app.api.schemas import Code
from app.api.webhook_schemas import (
    AttemptOut,
    DeliveryOut,
    DeliveryPage,
    NewSecretOut,
    SecretOut,
    WebhookIn,
    WebhookOut,
    WebhookPage,
)
from app.db import deliveries, webhooks
from app.db.tables import Delivery, Webhook, WebhookSecret
from app.domain import webhook as rules
from app.domain.access import Caller
from app.domain.errors import (
    AgencyNotAllowedError,
    Fault,
    InvalidError,
    PreconditionFailedError,
    ScopeMissingError,
    UnknownReferenceError,
)
from app.domain.receiver import check_url
from app.domain.refusals import Refusals
from app.domain.webhook import (
    DeliveryNotFoundError,
    LastSecretError,
    TooManySecretsError,
    TooManyWebhooksError,
    WebhookInactiveError,
    WebhookNotFoundError,
    WebhookSecretEndedError,
    WebhookSecretNotFoundError,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=NamedOnce)

Reader = Annotated[Caller, Depends(needs("webhooks:read"))]
Writer = Annotated[Caller, Depends(needs("webhooks:write"))]


@router.put(
    "/{webhook}",
    operation_id="put_webhook",
    responses={
        201: {"model": WebhookOut, "description": "Created; shows its secret, this once"},
        **problems(
            TooManyWebhooksError, PreconditionFailedError, UnknownReferenceError, InvalidError
        ),
    },
)
async def put_webhook(
    webhook: Code,
    body: WebhookIn,
    response: Response,
    session: Session,
    caller: Writer,
    moment: Now,
    salt: NewId,
    secret: ReferenceKey,
    chosen: Chosen,
    state: ExpectedState,
) -> WebhookOut:
    """Create or change a webhook. Its first secret is shown once, when it is created.

    The key must be allowed to read what it subscribes to, and a key of some agencies names them.
    Events that the webhook does not want any more are not sent, nor sent again.
    """
    _check(body, caller, private=chosen.webhook_allow_private)
    held = await webhooks.find(session, webhook)
    if held is not None and not webhooks.is_of_only(held, caller.agencies):
        raise AgencyNotAllowedError  # names are shared, so that one is taken cannot be hidden
    values = {
        "url": body.url,
        "events": sorted({event.value for event in body.events}),
        "agencies": None if body.agencies is None else sorted(set(body.agencies)),
        "active": body.active,
        "url_by": caller.key,
    }
    row = await webhooks.put(session, webhook, values, moment, state)
    stored(response, row.revision)
    if row.revision > 1:
        return await _with_secrets(session, row)
    await webhooks.add_secret(session, webhook, salt, moment)
    shown = rules.shown(rules.secret(secret, salt))
    return (await _with_secrets(session, row)).model_copy(update={"secret": shown})


@router.get("/{webhook}", operation_id="get_webhook", responses=problems(WebhookNotFoundError))
async def get_webhook(
    webhook: Code, response: Response, session: Session, caller: Reader
) -> WebhookOut:
    """A webhook, and whether its receiver takes what is sent."""
    row = await webhooks.get(session, webhook, caller.agencies)
    tag(response, row.revision, "failing" if row.failing_since else "")
    return await _with_secrets(session, row)


@router.get("", operation_id="list_webhooks", responses=problems())
async def list_webhooks(
    session: Session,
    caller: Reader,
    paging: Paging,
    cursor: CodeCursor = None,
) -> WebhookPage:
    """Webhooks in the order of their ids; a key of some agencies sees those of only these."""
    rows = await webhooks.list_page(session, caller.agencies, cursor or "", paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    held = await webhooks.secrets(session, [row.code for row in page])
    items = [_out(row, held[row.code]) for row in page]
    return WebhookPage(items=items, next_cursor=following)


@router.delete(
    "/{webhook}",
    status_code=204,
    operation_id="delete_webhook",
    responses=problems(WebhookNotFoundError, PreconditionFailedError),
)
async def delete_webhook(
    webhook: Code, session: Session, caller: Writer, state: ExpectedState
) -> None:
    """Delete a webhook with its secrets and deliveries; nothing more is sent."""
    await webhooks.get(session, webhook, caller.agencies)
    await webhooks.remove(session, webhook, state)


@router.post(
    "/{webhook}/secrets",
    status_code=201,
    operation_id="add_webhook_secret",
    responses={
        201: REPLAYS,
        **problems(WebhookNotFoundError, TooManySecretsError, WebhookSecretEndedError),
    },
)
async def add_webhook_secret(
    webhook: Code,
    response: Response,
    session: Session,
    caller: Writer,
    moment: Now,
    salt: NewId,
    secret: ReferenceKey,
    request_key: RequestKey = None,
) -> NewSecretOut:
    """Add a second secret, shown this once. Until one is deleted events are signed with both."""
    await webhooks.get(session, webhook, caller.agencies)
    request = None if request_key is None else rules.request_of(webhook, caller.key, request_key)
    made, replayed = await webhooks.add_secret(session, webhook, salt, moment, request)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return NewSecretOut(
        number=made.number,
        created_at=made.created_at,
        secret=rules.shown(rules.secret(secret, made.salt)),
    )


@router.delete(
    "/{webhook}/secrets/{number}",
    status_code=204,
    operation_id="delete_webhook_secret",
    responses=problems(WebhookNotFoundError, WebhookSecretNotFoundError, LastSecretError),
)
async def delete_webhook_secret(
    webhook: Code,
    number: Annotated[int, Path(ge=1, le=2**31 - 1, description="As the secret was answered")],
    session: Session,
    caller: Writer,
    moment: Now,
) -> None:
    """End a secret; the last one stays. Its number is not used again."""
    await webhooks.get(session, webhook, caller.agencies)
    await webhooks.end_secret(session, webhook, number, moment)


@router.get(
    "/{webhook}/deliveries",
    operation_id="list_deliveries",
    responses=problems(WebhookNotFoundError, InvalidError),
)
async def list_deliveries(
    webhook: Code,
    session: Session,
    caller: Reader,
    paging: Paging,
    cursor: IdCursor = None,
) -> DeliveryPage:
    """What was sent to a webhook in the last 30 days and what came of it, the latest first."""
    hook = await webhooks.get(session, webhook, caller.agencies)
    rows = await deliveries.list_page(session, webhook, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.id)
    return DeliveryPage(items=[_delivery(row, hook) for row in page], next_cursor=following)


@router.post(
    "/{webhook}/deliveries/{delivery}/redeliver",
    status_code=202,
    operation_id="redeliver",
    responses=problems(WebhookNotFoundError, DeliveryNotFoundError, WebhookInactiveError),
)
async def redeliver(
    webhook: Code,
    delivery: Annotated[UUID, Path(description="The id of the event")],
    session: Session,
    caller: Writer,
    moment: Now,
) -> DeliveryOut:
    """Send an event again, whatever became of it, under the same `webhook-id`.

    The key must be allowed to read what the event tells. One that is being sent is sent again
    afterwards.
    """
    row = await webhooks.get(session, webhook, caller.agencies)
    if not row.active:
        raise WebhookInactiveError(Fault("/path/webhook", "webhook-inactive"))
    held = await deliveries.get(session, webhook, delivery)
    if scope := rules.SCOPES.get(rules.WebhookEvent(held.type)):
        caller.check_scope(scope)
    return _delivery(await deliveries.again(session, webhook, delivery, moment), row)


def _check(body: WebhookIn, caller: Caller, *, private: bool) -> None:
    """Nothing when the caller may have this sent there; else names all that is wrong."""
    refusals = Refusals()
    with refusals:
        check_url(body.url, private=private)
    with refusals:
        if faults := rules.faults_of_events(body.events, caller.scopes):
            raise ScopeMissingError(*faults)
    if body.agencies is None:
        with refusals:
            caller.check_unlimited()
    for place, agency in enumerate(body.agencies or []):
        with refusals:
            caller.check_agency(agency, f"/agencies/{place}")
    refusals.raise_all()


async def _with_secrets(session: Session, row: Webhook) -> WebhookOut:
    return _out(row, (await webhooks.secrets(session, [row.code]))[row.code])


def _out(row: Webhook, held: Sequence[WebhookSecret]) -> WebhookOut:
    return WebhookOut.model_validate(
        {
            **row.model_dump(),
            "id": row.code,
            "secrets": [SecretOut.model_validate(one) for one in held],
            "secret": None,
        }
    )


def _delivery(row: Delivery, hook: Webhook) -> DeliveryOut:
    waits = row.next_at if row.state == "waiting" else None
    return DeliveryOut.model_validate(
        {
            **row.model_dump(),
            "event": row.type,
            "next_attempt_at": waits and max(waits, hook.retry_at or waits),
            "attempts": [AttemptOut.model_validate(one) for one in row.attempts],
        }
    )
