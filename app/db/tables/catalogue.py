"""The small tables. Rows are stored here, checked by constraints; rules are in `domain`.

They name an agency by its code, so a row can be read without a join.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.db.tables.columns import identity, json, revision


class Installation(SQLModel, table=True):
    """The one row that ties this database to the key its dossier references were made with."""

    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    reference_key_fingerprint: bytes = Field(sa_type=LargeBinary)


class ApiKey(SQLModel, table=True):
    """A key, of which only the SHA-256 hash is kept.

    A trigger tells all processes of every change but that of `last_used_at`.
    """

    __tablename__: ClassVar[str] = "api_key"
    # Devices and people who sign in are known by such names.
    __table_args__ = (CheckConstraint("name !~ '^(device|oidc):'", name="name"),)

    id: int | None = identity()
    name: str
    hash: bytes = Field(sa_type=LargeBinary, unique=True)
    scopes: list[str] = Field(sa_type=ARRAY(Text))
    agencies: list[str] | None = Field(sa_type=ARRAY(Text), nullable=True)
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Device(SQLModel, table=True):
    """A tablet at a counter, with its own key, of which only the SHA-256 hash is kept."""

    __table_args__ = (
        ForeignKeyConstraint(["agency", "counter"], ["counter.agency", "counter.code"]),
    )

    code: str = Field(primary_key=True)
    agency: str = Field(foreign_key="agency.code")
    counter: str
    hash: bytes = Field(sa_type=LargeBinary, unique=True)
    created_at: datetime
    revoked_at: datetime | None = None


class Agency(SQLModel, table=True):
    """A body that is rated and ranked, with the days on which it existed.

    Small tables name it by its code; `id` is for the large ones.
    """

    __table_args__ = (CheckConstraint("valid_to >= valid_from", name="validity"),)

    id: int | None = identity()
    code: str = Field(unique=True)
    name: dict[str, str] = json()
    kind: str
    parent: str | None = Field(foreign_key="agency.code", index=True)
    valid_from: date
    valid_to: date | None
    revision: int = revision()


class AgencySuccession(SQLModel, table=True):
    """Who took over an agency's work on a day, and which share of it."""

    __tablename__: ClassVar[str] = "agency_succession"
    __table_args__ = (CheckConstraint("share > 0 AND share <= 1", name="share"),)

    agency: str = Field(foreign_key="agency.code", primary_key=True)
    successor: str = Field(foreign_key="agency.code", primary_key=True, index=True)
    share: Decimal = Field(sa_type=Numeric)
    takes_effect_on: date


class PeerGroup(SQLModel, table=True):
    """A group of agencies that are ranked against each other."""

    __tablename__: ClassVar[str] = "peer_group"

    code: str = Field(primary_key=True)
    name: dict[str, str] = json()
    revision: int = revision()


class PeerGroupMember(SQLModel, table=True):
    """The days on which an agency belonged to a peer group."""

    __tablename__: ClassVar[str] = "peer_group_member"
    __table_args__ = (CheckConstraint("valid_to >= valid_from", name="validity"),)

    peer_group: str = Field(foreign_key="peer_group.code", primary_key=True)
    agency: str = Field(foreign_key="agency.code", primary_key=True, index=True)
    valid_from: date = Field(primary_key=True)
    valid_to: date | None


class Counter(SQLModel, table=True):
    """A desk of an agency at the one-stop centre."""

    agency: str = Field(foreign_key="agency.code", primary_key=True)
    code: str = Field(primary_key=True)
    name: dict[str, str] = json()
    revision: int = revision()


class Procedure(SQLModel, table=True):
    """A service that is applied for."""

    code: str = Field(primary_key=True)
    name: dict[str, str] = json()
    field: str
    working_days: int
    online: str
    revision: int = revision()


class Questionnaire(SQLModel, table=True):
    """One version of a form; its document never changes once a survey uses it."""

    code: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    document: dict[str, Any] = json()
    revision: int = revision()


class Survey(SQLModel, table=True):
    """A campaign or a standing collection with one questionnaire.

    It covers the agencies it names (survey_agency), or those of a peer group.
    """

    __table_args__ = (
        CheckConstraint("closes_on >= opens_on", name="days"),
        ForeignKeyConstraint(
            ["questionnaire", "version"], ["questionnaire.code", "questionnaire.version"]
        ),
    )

    id: int | None = identity()
    code: str = Field(unique=True)
    title: dict[str, str] = json()
    questionnaire: str
    version: int
    opens_on: date
    closes_on: date | None
    peer_group: str | None = Field(foreign_key="peer_group.code", index=True)
    rating_window_days: int
    invitation_days: int | None
    layout: list[int] = Field(sa_type=ARRAY(Integer))
    revision: int = revision()


class SurveyAgency(SQLModel, table=True):
    """An agency that a survey names."""

    __tablename__: ClassVar[str] = "survey_agency"

    survey: str = Field(foreign_key="survey.code", primary_key=True)
    agency: str = Field(foreign_key="agency.code", primary_key=True, index=True)


class Distribution(SQLModel, table=True):
    """Forms issued, returned and invalid, per channel."""

    __table_args__ = (
        CheckConstraint("invalid >= 0 AND invalid <= returned AND returned <= issued", name="sums"),
    )

    agency: str = Field(foreign_key="agency.code", primary_key=True)
    survey: str = Field(foreign_key="survey.code", primary_key=True, index=True)
    channel: str = Field(primary_key=True)
    issued: int
    returned: int
    invalid: int
    revision: int = revision()


class Target(SQLModel, table=True):
    """A value that an agency, or every agency of a peer group, is to reach in a period."""

    __table_args__ = (
        CheckConstraint("num_nonnulls(agency, peer_group) = 1", name="owner"),
        CheckConstraint("value >= 0 AND value <= 100", name="value"),
        UniqueConstraint(
            "agency",
            "peer_group",
            "first",
            "last",
            "criterion",
            name="target_owner_period_criterion_key",
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: int | None = identity()
    agency: str | None = Field(foreign_key="agency.code")
    peer_group: str | None = Field(foreign_key="peer_group.code", index=True)
    first: date
    last: date
    criterion: str
    value: Decimal = Field(sa_type=Numeric)
    revision: int = revision()


class PublishedIndex(SQLModel, table=True):
    """What a source published of an agency for a period, as printed."""

    __tablename__: ClassVar[str] = "published_index"

    agency: str = Field(foreign_key="agency.code", primary_key=True)
    source: str = Field(primary_key=True)
    first: date = Field(primary_key=True)
    last: date = Field(primary_key=True)
    title: dict[str, str] = json()
    peer_group: str | None = Field(foreign_key="peer_group.code")
    figures: list[dict[str, Any]] = json()
    revision: int = revision()


class SelfAssessment(SQLModel, table=True):
    """What an agency enters itself for the nine indices of TT 01/2018 in a period."""

    __tablename__: ClassVar[str] = "self_assessment"

    agency: str = Field(foreign_key="agency.code", primary_key=True)
    first: date = Field(primary_key=True)
    last: date = Field(primary_key=True)
    points: dict[str, int] = json()
    counts: dict[str, list[int]] = json()
    complaints: list[str] = Field(sa_type=ARRAY(Text))
    revision: int = revision()


class Edition(SQLModel, table=True):
    """Figures and rankings as they were frozen on one day, for good.

    `document` is canonical JSON; its digest is what readers check it by. A trigger keeps a
    published row as it is.
    """

    __table_args__ = (
        CheckConstraint("digest = sha256(document)", name="digest"),
        CheckConstraint("(supersedes IS NULL) = (reason IS NULL)", name="reason"),
        CheckConstraint("supersedes <> code", name="supersedes"),
        CheckConstraint("(published_at IS NULL) = (published_by IS NULL)", name="published"),
        # One edition has one successor; of several drafts only one is published.
        Index(
            "edition_successor_key",
            "supersedes",
            unique=True,
            postgresql_where=text("published_at IS NOT NULL"),
        ),
        Index("edition_published_idx", "published_at", "code"),
    )

    code: str = Field(primary_key=True)
    title: dict[str, str] = json()
    peer_group: str = Field(foreign_key="peer_group.code", index=True)
    first: date
    last: date
    request: bytes = Field(sa_type=LargeBinary)
    document: bytes = Field(sa_type=LargeBinary)
    digest: bytes = Field(sa_type=LargeBinary)
    supersedes: str | None = Field(default=None, foreign_key="edition.code")
    reason: str | None = None
    frozen_at: datetime
    frozen_by: str
    published_at: datetime | None = None
    published_by: str | None = None
