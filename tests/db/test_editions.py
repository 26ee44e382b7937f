"""Editions in the database: one cut, one row, for good."""

import asyncio
import hashlib
import json
from functools import partial

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.db import editions
from app.db.known import Known
from app.db.session import own_connection, sessions

ASKED = {
    "code": "e",
    "title": {"vi": "Mức độ hài lòng năm 2026"},
    "peer_group": "g",
    "period": "2026",
    "surveys": ["s1"],
}
REVISED = ASKED | {"supersedes": "e", "reason": "Bổ sung phiếu."}
AGENCIES = [f"A{number}" for number in range(1, 7)]


@pytest.fixture
async def admin(committed):
    """A caller with every scope, and six agencies in a group, each with ten forms."""
    for code in AGENCIES:
        await committed.agency(code)
    await committed.peer_group("g", *AGENCIES)
    for survey, year in (("s0", 2025), ("s1", 2026)):
        days = {"opens_on": f"{year}-01-01", "closes_on": f"{year}-12-31"}
        await committed.survey(survey, peer_group="g", agencies=None, **days)
        for code in AGENCIES:
            counts = {q: {"5": 7, "1": 3} for q in ("q1", "q2")}
            fields = {"agency": code, "survey": survey, "period": f"{year}-05"}
            answer = await committed.sheet(counts, 10, **fields)
            assert answer.status_code == 201, answer.text
            path = f"/v1/surveys/{survey}/distributions/{code}/paper"
            await committed.put(path, {"issued": 20, "returned": 20, "invalid": 0})
    return await committed.caller()


async def frozen(client, **fields):
    answer = await client.post("/v1/editions", json=ASKED | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def publish(client, code="e"):
    answer = await client.post(f"/v1/editions/{code}/publish")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def execute(committed, statement):
    await committed.session.execute(text(statement))
    await committed.session.commit()


async def refused(committed, statement):
    """Whether the database refuses the statement, and forgets it."""
    try:
        await execute(committed, statement)
    except IntegrityError:
        await committed.session.rollback()
        return True
    return False


# Each changes something else of the row; a document with the digest of another fits no row.
CHANGES = [
    "UPDATE edition SET document = '{}', digest = sha256('{}')",
    'UPDATE edition SET title = \'{"vi": "Tên khác"}\'',
    "UPDATE edition SET peer_group = 'g2'",
    "UPDATE edition SET first = first - 1",
    "UPDATE edition SET last = last + 1",
    "UPDATE edition SET request = '{}'",
    "UPDATE edition SET frozen_at = now()",
    "UPDATE edition SET frozen_by = 'somebody'",
    "UPDATE edition SET supersedes = 'other', reason = 'x' WHERE code = 'e'",
    "UPDATE edition SET code = 'f'",
]
PUBLISHED_ONLY = [
    "UPDATE edition SET published_at = now()",
    "UPDATE edition SET published_by = 'somebody'",
    "UPDATE edition SET published_at = NULL, published_by = NULL",
    "DELETE FROM edition",
]


async def rows(committed):
    found = (await committed.session.execute(text("SELECT * FROM edition ORDER BY code"))).all()
    await committed.session.rollback()
    return found


async def test_a_published_edition_is_neither_changed_nor_deleted(committed, admin):
    await committed.peer_group("g2", "A1")
    await frozen(admin)
    await publish(admin)
    before = await rows(committed)
    for statement in (*CHANGES, *PUBLISHED_ONLY):
        assert await refused(committed, statement), statement
    assert await rows(committed) == before


async def test_a_frozen_edition_can_only_be_published_or_dropped(committed, admin):
    await committed.peer_group("g2", "A1")
    await frozen(admin)
    before = await rows(committed)
    for statement in (*CHANGES, "UPDATE edition SET published_at = now()"):
        assert await refused(committed, statement), statement
    assert await rows(committed) == before
    await execute(committed, "UPDATE edition SET published_at = now(), published_by = 'admin'")
    assert await refused(committed, "DELETE FROM edition")
    await frozen(admin, code="draft")
    await execute(committed, "DELETE FROM edition WHERE code = 'draft'")


async def test_a_document_with_the_digest_of_another_is_not_stored(committed, admin):
    await frozen(admin)
    columns = "code, title, peer_group, first, last, request, frozen_at, frozen_by"
    copied = columns.replace("code", "'f'")
    for document, digest in (("document || ' '", "digest"), ("document", "sha256(digest)")):
        statement = f"""
            INSERT INTO edition ({columns}, document, digest)
            SELECT {copied}, {document}, {digest} FROM edition
        """  # noqa: S608 -- the columns are ours
        assert await refused(committed, statement)
    (row,) = await rows(committed)
    assert hashlib.sha256(row.document).digest() == row.digest


async def document(client, code="e"):
    answer = await client.get(f"/v1/editions/{code}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def keep_storing(committed, done):
    """Store one more person everywhere in each transaction, so that all numbers stay equal."""
    people = 10
    while not done.is_set():
        people += 1
        n, issued = {"n": people}, {"n": 2 * people}
        await committed.session.execute(text("UPDATE tally SET counts[1] = :n, counts[2] = :n"), n)
        await committed.session.execute(
            text("UPDATE distribution SET issued = :n, returned = :n"), issued
        )
        await committed.session.commit()


async def test_an_edition_is_one_cut_while_others_store(committed, admin):
    seen, done = set(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_storing(committed, done))
        for number in range(8):
            await frozen(admin, code=f"e{number}", earlier_surveys=["s0"])
            made = await document(admin, f"e{number}")
            for ranking in made["rankings"]:
                assert {row["change"]["value"] for row in ranking["rows"]} == {0}
            notes = [note for part in made["agencies"] for note in part["figures"][0]["findings"]]
            told = [one["params"] for one in notes if one["code"].startswith("forms-differ")]
            people = {one["counted"] for one in told}
            assert (len(told), len(people)) == (len(AGENCIES), 1)
            assert {one["valid"] for one in told} == {2 * n for n in people}
            seen |= people
        done.set()
    assert len(seen) > 1


async def test_of_the_same_request_eight_times_at_once_one_edition_comes(committed, admin):
    answers = await asyncio.gather(*(admin.post("/v1/editions", json=ASKED) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert len(await rows(committed)) == 1


async def test_of_other_requests_under_one_code_at_once_one_is_stored(committed, admin):
    bodies = [ASKED | {"title": {"vi": f"Bản {number}"}} for number in range(8)]
    answers = await asyncio.gather(*(admin.post("/v1/editions", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"edition-exists"}
    (stored,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert [row.title for row in await rows(committed)] == [{"vi": stored["title"]["vi"]}]


async def test_editions_frozen_at_once_do_not_disturb_each_other(committed, admin):
    codes = [f"e{number}" for number in range(6)]
    await asyncio.gather(*(frozen(admin, code=code) for code in codes))
    made = [await document(admin, code) for code in codes]
    assert len({json.dumps(one["agencies"]) for one in made}) == 1
    assert [one["code"] for one in made] == codes


async def waiting(committed):
    """Nothing, once somebody waits for what this transaction has written."""
    stmt = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    for _ in range(500):
        if await committed.session.scalar(text(stmt)):
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def test_what_was_superseded_while_a_revision_was_made_is_not_revised_again(committed, admin):
    await frozen(admin)
    await publish(admin)
    await frozen(admin, **REVISED | {"code": "first"})
    columns = "title, peer_group, first, last, request, document, digest, frozen_at, frozen_by"
    statement = f"""
        INSERT INTO edition (code, {columns}) SELECT 'late', {columns} FROM edition WHERE code = 'e'
    """  # noqa: S608 -- the columns are ours
    await committed.session.execute(text(statement))
    late = asyncio.create_task(admin.post("/v1/editions", json=REVISED | {"code": "late"}))
    await waiting(committed)
    await publish(admin, "first")
    await committed.session.rollback()
    answer = await late
    assert (answer.status_code, answer.json()["code"]) == (409, "edition-not-revisable")
    assert [row.code for row in await rows(committed)] == ["e", "first"]


async def test_a_revision_that_was_stored_and_published_meanwhile_is_the_same_one(committed, admin):
    await frozen(admin)
    await publish(admin)
    first = await frozen(admin, **REVISED | {"code": "late"})
    kept = "CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM edition WHERE code = 'late'"
    await committed.session.execute(text(kept))
    await admin.post("/v1/editions/late/discard")
    for statement in (
        "INSERT INTO edition SELECT * FROM kept",
        "UPDATE edition SET published_at = now(), published_by = 'admin' WHERE code = 'late'",
    ):
        await committed.session.execute(text(statement))
    again = asyncio.create_task(admin.post("/v1/editions", json=REVISED | {"code": "late"}))
    await waiting(committed)
    await committed.session.commit()
    answer = await again
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert answer.json()["digest"] == first["digest"]


async def test_what_was_discarded_while_somebody_published_it_is_not_found(committed, admin):
    await frozen(admin)
    await committed.session.execute(text("DELETE FROM edition WHERE code = 'e'"))
    publishing = asyncio.create_task(admin.post("/v1/editions/e/publish"))
    await waiting(committed)
    await committed.session.commit()
    answer = await publishing
    assert (answer.status_code, answer.json()["code"]) == (404, "edition-not-found")


async def test_who_publishes_is_told_the_digest_of_what_everybody_reads(committed, admin):
    async def frozen_anew():
        await admin.post("/v1/editions/e/discard")
        return await admin.post("/v1/editions", json=ASKED)

    await frozen(admin)
    for _ in range(50):
        answers = await asyncio.gather(
            admin.post("/v1/editions/e/publish"), frozen_anew(), frozen_anew()
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 404, 409}
        told = answers[0].json()
        if answers[0].status_code == 200:
            assert told["state"] == "published"
            content = await admin.get("/v1/editions/e")
            assert told["digest"] == f"sha-256:{hashlib.sha256(content.content).hexdigest()}"
            return
    raise AssertionError


async def test_of_drafts_that_supersede_the_same_published_at_once_one_is(committed, admin):
    await frozen(admin)
    await publish(admin)
    codes = [f"r{number}" for number in range(4)]
    for code in codes:
        await frozen(admin, **REVISED | {"code": code})
    answers = await asyncio.gather(*(admin.post(f"/v1/editions/{code}/publish") for code in codes))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 3
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"edition-not-revisable"}
    listed = (await admin.get("/v1/editions")).json()["items"]
    (winner,) = [answer.json()["code"] for answer in answers if answer.status_code == 200]
    assert {one["code"]: one["superseded_by"] for one in listed} == {"e": winner, winner: None}


async def test_published_eight_times_at_once_it_is_published_once(committed, admin):
    await frozen(admin)
    answers = await asyncio.gather(*(publish(admin) for _ in range(8)))
    assert len({json.dumps(answer) for answer in answers}) == 1
    assert answers[0]["state"] == "published"


@pytest.fixture
async def elsewhere(committing, serving):
    """A reader of another process, which hears of changes, and what that process knows."""
    app = serving()
    app.state.known = known = Known(app.state.sessions)
    listening = asyncio.create_task(known.listen(partial(own_connection, committing)))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as reader:
        yield reader, known
    listening.cancel()
    await asyncio.wait([listening])
    await app.state.group_commit.close()


async def remembered(known, code="e"):
    """The published edition, once the process keeps it."""
    for _ in range(500):
        found = await known.publication(code)
        if found is await known.publication(code):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(code)


async def test_another_process_hears_what_was_published_and_superseded(admin, elsewhere):
    reader, known = elsewhere
    await frozen(admin)
    assert (await reader.get("/v1/editions/e")).status_code == 404
    await publish(admin)
    await remembered(known)
    before = await reader.get("/v1/editions/e")
    assert "Link" not in before.headers
    await frozen(admin, **REVISED | {"code": "r"})
    await publish(admin, "r")
    for _ in range(500):
        after = await reader.get("/v1/editions/e")
        if "Link" in after.headers:
            break
        await asyncio.sleep(0.01)
    assert after.headers["Link"] == '</v1/editions/r>; rel="successor-version"'
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    latest = await reader.get("/v1/editions/latest", params={"peer_group": "g"})
    assert latest.headers["Content-Location"] == "/v1/editions/r"


async def test_only_what_was_published_is_kept_in_memory(admin, elsewhere):
    reader, known = elsewhere
    await frozen(admin)
    await publish(admin)
    await remembered(known)
    for number in range(20):
        for path in (f"e/rankings/c{number}", f"e/indices/B{number}", f"none{number}"):
            assert (await reader.get(f"/v1/editions/{path}")).status_code == 404
    for path in ("rankings/overall", "indices/A1", "datapackage.zip"):
        for language in ("vi", "en", "fr", "vi;q=0.5,en;q=0.4", "xx"):
            for form in ("application/json", "text/csv", "*/*"):
                headers = {"Accept-Language": language, "Accept": form}
                answer = await reader.get(f"/v1/editions/e/{path}", headers=headers)
                assert answer.status_code == 200
    assert set((await known.publication("e")).rendered) == {
        ("/v1/editions/e/rankings/overall", "vi"),
        ("/v1/editions/e/rankings/overall", "en"),
        ("/v1/editions/e/indices/A1", "vi"),
        ("/v1/editions/e/indices/A1", "en"),
        ("zip",),
    }


async def test_what_an_edition_does_not_hold_is_refused_without_reading_it_again(admin, elsewhere):
    reader, known = elsewhere
    await frozen(admin)
    await publish(admin)
    found = await remembered(known)
    assert (await reader.get("/v1/editions/e/indices/A1")).status_code == 200
    found.document = b"no JSON: whoever read it now would fail"
    for path in ("rankings/A1", "rankings/none", "indices/overall", "indices/none"):
        answer = await reader.get(f"/v1/editions/e/{path}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "not-in-edition")


async def test_many_who_ask_for_the_latest_at_once_do_not_wait_for_each_other(admin, committing):
    await frozen(admin)
    await publish(admin)
    # More than there are connections: each of them must get along with one at a time.
    crowd = 3 * (committing.pool.size() + committing.pool._max_overflow)  # noqa: SLF001 -- no other way to know
    answers = await asyncio.gather(*(admin.get("/v1/editions/latest") for _ in range(crowd)))
    assert {answer.status_code for answer in answers} == {200}


async def test_what_is_read_of_a_publication_is_all_of_one_row(committed, admin):
    await frozen(admin)
    async with sessions(committed.session.bind)() as session:
        with pytest.raises(editions.EditionNotFoundError):
            await editions.publication(session, "e")
    await publish(admin)
    async with sessions(committed.session.bind)() as session:
        found = await editions.publication(session, "e")
    assert hashlib.sha256(found.document).hexdigest() == found.digest
    assert (found.superseded_by, found.rendered, found.contents) == (None, {}, None)
