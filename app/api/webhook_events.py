"""What webhooks are sent: the events, as the contract shows them to receivers."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Header
from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import PeriodOut, example

events = APIRouter(tags=["webhooks"])

BODY = Body(media_type="application/cloudevents+json")

ID = Annotated[
    str, Header(alias="webhook-id", description="Names the event: the same at every attempt")
]
Timestamp = Annotated[
    int, Header(alias="webhook-timestamp", description="Seconds since 1970, at this attempt")
]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and an HMAC-SHA256 in base64 for each live secret, parted by spaces",
    ),
]

SENT: dict[str, Any] = {
    "status_code": 204,
    "response_description": "Taken: it is not sent again. Any other 2xx says the same",
    "responses": {
        410: {"description": "Nothing more is wanted: the webhook is paused"},
        "default": {"description": "Not taken: it is sent again, for 3 days"},
    },
}

COMMON = {
    "specversion": "1.0",
    "id": "8f14e45f-ceea-467f-a0e6-1f9c3f6f3a57",
    "source": "/v1",
    "datacontenttype": "application/json",
}


class CloudEvent(BaseModel):
    """An event as CloudEvents 1.0 writes it."""

    specversion: Literal["1.0"] = Field(description="Version of CloudEvents")
    id: UUID = Field(
        description="The same at every attempt, and in `webhook-id`: what came before is known by "
        "it"
    )
    source: str = Field(description="The service")
    subject: str = Field(description="Path of what it is about")
    datacontenttype: Literal["application/json"] = Field(description="Media type of `data`")


class PublishedData(BaseModel):
    """The edition that was published."""

    edition: str
    peer_group: str
    period: PeriodOut
    supersedes: str | None


class EditionPublished(CloudEvent):
    """An edition was published."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                **COMMON,
                "type": "edition.published",
                "subject": "/v1/editions/so-ban-nganh-2026-q1",
                "time": "2026-04-05T08:00:00+07:00",
                "data": {
                    "edition": "so-ban-nganh-2026-q1",
                    "peer_group": "so-ban-nganh",
                    "period": {"first": "2026-01-01", "last": "2026-03-31"},
                    "supersedes": None,
                },
            }
        )
    )

    type: Literal["edition.published"]
    time: datetime
    data: PublishedData


class FinishedData(BaseModel):
    """The operation that ended, and what became of its rows."""

    operation: UUID = Field(description="Id of the operation")
    kind: str
    state: Literal["done", "failed"] = Field(
        description="`done`, or `failed`: then what was accepted stays"
    )
    dry_run: bool
    read: int
    accepted: int
    replayed: int
    rejected: int


class OperationFinished(CloudEvent):
    """An operation ended, well or not."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                **COMMON,
                "type": "operation.finished",
                "subject": "/v1/operations/01896777-46f0-4c3e-9f0a-1f6f5b0a4c11",
                "time": "2026-06-15T17:00:00+07:00",
                "data": {
                    "operation": "01896777-46f0-4c3e-9f0a-1f6f5b0a4c11",
                    "kind": "ratings",
                    "state": "done",
                    "dry_run": False,
                    "read": 1000,
                    "accepted": 998,
                    "replayed": 0,
                    "rejected": 2,
                },
            }
        )
    )

    type: Literal["operation.finished"]
    time: datetime
    data: FinishedData


class LowData(BaseModel):
    """The rating, which can be read among its agency's."""

    agency: str
    survey: str
    rating: UUID = Field(description="Id of the rating")
    rated_on: date


class RatingLow(CloudEvent):
    """Somebody was not satisfied. It has no `time`: its moment could give the person away."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                **COMMON,
                "type": "rating.low",
                "subject": "/v1/agencies/H32.15/ratings/8f14e45f-ceea-467f-a0e6-1f9c3f6f3a57",
                "data": {
                    "agency": "H32.15",
                    "survey": "tthc-2026",
                    "rating": "8f14e45f-ceea-467f-a0e6-1f9c3f6f3a57",
                    "rated_on": "2026-06-15",
                },
            }
        )
    )

    type: Literal["rating.low"]
    data: LowData


class OverdueData(BaseModel):
    """The dossier, and the appointment that has passed."""

    agency: str
    dossier: str = Field(description="Code of the dossier")
    due_at: datetime = Field(description="The appointment that has passed")


class DossierOverdue(CloudEvent):
    """The appointment of an open dossier has passed."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                **COMMON,
                "type": "dossier.overdue",
                "subject": "/v1/agencies/H32.15/dossiers/000.00.15.H32-260601-0001",
                "time": "2026-06-12T17:00:00+07:00",
                "data": {
                    "agency": "H32.15",
                    "dossier": "000.00.15.H32-260601-0001",
                    "due_at": "2026-06-12T17:00:00+07:00",
                },
            }
        )
    )

    type: Literal["dossier.overdue"]
    time: datetime = Field(description="The appointment")
    data: OverdueData


@events.post("edition.published", operation_id="on_edition_published", **SENT)
async def on_edition_published(
    body: Annotated[EditionPublished, BODY], webhook_id: ID, at: Timestamp, signature: Signature
) -> None:
    """An edition was published. Everybody may know, whatever agencies the webhook names."""


@events.post("operation.finished", operation_id="on_operation_finished", **SENT)
async def on_operation_finished(
    body: Annotated[OperationFinished, BODY], webhook_id: ID, at: Timestamp, signature: Signature
) -> None:
    """An operation ended, well or not."""


@events.post("rating.low", operation_id="on_rating_low", **SENT)
async def on_rating_low(
    body: Annotated[RatingLow, BODY], webhook_id: ID, at: Timestamp, signature: Signature
) -> None:
    """Somebody was not satisfied: on the overall question, or on any question if there is none."""


@events.post("dossier.overdue", operation_id="on_dossier_overdue", **SENT)
async def on_dossier_overdue(
    body: Annotated[DossierOverdue, BODY], webhook_id: ID, at: Timestamp, signature: Signature
) -> None:
    """The appointment of an open dossier has passed; told once for each appointment."""
