"""`hailong export`: a whole data set into a file, or to where the output goes."""

import asyncio
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import typer
from rich.console import Console

from app.api import export_rows
from app.api.export_rows import Export
from app.api.exports import day_begins, instant
from app.cli.keys import check_data
from app.db import agencies, exports, schema, session
from app.db.exports import Wanted
from app.db.opening import database
from app.settings import Settings

KINDS = {"ratings": export_rows.ratings, "dossiers": export_rows.dossiers}


def run(
    settings: Settings, kind: str, *, since: str | None, agency: str | None, output: Path | None
) -> None:
    """Write the data set, as CSV when the file's name says so; tell where the next one begins.

    A file is there when it is whole, and not before.
    """
    check_data(settings)
    if kind not in KINDS:
        raise typer.BadParameter(f"Unknown kind {kind}; known: {', '.join(KINDS)}")
    after = _instant(since)
    if output is None:
        following = asyncio.run(_write(settings, kind, (after, agency, False), sys.stdout.buffer))
    else:
        part = output.with_name(output.name + ".part")
        with part.open("wb") as file:
            as_csv = output.suffix == ".csv"
            following = asyncio.run(_write(settings, kind, (after, agency, as_csv), file))
        part.replace(output)
    said = f"What this does not hold yet: hailong export {kind} --updated-after {following}"
    Console(stderr=True, highlight=False, soft_wrap=True).print(said)


def _instant(since: str | None) -> datetime | None:
    if since is None:
        return None
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter("--updated-after is an instant such as 2026-06-15T10:00:00Z.")
    return found


async def _write(
    settings: Settings,
    kind: str,
    asked: tuple[datetime | None, str | None, bool],
    file: BinaryIO,
) -> str:
    after, agency, as_csv = asked
    if kind == "ratings" and after is not None:
        after = day_begins(after)
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        async with session.sessions(engine).begin() as opened:
            numbers = None
            if agency is not None:
                numbers = [(await agencies.get(opened, agency)).id or 0]
            following = await exports.next_updated_after(opened)
        wanted = Export(Wanted(numbers, after), as_csv, datetime.now(UTC))
        async with aclosing(KINDS[kind](session.snapshots(engine), wanted)) as pieces:
            async for piece in pieces:
                file.write(piece)
    return instant(following)
