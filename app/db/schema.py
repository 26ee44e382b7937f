"""The schema's revision: bringing it up to date, and refusing to work on another."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine


class SchemaOutdatedError(Exception):
    """The schema is not the one this program works on; the message says what mends it."""


def config(connection: Connection | None = None) -> Config:
    """Alembic's settings; migrations run on the given connection."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    settings.attributes["connection"] = connection
    return settings


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema up to date, or leave it as it was."""
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))


async def revision(engine: AsyncEngine) -> str | None:
    """The schema's revision; None when the database is empty."""
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


async def check_current(engine: AsyncEngine) -> None:
    """Nothing when the schema is this program's; else raises SchemaOutdatedError."""
    scripts = ScriptDirectory.from_config(config())
    found = await revision(engine)
    if found == scripts.get_current_head():
        return
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaOutdatedError(
            "The database was made by a newer hailong: install that version and start again."
        )
    raise SchemaOutdatedError("The database schema is outdated. Run: hailong migrate")
