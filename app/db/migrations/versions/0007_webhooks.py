"""Webhooks and their deliveries."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table('webhook',
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('url', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('events', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('agencies', postgresql.ARRAY(sa.Text()), nullable=True),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('failing_since', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('paused_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('pause_reason', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('revision', sa.Integer(), server_default='1', nullable=False),
    sa.CheckConstraint('(paused_at IS NULL) = (pause_reason IS NULL)', name=op.f('webhook_paused_check')),
    sa.CheckConstraint('paused_at IS NULL OR NOT active', name=op.f('webhook_active_check')),
    sa.PrimaryKeyConstraint('code', name=op.f('webhook_pkey'))
    )
    op.create_table('webhook_secret',
    sa.Column('webhook', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('salt', sa.Uuid(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['webhook'], ['webhook.code'], name=op.f('webhook_secret_webhook_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('webhook', 'number', name=op.f('webhook_secret_pkey'))
    )
    op.create_table('webhook_delivery',
    sa.Column('webhook', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('type', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('body', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('state', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('begun_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('next_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('attempts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'sending', 'delivered', 'given_up')", name=op.f('webhook_delivery_state_check')),
    sa.CheckConstraint("(state IN ('waiting', 'sending')) = (next_at IS NOT NULL)", name=op.f('webhook_delivery_next_check')),
    sa.ForeignKeyConstraint(['webhook'], ['webhook.code'], name=op.f('webhook_delivery_webhook_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('webhook', 'id', name=op.f('webhook_delivery_pkey'))
    )
    op.create_index('webhook_delivery_created_idx', 'webhook_delivery', ['webhook', 'created_at', 'id'], unique=False)
    op.create_index('webhook_delivery_next_idx', 'webhook_delivery', ['webhook', 'next_at'], unique=False, postgresql_where=sa.text('next_at IS NOT NULL'))
    op.create_table('overdue_dossier',
    sa.Column('agency_id', sa.Integer(), nullable=False),
    sa.Column('dossier', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('noted_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id', 'dossier'], ['dossier.agency_id', 'dossier.code'], name=op.f('overdue_dossier_agency_id_dossier_fkey')),
    sa.PrimaryKeyConstraint('agency_id', 'dossier', 'due_at', name=op.f('overdue_dossier_pkey'))
    )
