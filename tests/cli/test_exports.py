"""`hailong export`: whole data sets from the command line."""

import csv
import json
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from cli.processes import query, run, serving, together, wait_until

from app.api.exports import MOST_AT_ONCE, MOST_OF_ONE, PAGE_SECONDS
from app.db.embedded import EmbeddedServer


def test_all_is_written_and_then_only_what_has_changed_since(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    with EmbeddedServer(data) as server:
        server.start()
        whole = run(data, "export", "ratings")
        since = whole.stderr.split()[-1]
        later = ("--updated-after", "2999-01-01T00:00:00Z")
        saved, changed, one, never = together(
            lambda: run(data, "export", "ratings", "--output", str(file)),
            lambda: run(data, "export", "dossiers", *later),
            lambda: run(data, "export", "dossiers", "--agency", "DEMO.01"),
            lambda: run(data, "export", "ratings", "--updated-after", "yesterday"),
        )
    rows = [json.loads(line) for line in whole.stdout.splitlines()]
    assert rows
    assert (saved.returncode, saved.stdout) == (0, "")
    with file.open(encoding="utf-8", newline="") as opened:
        assert [row["id"] for row in csv.DictReader(opened)] == [row["id"] for row in rows]
    assert [path.name for path in tmp_path.iterdir()] == ["ratings.csv"]
    assert since.endswith("Z")
    assert (changed.returncode, changed.stdout) == (0, "")
    assert one.returncode == 1
    assert "no agency" in one.stderr
    assert never.returncode == 2


MANY = """
    INSERT INTO dossier (agency_id, code, procedure, counter, channel, officer, applicant_kind,
                         received_at, receipt_due_at, due_at, status, returned_at, ended_at)
    SELECT agency_id, 'H99.1-230712-' || lpad(number::text, 5, '0'), procedure, counter, channel,
           officer, applicant_kind, received_at, receipt_due_at, due_at, status, returned_at,
           ended_at
      FROM (SELECT * FROM dossier LIMIT 1) AS one, generate_series(1, 60000) AS number
"""
END = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE state = 'idle in transaction' AND query LIKE '%dossier%'
"""


def test_an_export_that_breaks_off_is_told_from_one_that_is_whole(data: Path) -> None:
    with EmbeddedServer(data) as server, serving(data) as service:
        url = server.start()
        query(url, MANY)
        whole = service.get("/v1/exports/dossiers").text
        assert whole.count("\n") == query(url, "SELECT count(*) FROM dossier")
        with service.client.stream("GET", "/v1/exports/dossiers") as answer:
            blocks = answer.iter_bytes()
            arrived = next(blocks)
            assert answer.status_code == 200
            wait_until(lambda: query(url, END) == 1, "nothing reads the dossiers")
            with pytest.raises(httpx.RemoteProtocolError):
                arrived += b"".join(blocks)
        *rows, _ = arrived.decode().split("\n")
        last = json.loads(rows[-1])
        cursor = f"{last['agency']}:{last['code']}"
        rest = service.get("/v1/exports/dossiers", cursor=cursor).text
        assert "\n".join([*rows, rest]) == whole


def test_slow_readers_of_exports_keep_nobody_else_waiting(data: Path) -> None:
    with EmbeddedServer(data) as server, serving(data) as service, ExitStack() as opened:
        query(server.start(), MANY)
        asked = ("GET", "/v1/exports/dossiers")
        made = run(data, "keys", "create", "other", "--scope", "dossiers:read")
        other = {"Authorization": f"Bearer {made.stdout.strip()}"}
        streams = [
            service.client.stream(*asked, timeout=PAGE_SECONDS / 2, headers=whose)
            for whose in [{}] * 15 + [other] * 15
        ]
        answers = [opened.enter_context(stream) for stream in streams]
        begun = [answer.iter_raw(1) for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(begun) == MOST_AT_ONCE
        assert sum(answer.status_code == 200 for answer in answers[:15]) == MOST_OF_ONE
        for answer in refused:
            assert (answer.status_code, json.loads(answer.read())["code"]) == (503, "saturated")
            assert int(answer.headers["Retry-After"]) > 1
        for path in ("/readyz", "/v1/agencies", "/v1/operations") * 10:
            assert {len(next(trickle)) for trickle in begun} == {1}
            assert service.get(path).status_code == 200
        opened.close()
        wait_until(lambda: service.get(asked[1]).status_code == 200, "a place is not free again")
