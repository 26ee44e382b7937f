"""Webhooks rest while they fail, and their secrets stay when they have ended."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.add_column(
        "webhook", sa.Column("failures", sa.Integer(), server_default="0", nullable=False)
    )
    moment = sqlmodel.sql.sqltypes.UTCDateTime()
    op.add_column("webhook", sa.Column("retry_at", moment, nullable=True))
    op.add_column("webhook_secret", sa.Column("request", sa.Uuid(), nullable=True))
    op.add_column("webhook_secret", sa.Column("ended_at", moment, nullable=True))
    # Until now the salt itself was made of the request.
    op.execute("UPDATE webhook_secret SET request = salt")
    op.create_unique_constraint(
        op.f("webhook_secret_webhook_request_key"), "webhook_secret", ["webhook", "request"]
    )
    op.create_table(
        "occurrence_look",
        sa.Column("event", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("occurrence_look_pkey")),
    )
