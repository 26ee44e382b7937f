"""The table, for the terminal and as a page to keep."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.domain.period import VIETNAM
from bench.lines import Line

RESULTS = Path(__file__).with_name("results.md")
VERDICTS = {True: "pass", False: "falls short"}
COLOURS = {True: "green", False: "red"}

PAGE = """# Results

Written by `make bench` on {day}. A ratio is the median of its repeats, with the least and the most
in brackets; each repeat measures both sides one right after the other, on the same machine. The
bars are those the project holds itself to on 2 cores, which the load generator, the service and
PostgreSQL share. PostgreSQL runs as the service starts it: every answer waits for the disk.

| what | bar | measured | repeats | |
| --- | --- | --- | --- | --- |
{ratios}

Not measured yet, because it is not there yet: the import against a bare `COPY`, and a published
ranking against the same bytes from memory.

## True of this machine only

| what | measured |
| --- | --- |
{here}

Latencies are those of wrk, corrected for coordinated omission.

| machine | |
| --- | --- |
{machine}

| version | |
| --- | --- |
{versions}
"""


def show(console: Console, lines: Sequence[Line], failures: Mapping[str, str]) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what")
    for heading in ("bar", "measured", ""):
        table.add_column(heading, no_wrap=True)
    for line in lines:
        verdict = Text(VERDICTS[line.passed], COLOURS[line.passed])
        table.add_row(line.name, line.bar, line.measured, verdict)
    console.print(table)
    for line in lines:
        console.print(Text.assemble((f"{line.name}: ", "bold"), f"{line.repeats}; {line.here}"))
    for name, reason in failures.items():
        console.print(Text(f"{name} could not be measured: {reason}", "red"))


def write(
    lines: Sequence[Line],
    failures: Mapping[str, str],
    machine: Mapping[str, str],
    versions: Mapping[str, str],
) -> Path:
    """Write the page and return where it lies."""
    rows = [
        _row(f"{one.name}: {one.what}", one.bar, one.measured, one.repeats, VERDICTS[one.passed])
        for one in lines
    ]
    rows += [
        _row(name, "", f"could not be measured: {why}", "", "") for name, why in failures.items()
    ]
    page = PAGE.format(
        day=f"{datetime.now(VIETNAM):%Y-%m-%d}",
        ratios="\n".join(rows),
        here="\n".join(_row(line.name, line.here) for line in lines),
        machine="\n".join(_row(*pair) for pair in machine.items()),
        versions="\n".join(_row(*pair) for pair in versions.items()),
    )
    RESULTS.write_text(page, "utf-8")
    return RESULTS


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
