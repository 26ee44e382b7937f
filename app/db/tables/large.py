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
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.db.tables.columns import json, revision


class Dossier(SQLModel, table=True):
    """One application for one procedure. The applicant is not stored."""

    __table_args__ = (
        CheckConstraint("due_at >= received_at", name="due"),
        CheckConstraint("(status = 10) = (returned_at IS NOT NULL)", name="returned"),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    code: str = Field(primary_key=True)
    procedure: str = Field(foreign_key="procedure.code")
    counter: str | None
    channel: str
    officer: str | None
    applicant_kind: str
    received_at: datetime
    due_at: datetime
    status: int = Field(sa_type=SmallInteger)
    returned_at: datetime | None = None
    revision: int = revision()


class DossierEvent(SQLModel, table=True):
    """Something that happened to a dossier, in the order of recording."""

    __tablename__: ClassVar[str] = "dossier_event"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id", "dossier"], ["dossier.agency_id", "dossier.code"]),
    )

    agency_id: int = Field(primary_key=True)
    dossier: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    type: str
    at: datetime
    recorded_at: datetime


class Rating(SQLModel, table=True):
    """One person's answers, and nothing about the person.

    `answers[q]` is the place of the option ticked for question q of the survey's questionnaire, 0
    for none. `dossier_reference` is a keyed hash: it finds a second rating, not the dossier.
    """

    __table_args__ = (
        CheckConstraint("basis IN ('dossier')", name="basis"),
        Index("rating_dossier_reference_key", "agency_id", "dossier_reference", unique=True),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: int = Field(foreign_key="survey.id")
    basis: str
    dossier_reference: bytes = Field(sa_type=LargeBinary)
    channel: str
    service_channel: str
    counter: str | None
    procedure: str
    officer: str | None
    answers: list[int] = Field(sa_type=ARRAY(SmallInteger))
    comment: str | None
    device_seq: int | None = Field(sa_type=BigInteger)
    rated_at: datetime
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
    """How many forms of a month gave an option, within a facet.

    Question and option are places in the questionnaire, from 1; (0, 0) counts the forms.
    """

    __table_args__ = (
        CheckConstraint("n >= 0", name="n"),
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
    question: int = Field(sa_type=SmallInteger, primary_key=True)
    option: int = Field(sa_type=SmallInteger, primary_key=True)
    n: int = Field(sa_type=BigInteger)
