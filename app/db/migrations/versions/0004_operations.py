"""Operations, their input and their errors."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table('operation',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('form', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('dry_run', sa.Boolean(), nullable=False),
    sa.Column('owner', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('key_hash', sa.LargeBinary(), nullable=True),
    sa.Column('agencies', postgresql.ARRAY(sa.Text()), nullable=True),
    sa.Column('request_key', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('state', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('total_bytes', sa.BigInteger(), nullable=False),
    sa.Column('done_bytes', sa.BigInteger(), nullable=False),
    sa.Column('read', sa.BigInteger(), nullable=False),
    sa.Column('accepted', sa.BigInteger(), nullable=False),
    sa.Column('replayed', sa.BigInteger(), nullable=False),
    sa.Column('rejected', sa.BigInteger(), nullable=False),
    sa.Column('faults', sa.BigInteger(), nullable=False),
    sa.Column('problem', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('started_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('saved_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('finished_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('revision', sa.Integer(), server_default='1', nullable=False),
    sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f('operation_state_check')),
    sa.CheckConstraint('read = accepted + replayed + rejected', name=op.f('operation_read_check')),
    sa.CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name=op.f('operation_ended_check')),
    sa.CheckConstraint("(state = 'failed') = (problem IS NOT NULL)", name=op.f('operation_failed_check')),
    sa.PrimaryKeyConstraint('id', name=op.f('operation_pkey'))
    )
    op.create_index('operation_request_key', 'operation', ['owner', 'request_key'], unique=True, postgresql_where=sa.text('request_key IS NOT NULL'))
    op.create_index('operation_queue_idx', 'operation', ['created_at'], unique=False, postgresql_where=sa.text("state IN ('queued', 'running')"))
    op.create_index('operation_created_idx', 'operation', ['created_at', 'id'], unique=False)
    op.create_table('operation_chunk',
    sa.Column('operation_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('operation_id', 'number', name=op.f('operation_chunk_pkey'))
    )
    # Compressing what is mostly compressed, and is soon deleted, would only cost time.
    op.execute("ALTER TABLE operation_chunk ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_index('operation_chunk_received_idx', 'operation_chunk', ['received_at'], unique=False)
    op.create_table('operation_error',
    sa.Column('operation_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=False),
    sa.Column('pointer', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('params', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['operation_id'], ['operation.id'], name=op.f('operation_error_operation_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('operation_id', 'number', name=op.f('operation_error_pkey'))
    )
