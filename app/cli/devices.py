"""`hailong devices`: tablets at counters, each with a key that only submits ratings there."""

import asyncio
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from app.api import texts
from app.api.faults import CODE_PATTERN
from app.cli.keys import opened_session
from app.db import devices
from app.db.tables import Device
from app.domain.device import KEY_PREFIX, Arrivals

app = typer.Typer(no_args_is_help=True)


def new_key() -> str:
    """A device's key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def checked(code: str) -> str:
    """The code; raises BadParameter when it is none."""
    if not re.fullmatch(CODE_PATTERN, code):
        raise typer.BadParameter(texts.say("en", "bad-code:detail"))
    return code


@app.command()
def create(
    code: Annotated[str, typer.Argument(callback=checked, help="The tablet's code, for life.")],
    agency: Annotated[str, typer.Option(callback=checked, help="Whose ratings it takes.")],
    counter: Annotated[str, typer.Option(callback=checked, help="Where it stands.")],
) -> None:
    """Make a tablet's key and print it; it cannot be shown again.

    For a tablet that has one it makes another, and the old one ends. A tablet that begins to
    count at 1 again, or moves to another counter, needs a new code.
    """
    key = new_key()

    async def store() -> None:
        async with opened_session() as opened:
            await devices.create(opened, key, code, (agency, counter), datetime.now(UTC))

    asyncio.run(store())
    Console(soft_wrap=True, highlight=False).print(key)


@app.command("list")
def list_devices() -> None:
    """Show the tablets, the last number that arrived from each, and how many are missing."""

    async def load() -> list[tuple[Device, Arrivals]]:
        async with opened_session() as opened:
            return await devices.list_all(opened)

    names = ("code", "agency", "counter", "created", "revoked", "last number", "missing")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for device, arrivals in asyncio.run(load()):
        days = (device.created_at, device.revoked_at)
        table.add_row(
            device.code,
            device.agency,
            device.counter,
            *("" if day is None else f"{day:%Y-%m-%d %H:%M}" for day in days),
            str(arrivals.last_seq),
            str(arrivals.missing),
        )
    Console().print(table)


@app.command()
def revoke(
    code: Annotated[str, typer.Argument(callback=checked, help="As `list` shows it.")],
) -> None:
    """End a tablet's key at once."""

    async def end() -> bool:
        async with opened_session() as opened:
            return await devices.revoke(opened, code, datetime.now(UTC))

    if not asyncio.run(end()):
        raise typer.BadParameter(f"There is no device {code} in force.")
    Console(highlight=False).print(f"Device {code} is revoked.")
