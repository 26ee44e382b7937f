"""The engine and its sessions, and whether the server and its schema can be served from."""

import json
from functools import partial
from typing import cast

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

OLDEST_SERVER = 16
CONNECT_SECONDS = 5

Sessions = async_sessionmaker[AsyncSession]


class DatabaseUnusableError(Exception):
    """The server cannot be used; the message says in one line why, and what to do."""


def open_engine(url: str, pool_size: int = 10) -> AsyncEngine:
    """An engine for a PostgreSQL address, whatever driver it names. Nothing is connected yet.

    Raises DatabaseUnusableError when the text is no such address. Parameters never appear in
    errors: they may be personal data.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseUnusableError(
            "HAILONG_DATABASE_URL is not an address like postgresql://user:password@host/database."
        ) from error
    if address.get_backend_name() not in {"postgresql", "postgres"}:
        raise DatabaseUnusableError(
            f"HAILONG_DATABASE_URL names {address.get_backend_name()}; only postgresql will do."
        )
    query = dict(address.query)
    if "sslmode" in query:  # as libpq calls it; asyncpg takes the same words as `ssl`
        query["ssl"] = query.pop("sslmode")
    return create_async_engine(
        address.set(drivername="postgresql+asyncpg", query=query),
        pool_size=pool_size,
        pool_pre_ping=True,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,
        json_serializer=partial(json.dumps, ensure_ascii=False),
        connect_args={
            "timeout": CONNECT_SECONDS,
            "server_settings": {
                "application_name": "hailong",
                "timezone": "UTC",
                # Who waits longer is told to come again, and does not hold up the others.
                "lock_timeout": "5s",
                "statement_timeout": "60s",
            },
        },
    )


def sessions(bind: AsyncEngine | AsyncConnection) -> Sessions:
    """Sessions on an engine; on a connection in a transaction, their commits are savepoints."""
    return async_sessionmaker(
        bind, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )


def snapshots(engine: AsyncEngine) -> Sessions:
    """Sessions that see the database as it was at their first statement, whatever comes in."""
    return sessions(engine.execution_options(isolation_level="REPEATABLE READ"))


async def own_connection(engine: AsyncEngine) -> asyncpg.Connection:
    """A connection that the pool has no part in; every statement on it commits by itself."""
    connection = await engine.connect()
    driver = await driver_of(connection)
    await connection.run_sync(lambda sync: sync.detach())
    # Its few statements are prepared once; planning them anew, or compiling them, costs more than
    # running them.
    await driver.execute("SET plan_cache_mode = force_generic_plan; SET jit = off")
    return driver


async def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection; within a transaction begun already it is part of that."""
    pooled = await connection.get_raw_connection()
    return cast("asyncpg.Connection", pooled.driver_connection)


async def check_server(engine: AsyncEngine) -> None:
    """Nothing when the server answers and is new enough; else raises DatabaseUnusableError."""
    where = engine.url.render_as_string(hide_password=True)
    try:
        async with engine.connect() as connection:
            number = await connection.scalar(text("SHOW server_version_num"))
    except (OSError, TypeError, ValueError, OverflowError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error or type(error).__name__).split("\n")[0]
        raise DatabaseUnusableError(
            f"No database at {where} ({reason}): start that server, mend HAILONG_DATABASE_URL, "
            "or unset it to use the embedded one."
        ) from error
    version = int(number or 0) // 10000
    if version < OLDEST_SERVER:
        raise DatabaseUnusableError(
            f"The server at {where} is PostgreSQL {version}; {OLDEST_SERVER} or newer is needed: "
            "upgrade it, or unset HAILONG_DATABASE_URL to use the embedded one."
        )


async def ping(session: AsyncSession) -> None:
    """Nothing when the server answers."""
    await session.execute(text("SELECT 1"))
