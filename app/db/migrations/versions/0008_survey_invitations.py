"""Invitations to a survey, and ratings that rest on them."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "survey_invitation",
        sa.Column("agency_id", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("issued_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("expires_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("revoked_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("opened", sa.Boolean(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agency.id"], name=op.f("survey_invitation_agency_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["survey.id"], name=op.f("survey_invitation_survey_id_fkey")
        ),
        sa.PrimaryKeyConstraint(
            "agency_id", "survey_id", "recipient", "number", name=op.f("survey_invitation_pkey")
        ),
        sa.UniqueConstraint(
            "agency_id", "token_hash", name=op.f("survey_invitation_agency_id_token_hash_key")
        ),
    )
    op.create_index(
        "survey_invitation_live_key",
        "survey_invitation",
        ["agency_id", "survey_id", "recipient"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index(
        "survey_invitation_request_key",
        "survey_invitation",
        ["agency_id", "survey_id", "request", "recipient"],
        unique=True,
        postgresql_where=sa.text("request IS NOT NULL"),
    )
    for column in ("service_channel", "procedure", "funnel_month"):
        op.alter_column("rating", column, nullable=True)
    op.drop_constraint(op.f("rating_basis_check"), "rating", type_="check")
    op.create_check_constraint(
        op.f("rating_basis_check"), "rating", "basis IN ('dossier', 'survey')"
    )
    op.create_check_constraint(
        op.f("rating_served_check"),
        "rating",
        "num_nonnulls(service_channel, procedure, funnel_month)"
        " = CASE basis WHEN 'dossier' THEN 3 ELSE 0 END",
    )
