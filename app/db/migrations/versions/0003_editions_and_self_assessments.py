"""Editions and self-assessments."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table('edition',
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('title', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('peer_group', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('first', sa.Date(), nullable=False),
    sa.Column('last', sa.Date(), nullable=False),
    sa.Column('request', sa.LargeBinary(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('supersedes', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('reason', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('frozen_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('frozen_by', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('published_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('published_by', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.CheckConstraint('(published_at IS NULL) = (published_by IS NULL)', name=op.f('edition_published_check')),
    sa.CheckConstraint('(supersedes IS NULL) = (reason IS NULL)', name=op.f('edition_reason_check')),
    sa.CheckConstraint('digest = sha256(document)', name=op.f('edition_digest_check')),
    sa.CheckConstraint('supersedes <> code', name=op.f('edition_supersedes_check')),
    sa.ForeignKeyConstraint(['peer_group'], ['peer_group.code'], name=op.f('edition_peer_group_fkey')),
    sa.ForeignKeyConstraint(['supersedes'], ['edition.code'], name=op.f('edition_supersedes_fkey')),
    sa.PrimaryKeyConstraint('code', name=op.f('edition_pkey'))
    )
    op.create_index(op.f('edition_peer_group_idx'), 'edition', ['peer_group'], unique=False)
    op.create_index('edition_published_idx', 'edition', ['published_at', 'code'], unique=False)
    op.create_index('edition_successor_key', 'edition', ['supersedes'], unique=True, postgresql_where=sa.text('published_at IS NOT NULL'))
    op.create_table('self_assessment',
    sa.Column('agency', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('first', sa.Date(), nullable=False),
    sa.Column('last', sa.Date(), nullable=False),
    sa.Column('points', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('counts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('complaints', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('revision', sa.Integer(), server_default='1', nullable=False),
    sa.ForeignKeyConstraint(['agency'], ['agency.code'], name=op.f('self_assessment_agency_fkey')),
    sa.PrimaryKeyConstraint('agency', 'first', 'last', name=op.f('self_assessment_pkey'))
    )
    # What was frozen stays as it is; only publishing it is noted beside it, once.
    op.execute("""
        CREATE FUNCTION keep_edition() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.published_at IS NULL AND (TG_OP = 'DELETE' OR
               to_jsonb(NEW) - 'published_at' - 'published_by' = to_jsonb(OLD) - 'published_at' - 'published_by')
            THEN RETURN coalesce(NEW, OLD); END IF;
            RAISE EXCEPTION 'edition % is fixed', OLD.code USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER edition_fixed BEFORE UPDATE OR DELETE ON edition
        FOR EACH ROW EXECUTE FUNCTION keep_edition()
    """)
    op.execute("""
        CREATE FUNCTION keep_editions() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM edition WHERE published_at IS NOT NULL) THEN
                RAISE EXCEPTION 'editions are fixed' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER editions_fixed BEFORE TRUNCATE ON edition
        FOR EACH STATEMENT EXECUTE FUNCTION keep_editions()
    """)
    op.execute("""
        CREATE TRIGGER edition_changed AFTER INSERT OR UPDATE OR DELETE ON edition
        FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed()
    """)
