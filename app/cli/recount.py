"""`hailong recount`: tally and funnel counted anew, and put right if so wished."""

import asyncio
import json
import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from app.cli.keys import check_data
from app.db import recount, schema, session
from app.db.opening import database
from app.db.recount import Found, Part
from app.db.session import Sessions
from app.settings import Settings

DRIFT = 1  # exit code


def run(settings: Settings, *, as_json: bool, repair: bool, yes: bool) -> None:
    """Compare, report and, if so wished and confirmed, mend; exits 1 when drift remains."""
    if as_json and repair and not yes:
        raise typer.BadParameter("--repair with --json cannot ask: add --yes.")
    check_data(settings)

    async def work() -> int:
        async with database(settings.address, settings.data_dir) as engine:
            await schema.check_current(engine)
            return await _recount(session.sessions(engine), as_json=as_json, repair=repair, yes=yes)

    if asyncio.run(work()):
        raise typer.Exit(DRIFT)


async def _recount(sessions: Sessions, *, as_json: bool, repair: bool, yes: bool) -> int:
    """The number of counts that are wrong, and stay so."""
    async with sessions.begin() as opened:
        parts = await recount.parts(opened)
    found = await _compare(sessions, parts)
    drift = left = recount.total(found)
    if not as_json:
        _print(found, repair=repair)
    if drift and repair and (yes or _confirmed(drift)):
        wrong = [one.part for one in found if one.drift]
        mended = await _mend(sessions, wrong)
        # Who voids or moves something while its row is missing cannot take it out there.
        left = recount.total(await _compare(sessions, wrong))
        if not as_json:
            Console(highlight=False).print(
                f"{mended:,} rows were changed; {left:,} counts are still wrong."
            )
    if as_json:
        _print_json(found, repaired=drift > 0 == left)
    return left


async def _compare(sessions: Sessions, parts: Sequence[Part]) -> list[Found]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Counting", total=sum(part.agencies for part in parts))
        return await recount.compare_all(
            sessions, parts, lambda part: progress.advance(task, part.agencies)
        )


def _confirmed(drift: int) -> bool:
    return typer.confirm(f"Put {drift:,} counts right?", err=True)


async def _mend(sessions: Sessions, parts: Sequence[Part]) -> int:
    """The number of rows that were changed."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        return sum(
            [
                await recount.mend(sessions, part)
                for part in progress.track(parts, description="Putting right")
            ]
        )


def _counted(found: Sequence[Found]) -> dict[str, int]:
    """How much was counted; each agency is there once for each table."""
    agencies = sum(one.part.agencies for one in found if one.part.table == "tally")
    return {"agencies": agencies, "ratings": sum(one.ratings for one in found)}


def _print_json(found: Sequence[Found], *, repaired: bool) -> None:
    said = {
        "drift": recount.total(found),
        "tally": recount.total(found, "tally"),
        "funnel": recount.total(found, "funnel"),
        **_counted(found),
        "repaired": repaired,
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _print(found: Sequence[Found], *, repair: bool) -> None:
    console, counted = Console(highlight=False), _counted(found)
    over = f"{counted['ratings']:,} ratings of {counted['agencies']:,} agencies"
    drift = recount.total(found)
    if not drift:
        console.print(f"{over}: every count of tally and funnel is right.")
        return
    wrong = [(one.part.table, wrong) for one in found for wrong in one.differences]
    table = Table("table", "agency", "month", "row", "count", "held", "right")
    for name, cell in wrong[: recount.SHOWN]:
        numbers = (f"{cell.held:,}", f"{cell.due:,}")
        # As it is, not as markup.
        table.add_row(
            name, cell.agency, f"{cell.month:%Y-%m}", Text(cell.row), cell.count, *numbers
        )
    console.print(table)
    named = min(len(wrong), recount.SHOWN)
    more = f" (the first {named} are named)" if drift > named else ""
    console.print(f"{over}: {drift:,} counts are wrong{more}.")
    if not repair:
        console.print("Put them right: hailong recount --repair")
