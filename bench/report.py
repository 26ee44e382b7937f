"""The table, for the terminal and as a page to keep."""

import re
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
VERDICTS = {True: "pass", False: "falls short", None: ""}
COLOURS = {True: "green", False: "red", None: ""}
WHAT = "| what |"

PAGE = """# Results

Written by `make bench`, or by a part of it, which replaces its own rows. A figure is the median of
its repeats, with the least and the most in brackets; where it is a ratio, each repeat measures both
sides one right after the other, on the same machine. The bars are those the project holds itself to
on 2 cores, which the load generator, the service and PostgreSQL share. PostgreSQL runs as the
service starts it: every answer to a rating waits for the disk.

| what | bar | measured | repeats | | taken |
| --- | --- | --- | --- | --- | --- |
{ratios}

## True of this machine only

| what | measured |
| --- | --- |
{here}

Latencies are those of wrk, corrected for coordinated omission. The last of these runs had:

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
    order: Sequence[str],
) -> None:
    """Write the page: what was measured now, and what it held of the other measurements."""
    taken = f"{datetime.now(VIETNAM):%Y-%m-%d}, {versions['hailong']}"
    ratios = [
        _row(
            f"{one.name}: {one.what}",
            one.bar,
            one.measured,
            one.repeats,
            VERDICTS[one.passed],
            taken,
        )
        for one in lines
    ]
    ratios += [
        _row(name, "", f"could not be measured: {why}", "", "", taken)
        for name, why in failures.items()
    ]
    here = [_row(line.name, line.here) for line in lines]
    others = set(order) - {_measurement(row) for row in ratios}
    ratios, here = (
        sorted(
            [*new, *(row for row in old if _measurement(row) in others)],
            key=lambda row: order.index(_measurement(row)),
        )
        for new, old in zip((ratios, here), _held(), strict=True)
    )
    page = PAGE.format(
        ratios="\n".join(ratios),
        here="\n".join(here),
        machine="\n".join(_row(*pair) for pair in machine.items()),
        versions="\n".join(_row(*pair) for pair in versions.items()),
    )
    RESULTS.write_text(page, "utf-8")


def _held() -> list[list[str]]:
    """The rows that the page has in its two tables of measurements."""
    page = RESULTS.read_text("utf-8") if RESULTS.exists() else ""
    tables = [part.splitlines() for part in page.split("\n\n") if part.startswith(WHAT)]
    return [table[2:] for table in tables] or [[], []]


def _measurement(row: str) -> str:
    """What the row is of: names begin with it."""
    return re.split("[ ,:]", row.removeprefix("| "))[0]


def _row(*cells: str) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in cells)} |"
