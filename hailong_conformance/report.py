"""What the trials came to: a table for people, one JSON object for machines."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hailong_conformance.scene import Scene
from hailong_conformance.trial import Outcome, Result

COLOURS = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.SKIPPED: "yellow",
    Outcome.NOT_OFFERED: "yellow",
}


def as_json(address: str, scene: Scene, results: Sequence[Result]) -> str:
    """All that was asked, expected and seen, and what is left behind."""
    return json.dumps(
        {
            "server": address,
            "entries": scene.code,
            "counts": _counts(results),
            "checks": [_shown(result) for result in results],
        },
        ensure_ascii=False,
    )


def _counts(results: Sequence[Result]) -> dict[str, int]:
    found = Counter(result.outcome for result in results)
    return {outcome.value: found[outcome] for outcome in Outcome}


def _shown(result: Result) -> dict[str, Any]:
    return {
        "name": result.check.name,
        "sentence": result.check.sentence,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "seconds": round(result.seconds, 3),
        "steps": [asdict(step) for step in result.steps],
    }


def show(console: Console, scene: Scene, results: Sequence[Result]) -> None:
    """Print the table, what failed and how, and what is left behind."""
    table = Table("check", "what must hold", "outcome")
    for result in results:
        colour = COLOURS[result.outcome]
        said = f"[{colour}]{result.outcome.value}[/]"
        if result.outcome in {Outcome.SKIPPED, Outcome.NOT_OFFERED}:
            said += f": {escape(result.reason)}"
        table.add_row(result.check.name, escape(result.check.sentence), said)
    console.print(table)
    for result in results:
        if result.outcome is Outcome.FAILED:
            _explain(console, result)
    told = ", ".join(f"{number} {name}" for name, number in _counts(results).items() if number)
    console.print(f"{told}.")
    console.print(
        f"Left behind: agency, procedures, questionnaire, surveys and dossiers under {scene.code}, "
        "in no peer group; its webhooks are deleted."
    )


def _explain(console: Console, result: Result) -> None:
    console.print(f"\n[bold red]{result.check.name}[/]: {escape(result.check.sentence)}")
    broken = next((step for step in result.steps if not step.kept), None)
    if broken is None:
        last = f" after {result.steps[-1].asked}" if result.steps else ""
        console.print(f"  seen      {escape(result.reason + last)}", highlight=False)
        return
    parts = {"asked": broken.asked, "expected": broken.expected, "seen": broken.seen}
    for name, said in parts.items():
        console.print(f"  {name:<9} {escape(said)}", highlight=False)
