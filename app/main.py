"""Wiring: the app, what it needs while it serves, and nothing else."""

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from fastapi_offline import core as offline
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import HTMLResponse

from app import api, logs
from app.api import contract, errors, limits, middleware, webhook_events
from app.api.oidc import Tokens
from app.db import keys, schema, session
from app.db.group_commit import GroupCommit
from app.db.known import Known
from app.db.limits import Quotas
from app.db.opening import database, reference_key
from app.domain.access import SCOPES, Caller
from app.settings import Settings

ASSETS = "/static-docs"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app. Its database is opened when it starts to serve."""
    settings = settings or Settings()
    logs.configure(settings.log_level)
    app = FastAPI(
        **contract.ABOUT,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        webhooks=webhook_events.events,
    )
    app.state.settings = settings
    app.state.clock = partial(datetime.now, UTC)
    app.state.tokens = Tokens.of(settings)
    app.state.quotas = None
    app.state.exporting = api.exports.Places()
    for router in api.ROUTERS:
        # A file is taken in as it comes, and measured there.
        limit = None if router is api.imports.router else settings.max_body_bytes
        app.include_router(router, max_body_size=limit)
    errors.register(app)
    app.add_middleware(middleware.NotModified)
    app.add_middleware(middleware.DeclaredQuery)
    app.add_middleware(middleware.Head)
    longer = {api.imports.router.prefix: settings.import_max_bytes}
    app.add_middleware(middleware.DeclaredLength, limit=settings.max_body_bytes, longer=longer)
    app.add_middleware(limits.Limits)
    app.add_middleware(middleware.RequestLog)
    _add_docs(app)
    contract.complete(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    _end_with_parent()
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        app.state.sessions = session.sessions(engine)
        app.state.snapshots = session.snapshots(engine)
        async with app.state.sessions.begin() as opened:
            app.state.reference_key = await reference_key(
                opened, settings.secret, settings.data_dir
            )
            if settings.admin_key is not None:
                key = settings.admin_key.get_secret_value()
                await keys.replace(opened, key, ADMIN, datetime.now(UTC))
        async with _serving(app, engine):
            yield


@asynccontextmanager
async def _serving(app: FastAPI, engine: AsyncEngine) -> AsyncIterator[None]:
    """What each process keeps while it serves: what it knows, and its way of storing ratings."""
    connect = partial(session.own_connection, engine)
    app.state.known = Known(app.state.sessions)
    app.state.group_commit = GroupCommit(connect, app.state.settings.most_waiting)
    quotas = Quotas(connect, app.state.settings.rate_limit_per_minute)
    app.state.quotas = quotas if quotas.quota else None
    tasks = [
        asyncio.create_task(app.state.known.listen(connect)),
        asyncio.create_task(app.state.known.keep_uses()),
    ]
    # What is there now stays for good. Looking through it for garbage, and looking as often as is
    # usual, took a third of the time of a rating.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    try:
        yield
    finally:
        await app.state.group_commit.close()
        quotas.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await app.state.known.note_uses()


def _end_with_parent() -> None:
    """Make one of several serving processes end when the one that started it is killed.

    It would otherwise go on holding the port.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop, sentinel = asyncio.get_running_loop(), parent.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sentinel, end)


ADMIN = Caller("admin", SCOPES, None)


def _add_docs(app: FastAPI) -> None:
    """Serve /docs with assets of our own, so that it works with no network."""
    app.mount(ASSETS, StaticFiles(directory=Path(offline.__file__).parent / "static"))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=contract.TITLE,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )
