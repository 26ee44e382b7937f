"""What an export promises while others write."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from app.api import exports as downloads
from app.db import exports
from app.db.session import sessions


@pytest.fixture
async def rated(committed):
    await committed.agency("A1")
    await committed.survey("s1")
    for _ in range(3):
        assert (await committed.rate({"q1": "5"})).status_code == 201
    return committed


def rows(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


async def long_ago(committing, table):
    async with committing.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(f"UPDATE {table} SET updated_at = '2020-01-01'"))  # noqa: S608 -- a name of the test's


async def test_what_is_committed_after_an_export_comes_with_the_next_one(
    rated, committing, monkeypatch
):
    monkeypatch.setattr(exports, "MARGIN", exports.MARGIN * 0)
    await long_ago(committing, "dossier")
    async with committing.connect() as late:
        await late.execute(text("UPDATE dossier SET officer = 'late' WHERE code LIKE '%00002'"))
        first = await rated.admin.get("/v1/exports/dossiers")
        assert [row["officer"] for row in rows(first)] == [None, None, None]
        # Written and committed while the other is open, so it is stamped later.
        async with committing.begin() as early:
            stmt = "UPDATE dossier SET officer = 'early' WHERE code LIKE '%00001'"
            await early.execute(text(stmt))
        second = await rated.admin.get("/v1/exports/dossiers")
        await late.commit()
    assert [row["officer"] for row in rows(second)] == ["early", None, None]
    since = {"updated_after": second.headers["X-Next-Updated-After"]}
    third = rows(await rated.admin.get("/v1/exports/dossiers", params=since))
    assert "late" in [row["officer"] for row in third]
    since = {"updated_after": first.headers["X-Next-Updated-After"]}
    both = rows(await rated.admin.get("/v1/exports/dossiers", params=since))
    assert [row["officer"] for row in both] == ["early", "late"]


async def test_what_a_transaction_writes_that_nobody_saw_begin_comes_with_the_next_export(
    rated, committing
):
    await long_ago(committing, "dossier")
    async with committing.connect() as unseen:
        await unseen.execute(text("SET track_activities = off"))
        await unseen.commit()
        await unseen.execute(text("UPDATE dossier SET officer = 'late' WHERE code LIKE '%00002'"))
        first = await rated.admin.get("/v1/exports/dossiers")
        await unseen.commit()
        await unseen.invalidate()
    assert [row["officer"] for row in rows(first)] == [None, None, None]
    since = {"updated_after": first.headers["X-Next-Updated-After"]}
    second = rows(await rated.admin.get("/v1/exports/dossiers", params=since))
    assert [row["officer"] for row in second] == ["late"]


async def test_once_nothing_is_open_what_was_exported_is_not_exported_again(
    rated, committing, monkeypatch
):
    monkeypatch.setattr(exports, "MARGIN", exports.MARGIN * 0)
    whole = await rated.admin.get("/v1/exports/dossiers")
    since = {"updated_after": whole.headers["X-Next-Updated-After"]}
    assert len(rows(whole)) == 3
    assert rows(await rated.admin.get("/v1/exports/dossiers", params=since)) == []


async def test_an_export_is_of_one_moment(rated, committing, serving, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 1)
    app = serving()
    async with app.state.snapshots.begin() as reading:
        pages = exports.ratings(reading, exports.Wanted())
        found = list(await anext(pages))
        assert (await rated.rate({"q1": "1"})).status_code == 201
        async with committing.begin() as connection:
            await connection.execute(text("UPDATE rating SET comment = 'changed'"))
        found += [row async for page in pages for row in page]
    assert [row["comment"] for row in found] == [None, None, None]


MANY = """
    INSERT INTO dossier (agency_id, code, procedure, counter, channel, officer, applicant_kind,
                         received_at, receipt_due_at, due_at, status, returned_at, ended_at)
    SELECT agency_id, '000.00.02.H00-260601-' || lpad(number::text, 5, '0'), procedure, counter,
           channel, officer, applicant_kind, received_at, receipt_due_at, due_at, status,
           returned_at, ended_at
      FROM (SELECT * FROM dossier LIMIT 1) AS one, generate_series(1, 2000) AS number
"""


@asynccontextmanager
async def listening(app):
    """The address of the app on a socket that holds back little of what is not read yet."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        place.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[place]))
        try:
            yield "http://127.0.0.1:{1}".format(*place.getsockname())
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize("limit", ["PAGE_SECONDS", "WHOLE_SECONDS"])
async def test_a_file_that_is_read_too_slowly_is_cut_off_and_can_be_gone_on_with(
    rated, committing, serving, monkeypatch, limit
):
    async with committing.begin() as connection:
        await connection.execute(text(MANY))
    monkeypatch.setattr(exports, "PAGE", 100)
    whole = rows(await rated.admin.get("/v1/exports/dossiers"))
    monkeypatch.setattr(downloads, limit, 0.5)
    app, held = serving(), committing.pool.checkedout()
    async with (
        listening(app) as address,
        httpx.AsyncClient(base_url=address, headers=rated.admin.headers) as client,
        client.stream("GET", "/v1/exports/dossiers") as answer,
    ):
        blocks = answer.aiter_bytes()
        arrived = await anext(blocks)
        assert committing.pool.checkedout() == held + 1
        for _ in range(1000):
            if committing.pool.checkedout() == held:
                break
            await asyncio.sleep(0.02)
        assert committing.pool.checkedout() == held
        with pytest.raises(httpx.RemoteProtocolError):
            arrived += b"".join([block async for block in blocks])
    found = [json.loads(line) for line in arrived.split(b"\n")[:-1]]
    cursor = f"{found[-1]['agency']}:{found[-1]['code']}"
    rest = rows(await rated.admin.get("/v1/exports/dossiers", params={"cursor": cursor}))
    assert found + rest == whole
    assert len(found) < len(whole) == 2003


async def test_changes_are_found_by_what_a_write_hardly_pays_for(rated, committing):
    async with sessions(committing)() as session:
        kinds = await session.scalars(
            text("""
            SELECT tablename || ' ' || substring(indexdef FROM 'USING (\\w+)')
              FROM pg_indexes WHERE indexdef LIKE '%updated_at%' ORDER BY 1
            """)
        )
        assert kinds.all() == ["dossier brin", "rating brin"]


async def test_every_change_of_a_rating_is_stamped(rated, committing):
    await long_ago(committing, "rating")
    async with committing.begin() as connection:
        await connection.execute(text("UPDATE rating SET comment = 'x' WHERE comment IS NULL"))
        stmt = text("SELECT count(*) FROM rating WHERE updated_at = now()")
        assert await connection.scalar(stmt) == 3
