"""Serving: everything that can be wrong is said in one line before the first request."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
import uvicorn

from app import logs
from app.db import schema, session
from app.db.embedded import EmbeddedError, EmbeddedServer
from app.db.opening import database, reference_key
from app.settings import Settings

GRACE_SECONDS = 10
WATCH_SECONDS = 0.5

log = structlog.get_logger("hailong")


class PortTakenError(Exception):
    """Something else listens on the port."""


def serve(settings: Settings) -> None:
    """Serve until interrupted."""
    with held(settings):
        check_port(settings)
        asyncio.run(_check(settings))
        logs.configure(settings.log_level)
        log.info("serving", address=f"http://{settings.host}:{settings.port}")
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Keep the embedded server, if that is the one, from stopping between two of its users."""
    # SIGTERM would end us before we have left the server; uvicorn, too, raises it again when it
    # has ended its own work.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if settings.database_url is not None:
        yield
        return
    with EmbeddedServer(settings.data_dir) as server, _revived(server):
        yield


@contextmanager
def _revived(server: EmbeddedServer) -> Iterator[None]:
    """Start the server again whenever it has died, so that nobody needs to be called."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            if server.postmaster_pid() is None:
                log.error("the embedded server has died and is started again")
                with suppress(EmbeddedError):  # tried again at the next look
                    server.start()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


async def _check(settings: Settings) -> None:
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        async with session.sessions(engine).begin() as opened:
            await reference_key(opened, settings.secret, settings.data_dir)


@contextmanager
def worker() -> Iterator[None]:
    """A worker beside what is served, with the same settings, that ends with it."""
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def check_port(settings: Settings) -> None:
    """Nothing when the port is free; else raises PortTakenError."""
    if settings.port == 0:
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise PortTakenError(
                f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
                "stop what listens there, or set HAILONG_PORT to another port."
            ) from error
