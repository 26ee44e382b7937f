"""`hailong worker`: the tallies compared with what they count."""

import json
import signal
from pathlib import Path
from typing import Any

from cli.processes import background, query, server_runs, wait_until

from app.db.embedded import EmbeddedServer


def first_words(data: Path) -> tuple[dict[str, Any], int]:
    """The first line that a worker logs, and its exit code when it is told to end then."""
    with background(data, "worker") as worker:
        wait_until(lambda: "\n" in worker.said(), "the worker says nothing")
        code = worker.send(signal.SIGTERM)
        (line,) = worker.said().splitlines()
    return json.loads(line), code


def test_the_worker_finds_no_drift_and_ends_in_order(data: Path) -> None:
    said, code = first_words(data)
    assert (said["level"], said["drift"]) == ("info", 0)
    assert code == 0
    assert not server_runs(data)


def test_the_worker_tells_of_a_tally_that_differs_from_what_it_counts(data: Path) -> None:
    with EmbeddedServer(data) as server:
        cells = query(
            server.start(),
            "UPDATE tally SET counts[1] = counts[1] + 1",
            "SELECT count(*) FROM tally",
        )
        said, code = first_words(data)
        assert server.postmaster_pid() is not None
    assert (said["level"], said["drift"]) == ("error", cells)
    assert cells > 0
    assert code == 0
