"""Webhooks, what they are to be told, and what was looked for already."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.db.tables.columns import json, revision


def _webhook() -> Any:
    """The webhook that a row is of, and goes with."""
    gone = ForeignKey("webhook.code", ondelete="CASCADE")
    return Field(primary_key=True, sa_column_args=[gone])


class Webhook(SQLModel, table=True):
    """Where events are sent to, and whether they are.

    `failing_since` is the first failure since the last success, `failures` how many there were, and
    nothing is sent before `retry_at`. A paused one is not active, and `pause_reason` says why; an
    integrator who stops one gives none. `url_by` is the name of the key that gave `url`.
    """

    __table_args__ = (
        CheckConstraint("(paused_at IS NULL) = (pause_reason IS NULL)", name="paused"),
        CheckConstraint("paused_at IS NULL OR NOT active", name="active"),
    )

    code: str = Field(primary_key=True)
    url: str
    events: list[str] = Field(sa_type=ARRAY(Text))
    agencies: list[str] | None = Field(sa_type=ARRAY(Text), nullable=True)
    active: bool
    failing_since: datetime | None = None
    failures: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    retry_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    url_by: str = Field(default="", sa_column_kwargs={"server_default": ""})
    created_at: datetime
    revision: int = revision()


class WebhookSecret(SQLModel, table=True):
    """What a secret is made of, together with the reference key, which the database has not.

    One that has ended stays, so that its number and the `request` for it are not used again.
    """

    __tablename__: ClassVar[str] = "webhook_secret"
    __table_args__ = (UniqueConstraint("webhook", "request"),)

    webhook: str = _webhook()
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    salt: UUID
    request: UUID | None = None
    created_at: datetime
    ended_at: datetime | None = None


class Delivery(SQLModel, table=True):
    """An event on its way to a webhook: the row is the queue.

    One that is `sending` is somebody's until `next_at`; then it is taken to be lost and sent
    again. `tries` are the failed ones since `begun_at`, `attempts` the latest ones there were.
    `agencies` are those of the event: none of what is public, null of what is of the province.
    """

    __tablename__: ClassVar[str] = "webhook_delivery"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sending', 'delivered', 'given_up')", name="state"),
        CheckConstraint("(state IN ('waiting', 'sending')) = (next_at IS NOT NULL)", name="next"),
        Index(
            "webhook_delivery_next_idx",
            "webhook",
            "next_at",
            postgresql_where=text("next_at IS NOT NULL"),
        ),
        Index("webhook_delivery_created_idx", "webhook", "created_at", "id"),
    )

    webhook: str = _webhook()
    id: UUID = Field(primary_key=True)
    type: str
    agencies: list[str] | None = Field(sa_type=ARRAY(Text), nullable=True)
    body: str
    state: str = "waiting"
    created_at: datetime
    begun_at: datetime
    next_at: datetime | None
    tries: int = 0
    attempts: list[dict[str, Any]] = json()


class OverdueDossier(SQLModel, table=True):
    """A dossier that was found overdue by an appointment, so that it is told of once."""

    __tablename__: ClassVar[str] = "overdue_dossier"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id", "dossier"], ["dossier.agency_id", "dossier.code"]),
    )

    agency_id: int = Field(primary_key=True)
    dossier: str = Field(primary_key=True)
    due_at: datetime = Field(primary_key=True)
    noted_at: datetime


class OccurrenceLook(SQLModel, table=True):
    """Until when what is stored was looked through for an event, by the database's clock."""

    __tablename__: ClassVar[str] = "occurrence_look"

    event: str = Field(primary_key=True)
    until: datetime
