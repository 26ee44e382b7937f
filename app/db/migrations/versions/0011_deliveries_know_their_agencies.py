"""Deliveries know their agencies and webhooks who gave their url; what does not fit any more goes."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    name = sqlmodel.sql.sqltypes.AutoString()
    op.add_column("webhook", sa.Column("url_by", name, server_default="", nullable=False))
    op.add_column(
        "webhook_delivery", sa.Column("agencies", postgresql.ARRAY(sa.Text()), nullable=True)
    )
    # An operation that is forgotten is taken for one of the whole province.
    op.execute("""
        UPDATE webhook_delivery AS delivery
           SET agencies = CASE type
               WHEN 'edition.published' THEN ARRAY[]::text[]
               WHEN 'operation.finished' THEN (
                   SELECT agencies FROM operation
                    WHERE id = CAST(CAST(delivery.body AS jsonb) #>> '{data,operation}' AS uuid))
               ELSE ARRAY[CAST(delivery.body AS jsonb) #>> '{data,agency}'] END
    """)
    op.execute("""
        DELETE FROM webhook_delivery AS delivery USING webhook
         WHERE delivery.webhook = webhook.code
           AND (delivery.type = ANY(webhook.events)
                AND (webhook.agencies IS NULL OR webhook.agencies @> delivery.agencies))
               IS NOT TRUE
    """)
