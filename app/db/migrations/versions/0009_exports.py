"""What exports find changes by."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.execute("""
        CREATE FUNCTION row_updated() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.updated_at := now();
            RETURN NEW;
        END $$
    """)
    for table in ("dossier", "rating"):
        # The default is of this moment for all rows that are there, so the table is not rewritten.
        op.add_column(
            table,
            sa.Column(
                "updated_at",
                sqlmodel.sql.sqltypes.UTCDateTime(),
                server_default=sa.text("now()"),
                nullable=False,
            ),
        )
        op.create_index(
            f"{table}_updated_idx",
            table,
            ["updated_at"],
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        )
        # Not on inserts, which have the default: that is where ratings must be fast.
        op.execute(f"""
            CREATE TRIGGER {table}_updated BEFORE UPDATE ON {table}
            FOR EACH ROW EXECUTE FUNCTION row_updated()
        """)
