"""What webhooks are asked for and answered with."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.api.schemas import Code, In, Moment, Out, example
from app.domain.receiver import LONGEST_URL
from app.domain.webhook import PauseReason, WebhookEvent

MOST_AGENCIES = 20_000

WEBHOOK = {
    "url": "https://congdichvu.example.vn/hailong",
    "events": ["dossier.overdue", "edition.published"],
    "agencies": ["H32.15"],
    "active": True,
}
MADE = "2026-06-15T17:00:00+07:00"
HELD = {
    "id": "cong-dich-vu",
    **WEBHOOK,
    "failing_since": None,
    "paused_at": None,
    "pause_reason": None,
    "secrets": [{"number": 1, "created_at": MADE}],
    "secret": None,
}
SECRET = {
    "number": 2,
    "created_at": MADE,
    "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}
DELIVERY = {
    "id": "8f14e45f-ceea-467f-a0e6-1f9c3f6f3a57",
    "event": "dossier.overdue",
    "state": "waiting",
    "created_at": MADE,
    "next_attempt_at": "2026-06-15T17:00:06+07:00",
    "attempts": [{"at": MADE, "status": 502, "error": None, "milliseconds": 84}],
}


class WebhookIn(In):
    """Where events are to be sent to, which ones, and of which agencies."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(WEBHOOK))

    url: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=LONGEST_URL),
        Field(description="With https, in ASCII, without credentials, on the public internet"),
    ]
    events: Annotated[list[WebhookEvent], Field(min_length=1, max_length=len(WebhookEvent))]
    agencies: Annotated[
        list[Code] | None,
        Field(
            min_length=1,
            max_length=MOST_AGENCIES,
            description="Only events of these; null: of all. What is public is sent in any case",
        ),
    ] = None
    active: bool = Field(
        default=True,
        strict=True,
        description="Whether events are sent; true ends a pause. What happens meanwhile is not "
        "sent later",
    )


class SecretOut(Out):
    """A live secret, which is not shown again."""

    number: int = Field(description="1, 2, … by which it is deleted")
    created_at: Moment = Field(description="When it was made")


class NewSecretOut(SecretOut):
    """A new live secret, shown this once."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=example(SECRET))

    secret: str = Field(description="As Standard Webhooks writes it, for its libraries")


class WebhookOut(Out):
    """A webhook, and how it fares."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=example(HELD))

    id: str = Field(description="As in its path")
    url: str = Field(description="Where events are sent to")
    events: list[WebhookEvent]
    agencies: list[str] | None = Field(
        description="Codes of the agencies whose events are sent; null: of all"
    )
    active: bool = Field(description="Whether events are sent")
    failing_since: Moment | None = Field(
        description="The first failure since the last success; null: none"
    )
    paused_at: Moment | None = Field(description="When it was paused; null: it is not")
    pause_reason: PauseReason | None = Field(
        description="`gone`: the receiver answered 410; `failing`: for 3 days nothing but "
        "failures; null: it is not paused"
    )
    secrets: list[SecretOut] = Field(description="Each event is signed with every live secret")
    secret: str | None = Field(
        description="The first secret, shown once: when it is created; null: ever after"
    )


class WebhookPage(Out):
    """Webhooks in the order of their ids."""

    model_config = ConfigDict(json_schema_extra=example({"items": [HELD], "next_cursor": None}))

    items: list[WebhookOut]
    next_cursor: str | None


class AttemptOut(Out):
    """What came of sending once."""

    at: Moment = Field(description="When it was sent")
    status: int | None = Field(
        description="HTTP status that the receiver answered; null: there was no answer"
    )
    error: (
        Literal[
            "timeout",
            "name-not-found",
            "no-connection",
            "address-not-allowed",
            "broken-answer",
        ]
        | None
    ) = Field(description="Why there was no answer; null: there was one")
    milliseconds: int = Field(description="Until the answer, or until it was given up")


class DeliveryOut(Out):
    """An event on its way to a webhook, or what became of it."""

    model_config = ConfigDict(json_schema_extra=example(DELIVERY))

    id: UUID = Field(description="The event's, sent as `webhook-id` at every attempt")
    event: WebhookEvent = Field(description="Type of the event")
    state: Literal["waiting", "sending", "delivered", "given_up"] = Field(
        description="`waiting` for the next attempt, `sending`, `delivered`, or after the last "
        "`given_up`"
    )
    created_at: Moment = Field(description="When the event was queued")
    next_attempt_at: Moment | None = Field(
        description="While it waits; null: it is being sent, or needs no more attempt"
    )
    attempts: list[AttemptOut] = Field(description="The latest 30, the oldest first")


class DeliveryPage(Out):
    """Deliveries, the latest first."""

    model_config = ConfigDict(json_schema_extra=example({"items": [DELIVERY], "next_cursor": None}))

    items: list[DeliveryOut]
    next_cursor: UUID | None
