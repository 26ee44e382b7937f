"""Rotation and last use of keys."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.add_column('api_key', sa.Column('last_used_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.execute("UPDATE api_key SET name = 'key ' || name WHERE name ~ '^(device|oidc):'")
    op.create_check_constraint(op.f('api_key_name_check'), 'api_key', "name !~ '^(device|oidc):'")
    # That a key was used is written each minute, and nobody has to forget anything because of it.
    op.execute("DROP TRIGGER api_key_changed ON api_key")
    op.execute("""
        CREATE TRIGGER api_key_changed
        AFTER INSERT OR DELETE OR UPDATE OF id, name, hash, scopes, agencies, created_at, expires_at, revoked_at ON api_key
        FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed()
    """)
