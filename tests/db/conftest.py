"""A database in which commits are commits, for what happens at once."""

import tempfile
from functools import partial
from pathlib import Path

import pytest
from conftest import FAST, NOW, REFERENCE_KEY
from factories import Make
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text

from app.db import schema
from app.db.embedded import EmbeddedServer
from app.db.group_commit import GroupCommit
from app.db.known import Known
from app.db.session import open_engine, own_connection, sessions, snapshots
from app.db.tables import SQLModel
from app.main import create_app
from app.settings import Settings


@pytest.fixture(scope="session")
async def committing():
    """A server for tests whose commits are commits."""
    with tempfile.TemporaryDirectory(prefix="hailong-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedServer(Path(folder), FAST)
        engine = open_engine(server.start())
        await schema.migrate(engine)
        yield engine
        await engine.dispose()
        server.stop()


@pytest.fixture
def serving(committing):
    """Another process's app on that server."""

    def start(most_waiting=1000):
        app = create_app(Settings(log_level="error"))
        app.state.sessions, app.state.reference_key = sessions(committing), REFERENCE_KEY.encode()
        app.state.snapshots = snapshots(committing)
        app.state.known = Known(app.state.sessions)
        connect = partial(own_connection, committing)
        app.state.group_commit = GroupCommit(connect, most_waiting)
        app.state.clock = lambda: NOW
        return app

    return start


@pytest.fixture
async def committed(committing, serving):
    """Makes what a test does not care about, for good; all is gone when the test ends."""
    app = serving()
    async with (
        sessions(committing)() as session,
        AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
    ):
        yield Make(session, client, NOW)
    await app.state.group_commit.close()
    async with committing.begin() as connection:
        tables = ", ".join(SQLModel.metadata.tables)
        # A published edition is kept by a trigger, from everybody but the tests.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(f"TRUNCATE {tables} CASCADE"))
