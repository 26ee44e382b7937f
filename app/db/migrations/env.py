"""Runs migrations on the connection it is handed, never waiting long for a lock."""

from alembic import context
from sqlalchemy import text

from app.db.tables import SQLModel

connection = context.config.attributes["connection"]

# Two processes that start together must not migrate together.
connection.execute(text("SET LOCAL lock_timeout = '10min'"))
connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('hailong migrate'))"))
# A migration that waits for a lock makes every later query wait behind it: give up early instead.
connection.execute(text("SET LOCAL lock_timeout = '4s'"))
connection.execute(text("SET LOCAL statement_timeout = '10min'"))

context.configure(connection=connection, target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
