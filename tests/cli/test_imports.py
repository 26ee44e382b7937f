"""`hailong import`, and imports that survive the death of their worker."""

import codecs
import csv
import gzip
import json
import random
import signal
import subprocess
import sys
import time
from itertools import islice

import pytest
from cli.processes import (
    COMMAND,
    PATIENCE,
    ROOT,
    background,
    environment,
    query,
    run,
    serving,
    wait_until,
)

from app.cli.imports import language
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


def in_english(data, url, *arguments):
    return subprocess.run(
        [*COMMAND, "import", *map(str, arguments)],
        cwd=ROOT,
        env=environment(data, database_url=url) | {"LANG": "en_GB.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def test_rows_that_are_far_larger_once_they_are_read_are_stored_in_small_batches(province):
    data, url, _ = province
    bomb = data.parent / "bomb.ndjson.gz"
    row = b'{"x":[' + b",".join([b"[]"] * 60_000) + b"]}\n"  # in memory 20 times as much
    bomb.write_bytes(gzip.compress(row * 200, 1))
    measured = (
        "from pathlib import Path; from app.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    said = subprocess.run(
        [sys.executable, "-c", measured, "import", "ratings", str(bomb), "--json"],
        cwd=ROOT,
        env=environment(data, database_url=url),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    ended, kibibytes = said.stdout.splitlines()
    assert json.loads(ended)["rejected"] == 200
    assert int(kibibytes) < 400 * 1024


def test_a_file_is_imported_at_once_and_its_errors_are_shown(province):
    data, url, _ = province
    file = data.parent / "a.csv"
    file.write_text("agency,code,procedure,channel,received_at\nH77,x,y,fax,01/06/2026\n")
    said = run(data, "import", "dossiers", str(file), database_url=url)
    assert (said.returncode, said.stderr) == (1, "")
    assert "Dòng 2, cột “code”: Mã hồ sơ gồm " in said.stdout
    assert "Dòng 2, cột “channel” (“fax”): " in said.stdout
    assert "1 dòng: 0 được nhận, 0 đã có từ trước, 1 bị từ chối." in said.stdout
    number = query(url, "SELECT id FROM operation ORDER BY created_at DESC LIMIT 1")
    assert f"Lượt xử lý: {number}" in said.stdout
    same = in_english(data, url, "dossiers", file).stdout
    assert "Row 2, column “code”: A dossier code is " in same
    assert "1 row: 0 accepted, 0 there before, 1 rejected." in same


def test_all_errors_of_a_file_can_be_read_by_who_has_only_the_command_line(province):
    data, url, _ = province
    file, errors = data.parent / "many.csv", data.parent / "lỗi.csv"
    heading = "Cơ quan,Mã hồ sơ,Thủ tục,Hình thức nộp,Ngày tiếp nhận\n"
    file.write_text(heading + "H77,=x,,,\n" * 30)
    told = in_english(data, url, "dossiers", file, "--dry-run").stdout
    number = query(url, "SELECT id FROM operation ORDER BY created_at DESC LIMIT 1")
    assert f"/v1/operations/{number}/errors" in told
    assert "--errors" in told
    said = run(data, "import", "dossiers", str(file), "--errors", str(errors), database_url=url)
    assert "… và 100 lỗi nữa." in said.stdout
    assert f"120 lỗi đã ghi vào {errors}." in said.stdout
    assert errors.read_bytes().startswith(codecs.BOM_UTF8)
    with errors.open(encoding="utf-8-sig", newline="") as opened:
        heading, *rows = csv.reader(opened, delimiter=";")
    assert heading[2:6] == ["Cột", "Nội dung ô", "Lỗi", "Cách sửa"]
    assert ["Ô này bắt buộc phải điền.", "Điền ô này rồi gửi lại tệp."] in [
        row[4:6] for row in rows
    ]
    assert told.count("This cell must be filled in.") > 1
    assert told.count("Fill in the cell and send the file again.") == 1
    assert len(rows) == 120
    assert ["31", "31", "Mã hồ sơ"] in [row[:3] for row in rows]
    kept = run(data, "import", "dossiers", str(file), "--errors", str(file), database_url=url)
    assert (kept.returncode, file.exists()) == (2, True)
    assert "File exists" in kept.stderr
    refused = run(data, "import", "dossiers", str(file), "--errors", "/proc/no", database_url=url)
    assert refused.returncode == 2


def test_what_is_wrong_with_a_whole_file_is_told_with_what_to_do(province):
    data, url, _ = province
    file = data.parent / "empty.csv"
    file.write_text("Cơ quan,Mã hồ sơ\n")
    said = run(data, "import", "dossiers", str(file), database_url=url)
    assert said.returncode == 1
    assert "chỉ có dòng tiêu đề" in said.stdout
    assert "Dữ liệu" in said.stdout


def test_a_line_of_json_is_named_by_its_number(province):
    data, url, _ = province
    file = data.parent / "a.ndjson"
    file.write_text("[]\n")
    assert in_english(data, url, "dossiers", file).stdout.startswith("Line 1: ")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "vi"),
        ({"LANG": "C.UTF-8"}, "vi"),
        ({"LANG": "vi_VN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LC_ALL": "vi_VN.UTF-8", "LC_MESSAGES": "en_US.UTF-8", "LANG": "en_US.UTF-8"}, "vi"),
        ({"LC_ALL": "", "LANG": "en_GB"}, "en"),
    ],
)
def test_the_command_speaks_vietnamese_unless_the_locale_is_english(environment, expected):
    assert language(environment) == expected


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
