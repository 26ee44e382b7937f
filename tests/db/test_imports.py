"""Imports from the request to what is stored: a worker does them on a database of real commits."""

import asyncio
import csv
import gzip
import io
import itertools
import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from conftest import NOW, REFERENCE_KEY
from factories import PLAIN
from sqlalchemy import text

from app.db import imports, keys, operations, recount, uploads
from app.db.session import sessions
from app.domain.operation import Kind
from app.settings import Settings
from app.worker import Jobs, importing
from app.worker.imports import work

NDJSON, CSV = "application/x-ndjson", "text/csv"


@pytest.fixture
def jobs(committing):
    """What a worker is handed on that server."""
    settings = Settings(log_level="error", import_max_unpacked_bytes=2**22)
    clock = lambda: NOW  # noqa: E731 -- as the app's own
    return Jobs(settings, committing, sessions(committing), REFERENCE_KEY.encode(), clock)


@pytest.fixture
async def worker(jobs):
    """A worker that is at work."""
    stop = asyncio.Event()
    working = asyncio.create_task(work(jobs, stop))
    yield working
    stop.set()
    await working


@pytest.fixture
async def admin(committed):
    """A caller whose key carries every scope."""
    await committed.agency()
    committed.admin = await committed.caller()
    return committed.admin


def lines(rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(rows, separator=",") -> bytes:
    flat = [
        {
            **{name: value for name, value in row.items() if not isinstance(value, dict)},
            **{f"{n}.{k}": v for n, d in row.items() if isinstance(d, dict) for k, v in d.items()},
        }
        for row in rows
    ]
    written = io.StringIO()
    names = list(dict.fromkeys(name for row in flat for name in row))
    writer = csv.DictWriter(written, names, delimiter=separator)
    writer.writeheader()
    writer.writerows(flat)
    return written.getvalue().encode()


async def ask(caller, kind, body, media_type=NDJSON, *, dry_run=False, **headers):
    """The answer to an import."""
    return await caller.post(
        f"/v1/imports/{kind}",
        params={"dry_run": str(dry_run).lower()},
        content=body,
        headers={"Content-Type": media_type, **headers},
    )


async def ended(caller, answer):
    """The operation, once it has ended."""
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(3):
        while True:
            got = await caller.get(answer.headers["Location"])
            if got.json()["state"] in {"done", "failed"}:
                return got.json()
            assert got.headers["Retry-After"] == "1"
            await asyncio.sleep(0.02)


async def imported(caller, kind, rows, media_type=NDJSON, **more):
    body = rows if isinstance(rows, bytes) else lines(rows)
    return await ended(caller, await ask(caller, kind, body, media_type, **more))


async def faults(caller, operation):
    got = await caller.get(f"/v1/operations/{operation['id']}/errors")
    assert got.headers["content-type"].startswith(NDJSON)
    return [json.loads(line) for line in got.text.splitlines()]


def counts(operation):
    return {name: operation[name] for name in ("read", "accepted", "replayed", "rejected")}


async def ratings(committed, number):
    """Rows of so many ratings, whose dossiers are there."""
    await committed.survey()
    chance = random.Random(7)
    return [
        {
            "id": str(UUID(int=chance.getrandbits(128), version=4)),
            "agency": "A1",
            "survey": "s1",
            "dossier": await committed.dossier(),
            "channel": chance.choice(["tablet", "portal"]),
            "answers": {"q1": chance.choice("12345"), "q2": chance.choice("12345")},
            "rated_at": "2026-06-15T16:30:00+07:00",
        }
        for _ in range(number)
    ]


RECEIPT = {
    "procedure": "1.000001",
    "channel": "desk",
    "received_at": "2026-06-01T08:00:00+07:00",
    "due_at": "2026-06-20T17:00:00+07:00",
}
RETURN = {"type": "result_returned", "at": "2026-06-15T16:00:00+07:00"}
SHEET = {
    "agency": "A1",
    "survey": "s1",
    "channel": "paper",
    "period": "2026-05",
    "forms": 3,
    "counts": {"q1": {"5": 2, "4": 1}},
}
INDEX = {
    "source": "sipas",
    "period": "2022",
    "agency": "A1",
    "title": {"vi": "Báo cáo"},
    "figures": [{"criterion": "overall", "name": {"vi": "Chung"}, "value": "81.75"}],
}


def dossiers(number, **more):
    return [
        {"agency": "A1", "code": f"000.00.01.H00-260602-{n:05}", **RECEIPT, **more}
        for n in range(number)
    ]


async def scalar(committed, statement):
    await committed.session.rollback()
    return await committed.session.scalar(text(statement))


async def drift(committed) -> int:
    await committed.session.rollback()
    return await recount.drift(committed.session)


@pytest.mark.parametrize(
    ("written", "media_type"),
    [
        (lines, NDJSON),
        (lambda rows: gzip.compress(lines(rows)), "application/x-ndjson; charset=utf-8"),
        (table, CSV),
        (lambda rows: b"\xef\xbb\xbf" + table(rows, ";"), CSV),
    ],
)
async def test_ratings_of_a_file_are_stored_and_counted(
    committed, admin, worker, written, media_type
):
    rows = await ratings(committed, 5)
    done = await imported(admin, "ratings", written(rows), media_type)
    assert counts(done) == {"read": 5, "accepted": 5, "replayed": 0, "rejected": 0}
    assert (done["state"], done["problem"]) == ("done", None)
    assert done["bytes_done"] == done["bytes"] == len(written(rows))
    assert await scalar(committed, "SELECT count(*) FROM rating") == 5
    assert await drift(committed) == 0


async def test_the_same_file_again_changes_nothing(committed, admin, worker):
    rows = [*await ratings(committed, 3)]
    for row in rows[1:]:
        del row["id"]
    await imported(admin, "ratings", rows)
    again = await imported(admin, "ratings", rows)
    assert counts(again) == {"read": 3, "accepted": 0, "replayed": 3, "rejected": 0}
    rows[1]["answers"]["q1"] = "na" if rows[1]["answers"]["q1"] == "1" else "1"
    rows[0]["channel"] = "sms"
    other = await imported(admin, "ratings", rows)
    assert counts(other)["replayed"] == 1
    found = [(one["line"], one["pointer"], one["code"]) for one in await faults(admin, other)]
    assert found[0] == (1, "/id", "idempotency-key-reused")
    assert found[1][:1] == (2,)
    assert await drift(committed) == 0


async def test_every_row_is_held_to_the_days_that_its_survey_allows(committed, admin, worker):
    rows = await ratings(committed, 3)
    await committed.session.execute(
        text("UPDATE dossier SET returned_at = returned_at - interval '1 year'")
    )
    await committed.session.commit()
    done = await imported(admin, "ratings", rows)
    assert counts(done) == {"read": 3, "accepted": 0, "replayed": 0, "rejected": 3}
    assert {one["code"] for one in await faults(admin, done)} == {"rating-window-closed"}


async def test_each_row_keeps_what_it_says_beside_rows_that_say_nothing(committed, admin, worker):
    rows = await ratings(committed, 3)
    rows[1] |= {"comment": "Tốt", "device_seq": 7, "rated_at": "2026-06-15T16:31:00+07:00"}
    del rows[2]["rated_at"]
    await imported(admin, "ratings", rows)
    stored = await committed.session.execute(
        text("SELECT id, comment, device_seq, rated_at, received_at FROM rating")
    )
    said = {str(one[0]): one[1:] for one in stored}
    at = [datetime.fromisoformat(row["rated_at"]) for row in rows[:2]]
    assert [said[row["id"]] for row in rows] == [
        (None, None, at[0], NOW),
        ("Tốt", 7, at[1], NOW),
        (None, None, NOW, NOW),
    ]


async def test_a_dry_run_tells_what_would_be_and_stores_nothing(committed, admin, worker):
    rows = await ratings(committed, 3)
    rows[1]["answers"] = {"q9": "5"}
    tried = await imported(admin, "ratings", rows, dry_run=True)
    assert tried["dry_run"] is True
    assert counts(tried) == {"read": 3, "accepted": 2, "replayed": 0, "rejected": 1}
    assert [one["line"] for one in await faults(admin, tried)] == [2]
    assert await scalar(committed, "SELECT count(*) FROM rating") == 0
    assert await scalar(committed, "SELECT count(*) FROM tally") == 0
    done = await imported(admin, "ratings", rows)
    assert counts(done) == counts(tried)


async def test_each_fault_is_told_with_its_line_and_place_in_the_readers_language(
    committed, admin, worker
):
    good, other = await ratings(committed, 2)
    body = b"\n".join(
        [
            lines([good]).strip(),
            b"",
            b"{not json",
            b"[1]",
            lines([other | {"answers": {"q1": "7", "q9": "5"}, "channel": "fax"}]).strip(),
            lines([other | {"answers": {"q1": "7", "q9": "5"}}]).strip(),
            lines([other | {"comment": "\0"}]).strip(),
            b'{"agency": "\xff"}',
            lines([other | {"agency": "A9"}]).strip(),
            lines([other | {"dossier": "000.00.01.H00-260601-99999"}]).strip(),
        ]
    )
    done = await imported(admin, "ratings", body)
    assert counts(done) == {"read": 9, "accepted": 1, "replayed": 0, "rejected": 8}
    found = await faults(admin, done)
    assert [(one["line"], one["pointer"], one["code"]) for one in found] == [
        (3, "", "bad-json"),
        (4, "", "line-not-an-object"),
        (5, "/channel", "not-allowed"),
        (6, "/answers/q1", "unknown-option"),
        (6, "/answers/q9", "unknown-question"),
        (7, "/comment", "bad-text"),
        (8, "", "bad-encoding"),
        (9, "/agency", "agency-not-found"),
        (10, "/dossier", "dossier-not-found"),
    ]
    assert (done["errors"], done["errors_kept"]) == (9, 9)
    admin.headers["Accept-Language"] = "vi"
    said = {one["detail"] for one in await faults(admin, done)}
    assert said.isdisjoint(one["detail"] for one in found)


async def test_dossiers_come_with_their_events(committed, admin, worker):
    await committed.procedure()
    await committed.survey()
    accepted = {"type": "accepted", "at": RECEIPT["received_at"]}
    rows = dossiers(3, events=[accepted, RETURN])
    rows[2]["events"] = [accepted, RETURN | {"at": "2026-05-01T08:00:00+07:00"}]
    done = await imported(admin, "dossiers", rows)
    assert counts(done) == {"read": 3, "accepted": 2, "replayed": 0, "rejected": 1}, await faults(
        admin, done
    )
    (fault,) = await faults(admin, done)
    assert (fault["line"], fault["pointer"].split("/")[:3]) == (3, ["", "events", "1"])
    assert await scalar(committed, "SELECT count(*) FROM dossier WHERE status = 10") == 2
    assert await scalar(committed, "SELECT count(*) FROM dossier_event") == 4
    revisions = await scalar(committed, "SELECT sum(revision) FROM dossier")
    again = await imported(admin, "dossiers", rows[:2])
    assert counts(again) == {"read": 2, "accepted": 0, "replayed": 2, "rejected": 0}
    assert await scalar(committed, "SELECT sum(revision) FROM dossier") == revisions
    assert await drift(committed) == 0


async def test_dossiers_of_a_table_are_registered_and_returned(committed, admin, worker):
    await committed.procedure()
    body = (
        "Cơ quan;Mã hồ sơ;Thủ tục;Hình thức nộp;Ngày tiếp nhận;Ngày hẹn trả;Ngày trả kết quả\r\n"
        "A1;000.00.01.H00-260602-00001;1.000001;desk;"
        "01/06/2026 08:00;20/06/2026;12/06/2026 9:30\r\n"
    ).encode()
    done = await imported(admin, "dossiers", body, CSV)
    assert counts(done)["accepted"] == 1, await faults(admin, done)
    (returned,) = await committed.session.execute(text("SELECT status, returned_at FROM dossier"))
    assert (returned[0], returned[1].isoformat()) == (10, "2026-06-12T02:30:00+00:00")


async def test_tally_sheets_are_counted_once_under_their_id(committed, admin, worker):
    await committed.survey()
    wrong = SHEET | {"counts": {"q1": {"5": 9}}}
    rows = [
        SHEET | {"id": "to-1"},
        SHEET | {"id": "to-2"},
        wrong,
        SHEET | {"id": "to-1", "forms": 4},
    ]
    done = await imported(admin, "tally-sheets", rows)
    assert counts(done) == {"read": 4, "accepted": 2, "replayed": 0, "rejected": 2}
    found = [(one["line"], one["pointer"], one["code"]) for one in await faults(admin, done)]
    assert found == [
        (3, "/counts/q1", "more-answers-than-forms"),
        (4, "/id", "idempotency-key-reused"),
    ]
    again = await imported(admin, "tally-sheets", rows[:2])
    assert counts(again)["replayed"] == 2
    by_request = await admin.post(
        "/v1/tally-sheets", json=SHEET, headers={"Idempotency-Key": "to-1"}
    )
    assert by_request.headers["Idempotent-Replayed"] == "true"
    assert await drift(committed) == 0


async def test_published_indices_are_stored_as_printed(committed, admin, worker):
    rows = [INDEX, INDEX | {"agency": "A9"}, INDEX | {"period": "2099"}]
    done = await imported(admin, "published-indices", rows)
    assert counts(done) == {"read": 3, "accepted": 1, "replayed": 0, "rejected": 2}
    found = [(one["pointer"], one["code"]) for one in await faults(admin, done)]
    assert found == [("/agency", "agency-not-found"), ("/period", "in-the-future")]
    again = await imported(admin, "published-indices", [INDEX])
    assert counts(again)["replayed"] == 1
    got = await admin.get("/v1/published-indices/sipas/2022/A1")
    assert (got.headers["ETag"], got.json()["figures"][0]["value"]) == ('"1"', "81.75")


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_key_limited_to_agencies_imports_for_no_other(committed, admin, worker, kind):
    await committed.agency("A2")
    await committed.procedure()
    (rating,) = await ratings(committed, 1)
    await committed.survey(agencies=["A1", "A2"])
    one = {
        Kind.RATINGS: rating,
        Kind.DOSSIERS: dossiers(1)[0],
        Kind.TALLY_SHEETS: SHEET,
        Kind.PUBLISHED_INDICES: INDEX,
    }[kind]
    limited = await committed.caller(agencies={"A1"})
    done = await imported(limited, kind, [one, one | {"agency": "A2"}])
    assert counts(done) == {"read": 2, "accepted": 1, "replayed": 0, "rejected": 1}
    (fault,) = await faults(limited, done)
    assert (fault["pointer"], fault["code"]) == ("/agency", "agency-not-allowed")


async def test_an_import_of_a_key_that_is_revoked_meanwhile_fails(committed, admin, jobs):
    rows = await ratings(committed, 1)
    answer = await ask(admin, "ratings", lines(rows))
    await keys.revoke(committed.session, (await keys.list_all(committed.session))[-1].id, NOW)
    await committed.session.commit()
    other = await committed.caller()
    await work_until_idle(jobs)
    failed = await ended(other, answer)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", "import-key-revoked")
    assert failed["read"] == 0
    assert await scalar(committed, "SELECT count(*) FROM operation_chunk") == 0


async def test_an_import_under_way_ends_when_its_key_is_revoked(
    committed, admin, jobs, monkeypatch
):
    monkeypatch.setattr(importing, "MOST_AT_FIRST", 2)
    rows = await ratings(committed, 6)
    await committed.session.execute(text("LOCK TABLE rating IN SHARE MODE"))
    answer = await ask(admin, "ratings", lines(rows))
    stop = asyncio.Event()
    working = asyncio.create_task(work(jobs, stop))
    async with jobs.sessions.begin() as session:
        for _ in range(500):
            if await session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                break
            await asyncio.sleep(0.02)
        await keys.revoke(session, (await keys.list_all(session))[-1].id, NOW)
    await committed.session.commit()
    failed = await ended(await committed.caller(), answer)
    stop.set()
    await working
    assert (failed["state"], failed["problem"]["code"]) == ("failed", "import-key-revoked")
    assert (failed["read"], failed["accepted"]) == (2, 2)
    assert await drift(committed) == 0


async def work_until_idle(jobs):
    """A worker at work until nothing waits."""
    stop = asyncio.Event()
    working = asyncio.create_task(work(jobs, stop))
    waiting = "SELECT count(*) FROM operation WHERE state IN ('queued', 'running')"
    async with asyncio.timeout(3):
        while True:
            async with jobs.sessions() as session:
                if not await session.scalar(text(waiting)):
                    break
            await asyncio.sleep(0.02)
    stop.set()
    await working


@pytest.mark.parametrize(
    ("body", "media_type", "code"),
    [
        (b"\x1f\x8b not gzip at all", NDJSON, "bad-gzip"),
        (gzip.compress(lines([{}] * 1000))[:-20], NDJSON, "bad-gzip"),
        (gzip.compress((b"1" * 99_999 + b"\n") * 80), NDJSON, "file-too-large"),
        (b"PK\x03\x04 a workbook", CSV, "workbook-not-csv"),
        (b"agency,flavour\r\nA1,sweet\r\n", CSV, "unknown-column"),
        (b"agency,survey,channel,answers.q1\r\nA1,s1,paper,5\r\n" * 2, CSV, "column-missing"),
        (b"no headings here\r\n", CSV, "no-heading"),
    ],
)
async def test_a_file_that_cannot_be_read_to_its_end_fails(
    committed, admin, worker, body, media_type, code
):
    failed = await imported(admin, "ratings", body, media_type)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", code)
    assert failed["problem"]["title"]
    assert (await faults(admin, failed))[-1]["code"] == code


async def test_a_line_without_end_is_one_fault_and_takes_no_memory(committed, admin, worker):
    body = gzip.compress(b'{"comment": "' + b"x" * 3_000_000 + b'"}\n{"agency": 1}\n')
    done = await imported(admin, "ratings", body)
    assert done["state"] == "done"
    found = await faults(admin, done)
    assert (found[0]["line"], found[0]["code"]) == (1, "line-too-long")
    assert {one["line"] for one in found[1:]} == {2}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(b"", NDJSON), (b"", CSV), (b"\xef\xbb\xbfagency,comment\r\n,\r\n", CSV)],
)
async def test_a_file_without_rows_fails(committed, admin, worker, body, media_type):
    failed = await imported(admin, "ratings", body, media_type)
    assert (failed["state"], counts(failed)["read"]) == ("failed", 0)
    assert failed["problem"]["code"] == "file-without-rows"


async def test_what_a_worker_left_is_done_by_the_next_with_the_same_counts(
    committed, admin, jobs, monkeypatch
):
    monkeypatch.setattr(importing, "MOST_RATINGS", 7)
    rows = await ratings(committed, 40)
    rows[11]["answers"] = {}
    rows[30] = rows[2]
    answer = await ask(admin, "ratings", lines(rows))
    for _ in range(30):
        stop = asyncio.Event()
        working = asyncio.create_task(work(jobs, stop))
        await asyncio.sleep(random.uniform(0, 0.06))
        stop.set()
        await working
        if (await admin.get(answer.headers["Location"])).json()["state"] == "done":
            break
    await work_until_idle(jobs)
    done = await ended(admin, answer)
    assert counts(done) == {"read": 40, "accepted": 38, "replayed": 1, "rejected": 1}
    assert [one["line"] for one in await faults(admin, done)] == [12]
    assert await scalar(committed, "SELECT count(*) FROM rating") == 38
    assert await drift(committed) == 0


async def test_two_workers_do_an_operation_once(committed, admin, jobs):
    rows = await ratings(committed, 5)
    answers = [await ask(admin, "ratings", lines(rows[n:])) for n in range(3)]
    await asyncio.gather(*(work_until_idle(jobs) for _ in range(2)))
    done = [await ended(admin, answer) for answer in answers]
    assert [one["read"] for one in done] == [5, 4, 3]
    assert sum(one["accepted"] for one in done) == 5
    assert sum(one["replayed"] for one in done) == 7
    assert await drift(committed) == 0


async def test_an_operation_that_never_gets_on_is_given_up(committed, admin, jobs):
    answer = await ask(admin, "ratings", lines(await ratings(committed, 1)))
    await committed.session.execute(text("UPDATE operation SET attempts = 20"))
    await committed.session.commit()
    await work_until_idle(jobs)
    failed = await ended(admin, answer)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", "import-interrupted")


async def test_an_operation_that_gets_on_is_not_given_up(committed, admin, jobs):
    answer = await ask(admin, "ratings", lines(await ratings(committed, 1)))
    await committed.session.execute(text("UPDATE operation SET attempts = 19"))
    await committed.session.commit()
    await work_until_idle(jobs)
    assert (await ended(admin, answer))["state"] == "done"
    assert await scalar(committed, "SELECT attempts FROM operation") == 0


async def test_so_many_errors_are_kept_and_all_are_counted(committed, admin, worker, monkeypatch):
    monkeypatch.setattr(operations, "MOST_ERRORS", 3)
    done = await imported(admin, "ratings", b"{}\n" * 5)
    assert done["rejected"] == 5
    assert len(await faults(admin, done)) == 3


async def test_many_ratings_are_counted_as_few_are(committed, admin, worker, monkeypatch):
    monkeypatch.setattr(imports, "FEWEST", 1)
    await committed.agency("A2")
    await committed.survey("s2", "A1", "A2", form=PLAIN)
    rows = await ratings(committed, 12)
    for row in rows[::3]:
        row["agency"], row["survey"] = "A2", "s2"
        row["dossier"] = await committed.dossier("A2", officer="cb-1")
    done = await imported(admin, "ratings", rows)
    assert counts(done)["accepted"] == 12, await faults(admin, done)
    assert await drift(committed) == 0


async def test_who_subscribed_is_told_when_an_import_has_ended(committed, admin, worker):
    await committed.session.execute(
        text("""
        INSERT INTO webhook (code, url, events, active, created_at)
        VALUES ('w', 'https://example.org', ARRAY['operation.finished'], true, now())
        """)
    )
    await committed.session.commit()
    done = await imported(admin, "ratings", await ratings(committed, 2))
    body = json.loads(await scalar(committed, "SELECT body FROM webhook_delivery"))
    assert body["subject"] == f"/v1/operations/{done['id']}"
    assert body["data"]["accepted"] == 2


async def test_what_is_old_is_forgotten_and_what_never_became_an_operation(committed, admin, jobs):
    answer = await ask(admin, "ratings", b"{}\n")
    await work_until_idle(jobs)
    orphan, fresh = UUID(int=1), UUID(int=2)
    async with jobs.sessions.begin() as session:
        await uploads.keep(session, orphan, 0, b"x", NOW - timedelta(days=2))
        await uploads.keep(session, fresh, 0, b"x", NOW)
        await operations.sweep(session, NOW + timedelta(days=89))
    assert (await admin.get(answer.headers["Location"])).status_code == 200
    left = await scalar(committed, "SELECT count(*) FROM operation_chunk")
    async with jobs.sessions.begin() as session:
        await operations.sweep(session, NOW + timedelta(days=91))
    assert left in {0, 1}
    assert (await admin.get(answer.headers["Location"])).status_code == 404
    assert await scalar(committed, "SELECT count(*) FROM operation_error") == 0


HEADINGS = "Cơ quan;Đợt khảo sát;Hồ sơ;Kênh đánh giá;Thời điểm đánh giá;Câu hỏi q1"


async def test_faults_of_a_table_are_told_by_row_and_column_in_the_words_of_the_sheet(
    committed, admin, worker
):
    await committed.survey()
    code = await committed.dossier()
    body = (
        f"{HEADINGS}\r\n"
        f'A1;s1;"{code}\r\n";Zalo;31/02/2026 09:30;Rất hài lòng\r\n'
        f"A1;s1;{code};tablet;15/06/2026 16:30;7\r\n"
        f"A1;{code};tablet;15/06/2026 16:30;5\r\n"
        f"A1;s1;{code};Máy tính bảng tại quầy;15/06/2026 16:30;5\r\n"
    ).encode()
    done = await imported(admin, "ratings", body, CSV)
    assert (done["state"], counts(done)["accepted"]) == ("done", 1)
    admin.headers["Accept-Language"] = "vi"
    found = await faults(admin, done)
    seen = [[one.get(n) for n in ("line", "row", "pointer", "code", "column")] for one in found]
    assert sorted(seen) == [
        [2, 2, "/answers/q1", "cell-not-an-option", "Câu hỏi q1"],
        [2, 2, "/channel", "cell-not-listed", "Kênh đánh giá"],
        [2, 2, "/rated_at", "cell-not-in-the-calendar", "Thời điểm đánh giá"],
        [4, 3, "/answers/q1", "cell-not-an-option", "Câu hỏi q1"],
        [5, 4, "/dossier", "too-few-cells", "Hồ sơ"],
    ]
    said = {one["code"]: one["detail"] for one in found}
    shown = {one["code"]: (one.get("cell"), one["help"]) for one in found}
    assert shown["cell-not-in-the-calendar"][0] == "31/02/2026 09:30"
    assert "30/09/2026" in shown["cell-not-in-the-calendar"][1]
    assert shown["too-few-cells"][0] is None
    assert "Máy tính bảng tại quầy (tablet)" in said["cell-not-listed"]
    assert "5 (" in said["cell-not-an-option"]
    assert "5 ô" in said["too-few-cells"]
    assert "6 cột" in said["too-few-cells"]


async def test_a_rating_that_is_dated_by_its_day_is_of_that_days_end_or_of_now(
    committed, admin, jobs
):
    await committed.survey()
    before, today, early, late = [await committed.dossier() for _ in range(4)]
    await committed.session.execute(
        text("UPDATE dossier SET returned_at = returned_at - interval '1 day' WHERE code = :code"),
        {"code": before},
    )
    await committed.session.commit()
    body = (
        f"{HEADINGS}\r\n"
        f"A1;s1;{before};paper;14/06/2026;5\r\n"
        f"A1;s1;{today};paper;15/06/2026;5\r\n"
        f"A1;s1;{early};paper;14/06/2026;5\r\n"
        f"A1;s1;{late};paper;16/06/2026;5\r\n"
        f"A1;s1;{late};paper;15/06/2026 18:00;5\r\n"
    ).encode()
    answer = await ask(admin, "ratings", body, CSV)
    await work_until_idle(jobs)
    done = await ended(admin, answer)
    assert counts(done)["accepted"] == 2, await faults(admin, done)
    assert [(one["line"], one["code"]) for one in await faults(admin, done)] == [
        (4, "result-not-returned"),
        (5, "in-the-future"),
        (6, "in-the-future"),
    ]
    stored = await committed.session.scalars(text("SELECT rated_at FROM rating ORDER BY rated_at"))
    assert [one.isoformat() for one in stored] == [
        "2026-06-14T16:59:59+00:00",
        NOW.isoformat(),
    ]
    answer = await ask(admin, "ratings", body, CSV)
    await work_until_idle(replace(jobs, clock=lambda: NOW + timedelta(minutes=30)))
    assert counts(await ended(admin, answer))["replayed"] == 2


async def test_a_request_dated_at_the_end_of_today_is_in_the_future(committed, admin, worker):
    (row,) = await ratings(committed, 1)
    done = await imported(admin, "ratings", [row | {"rated_at": "2026-06-15T23:59:59+07:00"}])
    assert [one["code"] for one in await faults(admin, done)] == ["in-the-future"]


async def test_of_two_sheets_with_the_same_counts_the_second_is_refused_until_it_has_an_id(
    committed, admin, worker
):
    await committed.survey()
    heading = "Cơ quan;Đợt khảo sát;Kênh đánh giá;Tháng;Số phiếu hợp lệ;Số lượt q1.5;Mã dòng\r\n"
    row = "A1;s1;Phiếu giấy;05/2026;3;3;"
    first = await imported(admin, "tally-sheets", f"{heading}{row}\r\n{row}\r\n".encode(), CSV)
    assert counts(first) == {"read": 2, "accepted": 1, "replayed": 0, "rejected": 1}
    (fault,) = await faults(admin, first)
    assert (fault["row"], fault["column"], fault["code"]) == (3, "Mã dòng", "row-repeated")
    named = f"{heading}{row}\r\n{row}tap-2\r\n".encode()
    mended = await imported(admin, "tally-sheets", named, CSV)
    assert counts(mended) == {"read": 2, "accepted": 1, "replayed": 1, "rejected": 0}
    again = await imported(admin, "tally-sheets", named, CSV)
    assert counts(again)["replayed"] == 2
    by_line = await imported(admin, "tally-sheets", [SHEET, SHEET])
    assert counts(by_line) == {"read": 2, "accepted": 1, "replayed": 0, "rejected": 1}
    taken = await imported(
        admin, "tally-sheets", f"{heading}{row.replace('05', '04')}tap-2\r\n".encode(), CSV
    )
    assert [one["code"] for one in await faults(admin, taken)] == ["cell-row-id-used"]


async def test_what_a_clerk_left_empty_or_named_is_told_with_what_to_write(
    committed, admin, worker
):
    await committed.survey()
    body = (
        f"{HEADINGS};Mã dòng\r\n"
        f"Sở Minh họa;s1;{await committed.dossier()};paper;;5;\r\n"
        f"A1;s1;;paper;;;1\r\n"
    ).encode()
    done = await imported(admin, "ratings", body, CSV)
    found = await faults(admin, done)
    seen = {(one["row"], one["code"], one.get("column"), one.get("cell")) for one in found}
    assert seen == {
        (2, "cell-not-a-code", "Cơ quan", "Sở Minh họa"),
        (3, "cell-empty", "Hồ sơ", None),
        (3, "cells-all-empty", None, None),
        (3, "cell-not-a-row-id", "Mã dòng", None),
    }


async def test_a_sheet_with_more_answers_than_forms_names_the_column_that_mends_it(
    committed, admin, worker
):
    await committed.survey()
    heading = "agency;survey;channel;period;forms;Số lượt q1.5;Lý do chấp nhận q1\r\n"
    row = "A1;s1;paper;05/2026;3;4;"
    done = await imported(admin, "tally-sheets", f"{heading}{row}\r\n".encode(), CSV)
    (fault,) = await faults(admin, done)
    assert (fault["code"], fault["column"]) == ("cells-exceed-forms", "Số lượt q1.5")
    assert "“Lý do chấp nhận q1”" in fault["help"]
    mended = await imported(admin, "tally-sheets", f"{heading}{row}vì sao\r\n".encode(), CSV)
    assert counts(mended)["accepted"] == 1


@pytest.mark.parametrize(
    ("row", "code"),
    [(b"A1;s1;D1;tablet;;H\xe0i\r\n", "bad-encoding"), (b'A1;s1;"D1;tablet;;5\r\n', "open-quote")],
)
async def test_a_damaged_table_fails_with_advice_and_keeps_the_rows_before(
    committed, admin, worker, row, code
):
    await committed.survey()
    good = f"{HEADINGS}\r\nA1;s1;{await committed.dossier()};tablet;;5\r\n".encode()
    failed = await imported(admin, "ratings", good + row + b"A1;s1;D2;tablet;;5\r\n", CSV)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", code)
    assert counts(failed) == {"read": 2, "accepted": 1, "replayed": 0, "rejected": 1}
    assert "CSV UTF-8" in failed["problem"]["detail"]


async def test_a_line_of_json_that_is_not_utf8_does_not_end_the_file(committed, admin, worker):
    done = await imported(admin, "ratings", b'{"agency": "\xff"}\n')
    assert done["state"] == "done"
    (fault,) = await faults(admin, done)
    assert fault.keys() == {"line", "pointer", "code", "detail", "help"}


async def test_of_a_published_index_whose_rows_stand_apart_nothing_is_stored(
    committed, admin, worker
):
    await committed.agency("A2")
    heading = "Nguồn;Kỳ;Cơ quan;Tên tài liệu;Tiêu chí;Tên tiêu chí;Giá trị\n"
    first, other, second = (
        f"sipas;2022;{agency};T;{criterion};C;{value}\n"
        for agency, criterion, value in (
            ("A1", "access", "70,5"),
            ("A2", "overall", "80"),
            ("A1", "overall", "81,75"),
        )
    )
    apart = await imported(
        admin, "published-indices", f"{heading}{first}{other}{second}".encode(), CSV
    )
    assert counts(apart) == {"read": 3, "accepted": 1, "replayed": 0, "rejected": 2}
    assert [(one["row"], one["code"]) for one in await faults(admin, apart)] == [
        (2, "rows-apart"),
        (4, "rows-apart"),
    ]
    assert (await admin.get("/v1/published-indices/sipas/2022/A1")).status_code == 404
    done = await imported(admin, "published-indices", f"{heading}{first}{second}".encode(), CSV)
    assert counts(done)["accepted"] == 1


async def test_a_name_that_postgresql_cannot_keep_is_a_fault_like_others(committed, admin, worker):
    good, bad = await ratings(committed, 2)
    done = await imported(admin, "ratings", [good, bad | {"a\0b": 1, "c" * 5000: 1}])
    assert counts(done) == {"read": 2, "accepted": 1, "replayed": 0, "rejected": 1}
    named, long = [fault["pointer"] for fault in await faults(admin, done)]
    assert (named, len(long)) == ("/a\N{REPLACEMENT CHARACTER}b", 500)


async def test_ratings_that_another_key_sends_again_are_refused_and_counted_once(
    committed, admin, worker
):
    rows = await ratings(committed, 2)
    del rows[1]["id"]
    await imported(admin, "ratings", rows)
    other = committed.with_key(await committed.key(name="another"))
    again = await imported(other, "ratings", rows)
    assert counts(again) == {"read": 2, "accepted": 0, "replayed": 0, "rejected": 2}
    found = [one["code"] for one in await faults(other, again)]
    assert found == ["idempotency-key-reused", "already-rated"]
    assert await scalar(committed, "SELECT count(*) FROM rating") == 2


async def test_a_file_in_which_nothing_is_right_ends_before_its_end(
    committed, admin, worker, monkeypatch
):
    monkeypatch.setattr(operations, "MOST_ERRORS", 3)
    monkeypatch.setattr(importing, "MOST_AT_FIRST", 5)
    failed = await imported(admin, "ratings", b"{}\n" * 100)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", "too-many-errors")
    assert failed["read"] < 100
    assert len(await faults(admin, failed)) == 3


async def test_a_long_import_gives_others_their_turn(committed, admin, jobs, monkeypatch):
    monkeypatch.setattr(importing, "MOST_AT_FIRST", 2)
    monkeypatch.setattr("app.worker.imports.TURN", timedelta(0))
    claim, claimed, seconds = operations.claim, [], itertools.count()

    async def noted(connection, now):
        if (held := await claim(connection, now)) is not None:
            claimed.append((held.kind, held.read))
        return held

    monkeypatch.setattr(operations, "claim", noted)
    long = await ask(admin, "ratings", lines(await ratings(committed, 9)))
    short = await ask(admin, "dossiers", lines(dossiers(1)))
    await work_until_idle(replace(jobs, clock=lambda: NOW + timedelta(seconds=next(seconds))))
    assert [kind for kind, _ in claimed] == ["ratings", "dossiers", "ratings"]
    assert claimed[2][1] > 0
    done = await ended(admin, long)
    assert counts(done) == {"read": 9, "accepted": 9, "replayed": 0, "rejected": 0}
    assert (await ended(admin, short))["read"] == 1
    assert await drift(committed) == 0


async def test_rows_of_a_batch_that_need_several_transactions_are_counted_once(
    committed, admin, worker
):
    await committed.procedure()
    await imported(admin, "dossiers", dossiers(80))
    event = {"type": "accepted", "at": "2026-06-02T08:00:00+07:00"}
    moved = await imported(admin, "dossiers", [*dossiers(80, events=[event]), {}])
    assert counts(moved) == {"read": 81, "accepted": 80, "replayed": 0, "rejected": 1}
    assert await scalar(committed, "SELECT count(*) FROM dossier_event") == 80
    assert [one["line"] for one in await faults(admin, moved)][:1] == [81]
