"""A real PostgreSQL for the whole run; every test's changes are undone when it ends."""

import os
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from factories import Make
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.db import schema
from app.db.embedded import EmbeddedServer
from app.db.group_commit import GroupCommit
from app.db.known import Known
from app.db.session import open_engine, sessions
from app.main import create_app
from app.settings import Settings

NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)
REFERENCE_KEY = "a secret of the tests, long enough for one"

# Nothing here must outlive a power cut, so the server need not wait for the disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def database_url() -> Generator[str]:
    """A database of this run's own, or the empty one named in TEST_DATABASE_URL."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="hailong-") as folder, suppress(FileNotFoundError):
        server = EmbeddedServer(Path(folder), FAST)
        yield server.start()
        server.stop()


@pytest.fixture(scope="session")
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine]:
    engine = open_engine(database_url)
    await schema.migrate(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection whose every change is undone when the test ends."""
    async with engine.connect() as connection:
        transaction = await connection.begin()
        yield connection
        await transaction.rollback()


@pytest.fixture
async def session(connection: AsyncConnection) -> AsyncGenerator[AsyncSession]:
    async with sessions(connection)() as session:
        yield session


@pytest.fixture
def settings() -> Settings:
    return Settings(reference_key=REFERENCE_KEY, log_level="error")


@pytest.fixture
def app(settings: Settings, connection: AsyncConnection) -> FastAPI:
    app = create_app(settings)
    app.state.sessions = app.state.snapshots = sessions(connection)
    app.state.known = Known(app.state.sessions)
    app.state.group_commit = GroupCommit(partial(driver, connection), most_waiting=1000)
    app.state.reference_key = REFERENCE_KEY.encode()
    app.state.clock = lambda: NOW
    return app


async def driver(connection: AsyncConnection) -> asyncpg.Connection:
    """The connection as ratings are written on it, in the same transaction."""
    pooled = await connection.get_raw_connection()
    return cast("asyncpg.Connection", pooled.driver_connection)


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncGenerator[AsyncClient]:
    """A caller without a key."""
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def make(session: AsyncSession, anonymous: AsyncClient) -> Make:
    """Makes what a test does not care about."""
    return Make(session, anonymous, NOW)


@pytest.fixture
async def client(make: Make) -> AsyncClient:
    """A caller whose key carries every scope."""
    return await make.caller()
