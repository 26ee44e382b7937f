"""`python -m bench`: take the measurements, print the table, write it to bench/results.md."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.db.embedded import EmbeddedServer
from bench import (
    durability,
    editions,
    imports,
    machine,
    memory,
    published,
    ranking,
    recount,
    report,
    storm,
    submit,
    wrk,
)
from bench.lines import BenchError, Line
from bench.plan import SHORT, WHOLE, Plan
from bench.provinces import Provinces
from bench.scratch import ask, folder
from bench.stage import Stage

Measurement = Callable[[Plan, Stage], Iterator[Line]]
NAMES = (
    "submit",
    "memory",
    "durability",
    "storm",
    "ranking",
    "published",
    "editions",
    "recount",
    "import",
)


def main(
    only: Annotated[str, typer.Option(help=f"Some of {','.join(NAMES)}")] = ",".join(NAMES),
    quick: Annotated[bool, typer.Option("--quick", help="A short try; proves nothing.")] = False,  # noqa: FBT002 -- typer reads a flag so
    memory_minutes: Annotated[
        float | None, typer.Option(min=0.1, max=120, help="How long memory is watched.")
    ] = None,
) -> None:
    """Measure, and write to bench/results.md; a part replaces its own rows, a short try none."""
    chosen = only.split(",")
    if unknown := set(chosen) - set(NAMES):
        raise typer.BadParameter(
            f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}"
        )
    plan = SHORT if quick else WHOLE
    if memory_minutes is not None:
        plan = replace(plan, memory_seconds=round(memory_minutes * 60))
    console = Console()
    wrk.ensure()
    lines, failures = _measured(console, plan, [name for name in NAMES if name in chosen])
    report.show(console, lines, failures)
    if plan == WHOLE:
        report.write(lines, failures, machine.described(), machine.versions(_postgresql()), NAMES)
        console.print(f"Written to {report.RESULTS.relative_to(report.RESULTS.parents[1])}")
    sys.exit(1 if failures else 0)


def _measured(console: Console, plan: Plan, names: list[str]) -> tuple[list[Line], dict[str, str]]:
    """The lines of the measurements, and why some could not be taken."""
    lines: list[Line] = []
    failures: dict[str, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with ExitStack() as stack, Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        measurements = _measurements(stack)
        for name in names:
            stage = Stage(name, progress, progress.add_task(name, total=None))
            try:
                lines.extend(measurements[name](plan, stage))
            except BenchError as error:
                failures[name] = str(error)
            except Exception as error:  # noqa: BLE001 -- the others are measured all the same
                failures[name] = f"{type(error).__name__}: {error}"
            stage.end()
    return lines, failures


def _measurements(stack: ExitStack) -> dict[str, Measurement]:
    shared = Provinces(stack)
    return {
        "submit": submit.lines,
        "memory": memory.lines,
        "durability": durability.lines,
        "storm": storm.lines,
        "ranking": partial(ranking.lines, provinces=shared),
        "published": partial(published.lines, provinces=shared),
        "editions": partial(editions.lines, provinces=shared),
        "recount": partial(recount.lines, provinces=shared),
        "import": imports.lines,
    }


def _postgresql() -> str:
    with folder() as data, EmbeddedServer(data) as server:
        return str(ask(server.start(), "SHOW server_version")[0][0])


def _interrupt(*_: object) -> None:
    # A second Ctrl-C must not keep the first from ending what was started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupt)
    try:
        typer.run(main)
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
