"""`hailong keys`: made once, shown once, ended for ever."""

import asyncio
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import texts
from app.db import keys, schema, session, webhooks
from app.db.opening import database
from app.db.session import DatabaseUnusableError
from app.db.tables import ApiKey
from app.domain.access import SCOPES, Caller, is_key_name, state
from app.domain.errors import DomainError
from app.main import ADMIN
from app.settings import Settings

app = typer.Typer(no_args_is_help=True)

PREFIX = "hl_"
LONGEST_NAME = 200
LAST_NUMBER = 2**31 - 1


def new_key() -> str:
    """A key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def span(text: str) -> timedelta:
    """How long `7d`, `12h` or `30m` is; raises BadParameter for anything else."""
    found = re.fullmatch(r"([0-9]{1,4})([dhm])", text)
    if found is None:
        raise typer.BadParameter("Say how long as in 7d, 12h or 30m.")
    unit = {"d": "days", "h": "hours", "m": "minutes"}[found[2]]
    return timedelta(**{unit: int(found[1])})


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help=f"One of {', '.join(sorted(SCOPES))}, or all.")],
    name: Annotated[str, typer.Argument(help="Whose key it is.")] = "unnamed",
    agency: Annotated[list[str], typer.Option(help="Limit the key to this agency.")] = [],  # noqa: B006 -- typer's form
    days: Annotated[
        int | None,
        typer.Option("--expires", "--days", min=1, max=3650, help="Expires after days."),
    ] = None,
    named: Annotated[
        str | None, typer.Option("--name", hidden=True)
    ] = None,  # as it was said before
) -> None:
    """Make a key and print it; it cannot be shown again."""
    unknown = set(scope) - SCOPES - {"all"}
    if unknown:
        allowed = ", ".join(sorted(SCOPES))
        raise typer.BadParameter(
            f"Unknown scope {', '.join(sorted(unknown))}; known: all, {allowed}"
        )
    owner = (named or name)[:LONGEST_NAME]
    if not is_key_name(owner):
        raise typer.BadParameter(
            "A name needs printable characters, and must not begin as those of devices (device:) "
            "and of people who sign in (oidc:)."
        )
    scopes = SCOPES if "all" in scope else frozenset(scope)
    granted = Caller(owner, scopes, frozenset(agency) or None)
    key, now = new_key(), datetime.now(UTC)
    expires_at = now + timedelta(days=days) if days else None

    async def store() -> None:
        async with opened_session() as opened:
            await keys.create(opened, key, granted, now, expires_at)

    asyncio.run(store())
    Console(soft_wrap=True, highlight=False).print(key)


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,  # noqa: FBT002 -- typer reads a flag so
) -> None:
    """Show the keys, without the keys themselves; last use is told to the minute."""

    async def load() -> list[ApiKey]:
        async with opened_session() as opened:
            return list(await keys.list_all(opened))

    rows, now = asyncio.run(load()), datetime.now(UTC)
    if as_json:
        told = [
            row.model_dump(mode="json", exclude={"hash"})
            | {"state": state(row.expires_at, row.revoked_at, now)}
            for row in rows
        ]
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return
    names = ("number", "name", "scopes", "agencies", "state", "created", "expires", "last use")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for row in rows:
        days = (row.created_at, row.expires_at, row.last_used_at)
        table.add_row(
            str(row.id),
            Text(row.name),  # as it is, not as markup
            "all" if set(row.scopes) == SCOPES else " ".join(row.scopes),
            "all" if row.agencies is None else " ".join(row.agencies),
            state(row.expires_at, row.revoked_at, now),
            *("" if day is None else f"{day:%Y-%m-%d %H:%M}" for day in days),
        )
    Console().print(table)


@app.command()
def rotate(
    number: Annotated[int, typer.Argument(min=1, max=LAST_NUMBER, help="As `list` shows it.")],
    overlap: Annotated[
        str, typer.Option(help="How long the old key goes on beside the new: 7d, 12h, 30m.")
    ] = "7d",
) -> None:
    """Make a key with the name, scopes and agencies of another, which ends after the overlap.

    The new one is printed and cannot be shown again. It lasts as long as the old was made for.
    """
    key, now = new_key(), datetime.now(UTC)
    ends_at = now + span(overlap)

    async def replace() -> ApiKey | None:
        async with opened_session() as opened:
            rotated = await keys.rotate(opened, key, number, ends_at, now)
            if rotated is not None and rotated.name == ADMIN.key:
                raise typer.BadParameter(
                    f"Key {number} is HAILONG_ADMIN_KEY: set another and start the service again."
                )
            return rotated

    old = asyncio.run(replace())
    if old is None or old.expires_at is None:
        raise typer.BadParameter(f"There is no key {number} in force.")
    Console(soft_wrap=True, highlight=False).print(key)
    Console(stderr=True).print(f"Key {number} ends at {old.expires_at:%Y-%m-%d %H:%M} UTC.")


@app.command()
def revoke(
    number: Annotated[int, typer.Argument(min=1, max=LAST_NUMBER, help="As `list` shows it.")],
) -> None:
    """End a key at once. Its webhooks go on; those that it made or led elsewhere are named."""

    async def end() -> Sequence[str]:
        async with opened_session() as opened:
            name = await keys.revoke(opened, number, datetime.now(UTC))
            if name is None:
                raise typer.BadParameter(f"There is no key {number} in force.")
            return await webhooks.led_by(opened, name)

    led = asyncio.run(end())
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"Key {number} is revoked.")
    if led:
        console.print(f"Webhooks that go on to where keys of its name led them: {', '.join(led)}")


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
