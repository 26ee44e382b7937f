"""`hailong keys`: made once, shown once, ended for ever."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import texts
from app.db import keys, schema, session
from app.db.opening import database
from app.db.session import DatabaseUnusableError
from app.db.tables import ApiKey
from app.domain.access import SCOPES, Caller
from app.domain.errors import DomainError
from app.settings import Settings

app = typer.Typer(no_args_is_help=True)

PREFIX = "hl_"
LONGEST_NAME = 200
LAST_NUMBER = 2**31 - 1


def new_key() -> str:
    """A key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help=f"One of {', '.join(sorted(SCOPES))}, or all.")],
    agency: Annotated[list[str], typer.Option(help="Limit the key to this agency.")] = [],  # noqa: B006 -- typer's form
    name: Annotated[str, typer.Option(help="Whose key it is.")] = "unnamed",
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Expires after days.")] = None,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    unknown = set(scope) - SCOPES - {"all"}
    if unknown:
        allowed = ", ".join(sorted(SCOPES))
        raise typer.BadParameter(
            f"Unknown scope {', '.join(sorted(unknown))}; known: all, {allowed}"
        )
    if not name.strip() or not name.isprintable():
        raise typer.BadParameter("--name needs printable characters.")
    scopes = SCOPES if "all" in scope else frozenset(scope)
    granted = Caller(name[:LONGEST_NAME], scopes, frozenset(agency) or None)
    key, now = new_key(), datetime.now(UTC)
    expires_at = now + timedelta(days=days) if days else None

    async def store() -> None:
        async with opened_session() as opened:
            await keys.create(opened, key, granted, now, expires_at)

    asyncio.run(store())
    Console(soft_wrap=True, highlight=False).print(key)


@app.command("list")
def list_keys() -> None:
    """Show the keys, without the keys themselves."""

    async def load() -> list[ApiKey]:
        async with opened_session() as opened:
            return list(await keys.list_all(opened))

    table = Table("number", "name", "scopes", "agencies", "created", "expires", "revoked")
    for row in asyncio.run(load()):
        days = (row.created_at, row.expires_at, row.revoked_at)
        table.add_row(
            str(row.id),
            Text(row.name),  # as it is, not as markup
            " ".join(row.scopes),
            "all" if row.agencies is None else " ".join(row.agencies),
            *("" if day is None else f"{day:%Y-%m-%d %H:%M}" for day in days),
        )
    Console().print(table)


@app.command()
def revoke(
    number: Annotated[int, typer.Argument(min=1, max=LAST_NUMBER, help="As `list` shows it.")],
) -> None:
    """End a key at once."""

    async def end() -> bool:
        async with opened_session() as opened:
            return await keys.revoke(opened, number, datetime.now(UTC))

    if not asyncio.run(end()):
        raise typer.BadParameter(f"There is no key {number} in force.")
    Console().print(f"Key {number} is revoked.")


def explain(error: DomainError) -> str:
    """What is wrong, in a sentence for the operator."""
    if not error.faults:
        return texts.say("en", f"{error.code}:help")
    return " ".join(
        texts.say("en", f"{fault.code}:detail", **fault.params) for fault in error.faults
    )


@asynccontextmanager
async def opened_session() -> AsyncIterator[AsyncSession]:
    """A session on the configured database, committed when a command is done with it."""
    settings = Settings()
    check_data(settings)
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        async with session.sessions(engine).begin() as opened:
            yield opened


def check_data(settings: Settings) -> None:
    """Nothing when there is a database to look into; else raises DatabaseUnusableError.

    Opening the embedded server would make an empty one in whatever folder this happens to be.
    """
    if settings.address is None and not (settings.data_dir / "pg").exists():
        raise DatabaseUnusableError(
            f"No data in {settings.data_dir.resolve()}: set HAILONG_DATA_DIR to the folder of the "
            "service, or HAILONG_DATABASE_URL to its server. (hailong migrate makes a new one.)"
        )
