"""`hailong recount`: what tally and funnel count, counted anew."""

import json
from pathlib import Path
from typing import Any

from cli.processes import background, query, run

from app.db.embedded import EmbeddedServer

DAMAGE = (
    "UPDATE tally SET counts[1] = counts[1] + 1 WHERE facet = 'all'",
    "UPDATE funnel SET late = late + 1",
)
WRONG = "SELECT (SELECT count(*) FROM tally WHERE facet = 'all') + (SELECT count(*) FROM funnel)"


def told(data: Path, *options: str) -> tuple[dict[str, Any], int]:
    """The one JSON object that a recount prints, and its exit code."""
    said = run(data, "recount", "--json", *options)
    (line,) = said.stdout.splitlines()
    return json.loads(line), said.returncode


def test_a_recount_finds_every_count_of_the_examples_right(data: Path) -> None:
    with EmbeddedServer(data) as server:
        ratings = query(server.start(), "SELECT count(*) FROM rating")
        found, code = told(data)
        said = run(data, "recount")
    assert (found.pop("agencies"), found.pop("ratings")) == (12, ratings)
    assert found == {"drift": 0, "tally": 0, "funnel": 0, "repaired": False}
    assert (code, said.returncode) == (0, 0)
    assert "every count of tally and funnel is right" in said.stdout


def test_a_recount_tells_what_is_wrong_and_puts_it_right_when_told_to(data: Path) -> None:
    with EmbeddedServer(data) as server:
        url = server.start()
        wrong = query(url, *DAMAGE, WRONG)
        with background(data, "recount", "--repair") as asking:  # and nobody answers
            assert asking.process.wait(60) == 1
            assert f"Put {wrong} counts right?" in asking.said()
            assert "H32.15" in asking.said()
        found, code = told(data)
        assert (found["drift"], found["repaired"], code) == (wrong, False, 1)
        assert found["tally"] + found["funnel"] == wrong
        found, code = told(data, "--repair", "--yes")
        assert (found["drift"], found["repaired"], code) == (wrong, True, 0)
        found, code = told(data)
        assert (found["drift"], code) == (0, 0)
