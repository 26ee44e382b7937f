"""The invitations to a survey, which grow with its recipients: `agency_id` comes first again."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class SurveyInvitation(SQLModel, table=True):
    """The right of one recipient to answer a survey about an agency, once, as a token's hash.

    `recipient` is a keyed hash of the sender's reference. Whether the invitation was used is not
    noted here, nor when it was opened: that would tie a rating to its recipient by the moment.
    `request` and `digest` are of the request that issued it, if that had a name.
    """

    __tablename__: ClassVar[str] = "survey_invitation"
    __table_args__ = (
        UniqueConstraint("agency_id", "token_hash"),
        Index(
            "survey_invitation_live_key",
            "agency_id",
            "survey_id",
            "recipient",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index(
            "survey_invitation_request_key",
            "agency_id",
            "survey_id",
            "request",
            "recipient",
            unique=True,
            postgresql_where=text("request IS NOT NULL"),
        ),
    )

    agency_id: int = Field(foreign_key="agency.id", primary_key=True)
    survey_id: int = Field(foreign_key="survey.id", primary_key=True)
    recipient: bytes = Field(sa_type=LargeBinary, primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    token_hash: bytes = Field(sa_type=LargeBinary)
    channel: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    opened: bool = False
    request: bytes | None = Field(default=None, sa_type=LargeBinary)
    digest: bytes | None = Field(default=None, sa_type=LargeBinary)
