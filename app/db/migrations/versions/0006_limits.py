"""Rate limits, and invitations that a request asked for by a name."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table('quota_window',
    sa.Column('began', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('caller', sa.LargeBinary(), nullable=False),
    sa.Column('taken', sa.Integer(), nullable=False),
    sa.Column('granted', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('began', 'caller', name=op.f('quota_window_pkey')),
    prefixes=['UNLOGGED'],
    postgresql_with={'fillfactor': 50}
    )
    op.add_column('invitation', sa.Column('request_key', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
