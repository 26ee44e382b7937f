"""`hailong import`, and imports that survive the death of their worker."""

import gzip
import json
import random
import signal
import time
from itertools import islice

import pytest
from cli.processes import background, query, run, serving, wait_until

from app.db.embedded import EmbeddedServer
from bench import scene
from bench.scratch import folder

ROWS = 24_000
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def province():
    """A data folder with returned dossiers, and a file of ratings of them, some of them wrong."""
    with folder() as data, EmbeddedServer(data) as server:
        scene.found(data)
        url = server.start()
        scene.register(url, 0, ROWS)
        scene.recount(data, url)
        file = data.parent / "ratings.ndjson.gz"
        rows = list(islice(scene.bodies(0, random.Random(1)), ROWS))
        for row in rows[::1000]:
            row["answers"] = {"q77": "5"}
        written = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.write_bytes(gzip.compress(written.encode(), 1))
        yield data, url, file


def test_an_import_whose_worker_is_killed_again_and_again_ends_with_the_same_counts(province):
    data, url, file = province
    with serving(data, database_url=url) as service:
        answer = service.client.post(
            "/v1/imports/ratings", content=file.read_bytes(), headers=NDJSON
        )
        assert answer.status_code == 202, answer.text
        where = answer.headers["Location"]
        reached = [0]

        def read():
            return service.get(where).json()["read"]

        while len(reached) < 3 and service.get(where).json()["state"] != "done":
            with background(data, "worker", database_url=url) as worker:
                wait_until(lambda: read() > reached[-1], "the worker does not get on")
                time.sleep(random.uniform(0, 0.2))
                worker.send(signal.SIGKILL)
            reached.append(read())
        with background(data, "worker", database_url=url) as worker:
            wait_until(lambda: service.get(where).json()["state"] == "done", "it is not done")
            assert worker.send(signal.SIGTERM) == 0
        done = service.get(where).json()
        lines = service.get(f"{where}/errors").text.splitlines()
    assert len(reached) > 1
    wrong = ROWS // 1000
    assert (done["read"], done["accepted"], done["rejected"]) == (ROWS, ROWS - wrong, wrong)
    assert [json.loads(line)["line"] for line in lines] == [1 + 1000 * n for n in range(wrong)]
    assert query(url, "SELECT count(*) FROM rating") == ROWS - wrong
    assert scene.drift(data, url) == 0
    said = run(data, "import", "ratings", str(file), "--json", database_url=url)
    again = json.loads(said.stdout)
    assert (again["accepted"], again["replayed"]) == (0, 0)


def test_a_file_is_imported_at_once_and_its_errors_are_shown(province):
    data, url, _ = province
    file = data.parent / "a.csv"
    file.write_text("agency,code,procedure,channel,received_at\nH77,x,y,desk,01/06/2026\n")
    said = run(data, "import", "dossiers", str(file), database_url=url)
    assert (said.returncode, said.stderr) == (1, "")
    assert "line 2 /code: " in said.stdout
    assert "1 rows: 0 accepted, 0 there before, 1 rejected." in said.stdout


def test_a_file_whose_name_does_not_tell_its_form_is_refused(province):
    data, url, _ = province
    file = data.parent / "ratings.xlsx"
    file.write_bytes(b"PK")
    said = run(data, "import", "ratings", str(file), database_url=url)
    assert said.returncode == 2
    assert ".csv" in said.stderr


def test_the_demonstration_has_a_worker_that_ends_with_it(data):
    with serving(data, "demo") as service:
        sent = service.client.post("/v1/imports/ratings", content=b"{}\n", headers=NDJSON)
        where = sent.headers["Location"]
        wait_until(lambda: service.get(where).json()["state"] == "done", "nobody does it")
        assert service.get(where).json()["rejected"] == 1
        assert service.send(signal.SIGTERM) == 0
