"""The large tables. Every key among them begins with `agency_id`, the natural shard.

See docs/decisions/0002.
"""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.db.tables.columns import json, revision, updated_at, updates


class Dossier(SQLModel, table=True):
    """One application for one procedure. The applicant is not stored.

    `receipt_due_at` is the appointment as the receipt has it. `due_at` is the one in force, by
    which lateness is judged: it moves when a supplement restarts the time limit. `new_due_at` is
    the one new appointment that was made with an apology; it excuses nothing.
    """

    __table_args__ = (
        CheckConstraint("receipt_due_at >= received_at", name="receipt_due"),
        CheckConstraint("due_at >= received_at", name="due"),
        CheckConstraint("new_due_at > due_at", name="new_due"),
        CheckConstraint("status BETWEEN 1 AND 10", name="status"),
        CheckConstraint("due_at IS NOT NULL OR status IN (1, 3, 5, 7, 8)", name="promised"),
        CheckConstraint("(status = 10) = (returned_at IS NOT NULL)", name="returned"),
        # Only 8 is both: paused, which may go on, and stopped or closed for good.
        CheckConstraint(
            "status = 8 OR (status IN (3, 7, 10)) = (ended_at IS NOT NULL)", name="ended"
        ),
        Index("dossier_open_idx", "agency_id", "due_at", postgresql_where=text("ended_at IS NULL")),
        updates("dossier"),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    code: str = Field(primary_key=True)
    procedure: str = Field(foreign_key="procedure.code")
    counter: str | None
    channel: str
    officer: str | None
    applicant_kind: str
    received_at: datetime
    receipt_due_at: datetime | None
    due_at: datetime | None
    new_due_at: datetime | None = None
    status: int = Field(sa_type=SmallInteger)
    returned_at: datetime | None = None
    ended_at: datetime | None = None
    revision: int = revision()
    updated_at: datetime = updated_at()


class DossierEvent(SQLModel, table=True):
    """Something that happened to a dossier, in the order of recording.

    A wrong event stays, with the number of the correction that cancelled it.
    """

    __tablename__: ClassVar[str] = "dossier_event"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id", "dossier"], ["dossier.agency_id", "dossier.code"]),
        CheckConstraint("cancelled_by > number", name="cancelled_later"),
        CheckConstraint("(type = 'corrected') = (cancels IS NOT NULL)", name="cancels"),
        # Said again it is the same event.
        Index(
            "dossier_event_once_key",
            "agency_id",
            "dossier",
            "type",
            "at",
            unique=True,
            postgresql_where=text("cancelled_by IS NULL AND type <> 'corrected'"),
        ),
        Index(
            "dossier_event_request_key",
            "agency_id",
            "dossier",
            "request_key",
            unique=True,
            postgresql_where=text("request_key IS NOT NULL"),
        ),
    )

    agency_id: int = Field(primary_key=True)
    dossier: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    type: str
    at: datetime
    due_at: datetime | None = None
    new_due_at: datetime | None = None
    reason: str | None = None
    cancels: int | None = None
    cancelled_by: int | None = None
    request_key: str | None = None
    recorded_at: datetime


class Invitation(SQLModel, table=True):
    """The right to rate one dossier, as a token of which only the hash is kept.

    Whether it was used is not noted here: that would tie a rating to its dossier by the moment.
    """

    __table_args__ = (
        ForeignKeyConstraint(["agency_id", "dossier"], ["dossier.agency_id", "dossier.code"]),
        UniqueConstraint("agency_id", "token_hash"),
        Index(
            "invitation_live_key",
            "agency_id",
            "dossier",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    agency_id: int = Field(primary_key=True)
    dossier: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    token_hash: bytes = Field(sa_type=LargeBinary)
    survey_id: int = Field(foreign_key="survey.id")
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    opened: bool = False
    request_key: str | None = None


class Rating(SQLModel, table=True):
    """One person's answers, and nothing about the person.

    Its `basis` is the dossier that was rated or, with an invitation to a survey, the survey: then
    nothing is known of how the person was served, unless they named the counter.
    `answers[q]` is the place of the option ticked for question q of the survey's questionnaire, 0
    for none. `reference` is a keyed hash of what the right to rate was for: it finds a second
    rating, not the dossier. `digest` tells the same request from another under the same id.
    `funnel_month` and `funnel_counter` say where the dossier was returned, which is where its
    rating is counted in the funnel. A voided rating stays; `released` is one whose dossier may be
    rated again.
    """

    __table_args__ = (
        CheckConstraint("basis IN ('dossier', 'survey')", name="basis"),
        CheckConstraint(
            "num_nonnulls(service_channel, procedure, funnel_month)"
            " = CASE basis WHEN 'dossier' THEN 3 ELSE 0 END",
            name="served",
        ),
        CheckConstraint("(voided_at IS NULL) = (void_reason IS NULL)", name="voided"),
        CheckConstraint("voided_at IS NOT NULL OR NOT released", name="released"),
        Index(
            "rating_reference_key",
            "agency_id",
            "reference",
            unique=True,
            postgresql_where=text("NOT released"),
        ),
        updates("rating"),
        Index(
            "rating_device_seq_key",
            "agency_id",
            "device",
            "device_seq",
            unique=True,
            postgresql_where=text("device IS NOT NULL"),
        ),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: int = Field(foreign_key="survey.id")
    basis: str
    reference: bytes = Field(sa_type=LargeBinary)
    digest: bytes = Field(sa_type=LargeBinary)
    channel: str
    service_channel: str | None
    counter: str | None
    procedure: str | None
    officer: str | None
    answers: list[int] = Field(sa_type=ARRAY(SmallInteger))
    comment: str | None
    device: str | None
    device_seq: int | None = Field(sa_type=BigInteger)
    rated_at: datetime
    received_at: datetime
    funnel_month: date | None
    funnel_counter: str | None
    voided_at: datetime | None = None
    voided_by: str | None = None
    void_reason: str | None = None
    released: bool = False
    updated_at: datetime = updated_at()


class DeviceRefusal(SQLModel, table=True):
    """A number of a device that reached us with a rating we refused, so that it is no gap."""

    __tablename__: ClassVar[str] = "device_refusal"

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    device: str = Field(primary_key=True)
    device_seq: int = Field(sa_type=BigInteger, primary_key=True)
    code: str
    received_at: datetime


class TallySheet(SQLModel, table=True):
    """Counts per option typed in from paper, with the flaws that were accepted."""

    __tablename__: ClassVar[str] = "tally_sheet"
    __table_args__ = (UniqueConstraint("agency_id", "request_key"),)

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: int = Field(foreign_key="survey.id")
    request_key: str
    digest: bytes = Field(sa_type=LargeBinary)
    channel: str
    month: date
    sheet: dict[str, Any] = json()
    findings: list[dict[str, Any]] = json()
    received_at: datetime


class Tally(SQLModel, table=True):
    """How the forms of a month were answered, within a facet: all of it in one row.

    `counts[1]` is the number of forms, `counts[layout[q] + o]` of those that gave option o to
    question q; `layout` is the survey's. The view `tally_cell` has a row for each count instead.
    """

    __table_args__ = (
        CheckConstraint("0 <= ALL (counts)", name="counts"),
        CheckConstraint(
            "facet IN ('all', 'channel', 'counter', 'procedure', 'officer', 'basis')", name="facet"
        ),
        CheckConstraint("extract(day FROM month) = 1", name="month"),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    survey_id: int = Field(foreign_key="survey.id", primary_key=True)
    facet: str = Field(primary_key=True)
    month: date = Field(primary_key=True)
    facet_key: str = Field(primary_key=True)
    counts: list[int] = Field(sa_type=ARRAY(BigInteger))


class Funnel(SQLModel, table=True):
    """How many of a month's dossiers came how far.

    `received` counts under the month of reception, the others under the month of the return, so
    that a share (rated of returned) is of the same dossiers. A dossier without a counter has ''.
    """

    __table_args__ = (
        CheckConstraint("extract(day FROM month) = 1", name="month"),
        CheckConstraint(
            "least(received, returned, late, invited, opened, rated) >= 0", name="counts"
        ),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    month: date = Field(primary_key=True)
    counter: str = Field(primary_key=True)
    procedure: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    received: int = Field(sa_type=BigInteger)
    returned: int = Field(sa_type=BigInteger)
    late: int = Field(sa_type=BigInteger)
    invited: int = Field(sa_type=BigInteger)
    opened: int = Field(sa_type=BigInteger)
    rated: int = Field(sa_type=BigInteger)
