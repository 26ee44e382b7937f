"""Checks of files: rows that are taken in, with what is wrong with them, and data taken out."""

import csv
import gzip
import io
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hailong_conformance.ratings import counted, rate
from hailong_conformance.scene import Scene
from hailong_conformance.server import asked
from hailong_conformance.trial import Trial, check

NDJSON = "application/x-ndjson"
NEXT = "X-Next-Updated-After"
PATIENCE_SECONDS, LOOK_SECONDS = 60.0, 0.2

Rows = Sequence[Mapping[str, Any]]


def written(rows: Rows) -> bytes:
    """The rows as the lines of a file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def imported(trial: Trial, rows: Rows, *, dry_run: bool = False, packed: bool = False) -> str:
    """The path of an operation that has ended, to which a file of ratings was given."""
    headers = {"Content-Type": NDJSON} | ({"Content-Encoding": "gzip"} if packed else {})
    content = gzip.compress(written(rows)) if packed else written(rows)
    path = f"/v1/imports/ratings?dry_run={str(dry_run).lower()}"
    answer = trial.server.ask("POST", path, content=content, headers=headers)
    operation = trial.answered(answer, 202)
    where = f"/v1/operations/{operation['id']}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while operation["state"] in {"queued", "running"} and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        operation = trial.answered(trial.server.ask("GET", where), 200)
    state = operation["state"]
    trial.expect(f"state of {where} (does the worker run?)", "done", state)
    return where


def _counts(trial: Trial, where: str) -> dict[str, int]:
    said = trial.answered(trial.server.ask("GET", where), 200)
    return {name: said[name] for name in ("read", "accepted", "replayed", "rejected")}


def _of(accepted: int = 0, replayed: int = 0, rejected: int = 0) -> dict[str, int]:
    read = accepted + replayed + rejected
    return {"read": read, "accepted": accepted, "replayed": replayed, "rejected": rejected}


def _ratings(scene: Scene, number: int) -> list[dict[str, Any]]:
    return [scene.rating(scene.returned()[0], id=str(uuid.uuid4())) for _ in range(number)]


@check
def dry_run(trial: Trial) -> None:
    """A dry run says what would become of each row, and stores none."""
    rows, before = _ratings(trial.scene, 2), counted(trial)
    where = imported(trial, rows, dry_run=True)
    trial.expect("what it counts", _of(accepted=2), _counts(trial, where))
    trial.expect("ratings counted besides", 0, counted(trial) - before)
    stored = rate(trial, rows[0])
    trial.answered(stored, 201)
    trial.replayed(stored, expected=False)


@check
def import_twice(trial: Trial) -> None:
    """The same file twice, packed or not, stores and counts each row once."""
    rows, before = _ratings(trial.scene, 3), counted(trial)
    first = imported(trial, rows)
    trial.expect("the first time", _of(accepted=3), _counts(trial, first))
    again = imported(trial, rows, packed=True)
    trial.expect("the second time", _of(replayed=3), _counts(trial, again))
    trial.expect("ratings counted besides", 3, counted(trial) - before)


@check
def row_errors(trial: Trial) -> None:
    """A row that is wrong is named by its line, place and code, and keeps back no other."""
    scene = trial.scene
    good = _ratings(scene, 2)
    rows = [good[0], scene.rating(scene.new_code(), id=str(uuid.uuid4()))]
    rows += [good[1], _ratings(scene, 1)[0] | {"answers": {"q1": "9", "q9": "5"}}]
    where = imported(trial, rows)
    trial.expect("what it counts", _of(accepted=2, rejected=2), _counts(trial, where))
    answer = trial.server.ask("GET", f"{where}/errors")
    trial.answered(answer, 200)
    found = [json.loads(line) for line in answer.text.splitlines()]
    seen = sorted((one["line"], one["pointer"], one["code"]) for one in found)
    expected = [
        (2, "/dossier", "dossier-not-found"),
        (4, "/answers/q1", "unknown-option"),
        (4, "/answers/q9", "unknown-question"),
    ]
    trial.expect("errors", expected, seen)


@check
def export_complete(trial: Trial) -> None:
    """An export has every row of the lists once, in NDJSON and in CSV alike."""
    for one in _ratings(trial.scene, 2):
        trial.answered(rate(trial, one), 201)
    for kind, key in (("ratings", "id"), ("dossiers", "code")):
        listed = sorted(_listed(trial, kind, key))
        as_lines = [row[key] for row in _lines(trial, kind)]
        trial.expect(f"{kind} in NDJSON", listed, sorted(as_lines))
        path = f"/v1/exports/{kind}?agency={trial.scene.code}"
        table = trial.server.ask("GET", path, headers={"Accept": "text/csv"})
        trial.answered(table, 200)
        cells = csv.DictReader(io.StringIO(table.content.decode("utf-8-sig")))
        trial.expect(f"{kind} in CSV", as_lines, [row[key] for row in cells])


@check
def export_news(trial: Trial) -> None:
    """An export that goes on from the last one has all that changed since, and not everything."""
    scene = trial.scene
    old = scene.registered()
    answer = trial.server.ask("GET", "/v1/exports/dossiers", params={"agency": scene.code})
    trial.answered(answer, 200)
    new = scene.registered()
    news = [row["code"] for row in _lines(trial, "dossiers", updated_after=answer.headers[NEXT])]
    trial.holds("what is new is there", new in news)
    ahead = (scene.now() + timedelta(hours=1)).isoformat()
    later = [row["code"] for row in _lines(trial, "dossiers", updated_after=ahead)]
    trial.expect("dossiers changed in an hour", [], later)
    whole = [row["code"] for row in _lines(trial, "dossiers")]
    trial.holds("all has both", {old, new} <= set(whole))


def _lines(trial: Trial, kind: str, **asking: str) -> list[dict[str, Any]]:
    params = {"agency": trial.scene.code, **asking}
    answer = trial.server.ask("GET", f"/v1/exports/{kind}", params=params)
    trial.answered(answer, 200)
    trial.holds(f"{asked(answer)} has {NEXT}", NEXT in answer.headers)
    return [json.loads(line) for line in answer.text.splitlines()]


def _listed(trial: Trial, kind: str, key: str) -> list[str]:
    """What the list says there is, page by page."""
    path, found = f"/v1/agencies/{trial.scene.code}/{kind}", []
    params = {"limit": "500"}
    while True:
        page = trial.answered(trial.server.ask("GET", path, params=params), 200)
        found += [row[key] for row in page["items"]]
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


CHECKS = (dry_run, import_twice, row_errors, export_complete, export_news)
