"""What an export promises while others write."""

import json

import pytest
from sqlalchemy import text

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
