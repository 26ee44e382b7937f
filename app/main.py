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
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from fastapi_offline import core as offline
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import HTMLResponse

from app import api, logs
from app.api import errors, middleware
from app.db import keys, schema, session
from app.db.group_commit import GroupCommit
from app.db.known import Known
from app.db.opening import database, reference_key
from app.domain.access import SCOPES, Caller
from app.settings import Settings

TITLE = "hailong"
DESCRIPTION = (
    "Satisfaction with administrative service in a province: ratings counted exactly once, "
    "indices made by named methods, with their uncertainty."
)
ASSETS = "/static-docs"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app. Its database is opened when it starts to serve."""
    settings = settings or Settings()
    logs.configure(settings.log_level)
    app = FastAPI(
        title=TITLE,
        version="1",
        redirect_slashes=False,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.clock = partial(datetime.now, UTC)
    for router in api.ROUTERS:
        app.include_router(router, max_body_size=settings.max_body_bytes)
    errors.register(app)
    app.add_middleware(middleware.NotModified)
    app.add_middleware(middleware.DeclaredLength, limit=settings.max_body_bytes)
    app.add_middleware(middleware.RequestLog)
    _add_docs(app)
    _complete_contract(app)
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
    listening = asyncio.create_task(app.state.known.listen(connect))
    # What is there now stays for good. Looking through it for garbage, and looking as often as is
    # usual, took a third of the time of a rating.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    try:
        yield
    finally:
        await app.state.group_commit.close()
        listening.cancel()
        await asyncio.wait([listening])


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
            title=TITLE,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )


def _complete_contract(app: FastAPI) -> None:
    """Put into the contract the problem documents, and each route's own words as its summary."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            contract = plain()
            components = contract["components"]
            components["examples"] = errors.example_problems()
            problem = errors.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
            for path in contract["paths"].values():
                for operation in path.values():
                    operation["summary"] = operation["description"].split("\n")[0].rstrip(".")
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]
