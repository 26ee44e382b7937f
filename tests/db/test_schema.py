"""The schema is what the tables say, and nothing is served from another."""

import pytest
from alembic import command
from sqlalchemy import DateTime, text

from app.db import schema
from app.db.session import DatabaseUnusableError, check_server, open_engine
from app.db.tables import SQLModel


async def test_the_migrations_make_exactly_the_tables(engine):
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: command.check(schema.config(sync)))
        await connection.rollback()


async def test_migrating_twice_changes_nothing(engine):
    await schema.migrate(engine)
    await schema.check_current(engine)


@pytest.mark.parametrize(
    ("version", "says"), [("9999", "newer hailong"), (None, "Run: hailong migrate")]
)
async def test_another_schema_is_refused_with_what_mends_it(engine, version, says):
    async with engine.begin() as connection:
        held = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM alembic_version"))
            if version:
                stmt = text("INSERT INTO alembic_version VALUES (:version)")
                await connection.execute(stmt, {"version": version})
        with pytest.raises(schema.SchemaOutdatedError, match=says):
            await schema.check_current(engine)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM alembic_version"))
            stmt = text("INSERT INTO alembic_version VALUES (:held)")
            await connection.execute(stmt, {"held": held})


def test_no_instant_is_stored_without_its_zone():
    naive = [
        f"{table.name}.{column.name}"
        for table in SQLModel.metadata.sorted_tables
        for column in table.columns
        if isinstance(getattr(column.type, "impl", column.type), DateTime)
        and not getattr(getattr(column.type, "impl", column.type), "timezone", False)
    ]
    assert naive == []


@pytest.mark.parametrize("table", ["dossier", "dossier_event", "rating", "tally", "tally_sheet"])
def test_every_key_of_a_large_table_begins_with_the_agency(table):
    described = SQLModel.metadata.tables[table]
    uniques = [list(c.columns) for c in described.constraints if hasattr(c, "columns")]
    uniques += [list(index.columns) for index in described.indexes if index.unique]
    keys = [columns for columns in uniques if len(columns) > 1]
    assert keys
    assert {columns[0].name for columns in keys} == {"agency_id"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://hailong:secret@127.0.0.1:1/hailong", "start that server"),
        ("mysql://root@localhost/x", "only postgresql"),
        ("nonsense", "is not an address"),
    ],
)
async def test_an_address_without_a_server_is_one_clear_line(url, says):
    with pytest.raises(DatabaseUnusableError, match=says) as refused:
        await check_server(open_engine(url))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)
