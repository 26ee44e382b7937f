"""Scratch data and the processes that serve them; nothing of either is left afterwards."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.embedded import EmbeddedServer
from app.db.signals import deferred
from bench.lines import BenchError

ROOT = Path(__file__).parents[1]
SERVE = ("app.cli", "serve")
ADMIN_KEY = "hl_the_admin_key_of_a_benchmark"
PATIENCE_SECONDS = 120  # Only something broken takes so long.
COMMAND_SECONDS = 900
QUIET_SECONDS, QUIET_PERCENT = 5, 20
INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Service:
    """A service that answers, and the folder of its data."""

    data: Path
    process: subprocess.Popen[bytes]
    port: int

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def folder() -> Iterator[Path]:
    """A data folder; its database has ended and all is removed afterwards."""
    above = Path(tempfile.mkdtemp(prefix="hailong-bench-"))
    try:
        yield above / "data"
    finally:
        with deferred():
            end_database(above / "data")
            shutil.rmtree(above, ignore_errors=True)


@contextmanager
def serving(data: Path, *command: str, **settings: object) -> Iterator[Service]:
    """A service on the data, as `hailong serve` runs it, or another command; ended in order."""
    port = _free_port()
    with (data.parent / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *(command or SERVE)],
            cwd=ROOT,
            env=environment(data, port=port, **settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    service = Service(data, process, port)
    try:
        _wait_until(lambda: _is_ready(service), "the service does not answer")
        yield service
    finally:
        _end(process)


def environment(data: Path, **settings: object) -> dict[str, str]:
    """The environment of a process: its data folder and, by their short names, its settings."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # Requests are counted, but the load comes with one key.
    limit = {"rate_limit_per_minute": 1_000_000}
    chosen = {"data_dir": data, "admin_key": ADMIN_KEY, **limit, **settings}
    return kept | {f"HAILONG_{name.upper()}": str(value) for name, value in chosen.items()}


def command(data: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command of `hailong` on the data, when it has ended."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=environment(data, **settings),
        capture_output=True,
        encoding="utf-8",
        timeout=COMMAND_SECONDS,
        check=False,
    )


def ask(url: str, *statements: str, **values: object) -> Sequence[Row[Any]]:
    """The rows of the last statement; each is committed by itself."""

    async def run() -> Sequence[Row[Any]]:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    result = await connection.execute(text(statement), values)
                return result.all() if result.returns_rows else []
        finally:
            await engine.dispose()

    return asyncio.run(run())


def number(url: str, statement: str, **values: object) -> int:
    """The one number that a statement finds."""
    return int(ask(url, statement, **values)[0][0] or 0)


def quiet() -> None:
    """Wait until the machine has little left to do of what was measured before, within limits."""
    deadline = time.monotonic() + QUIET_SECONDS
    while psutil.cpu_percent(0.25) > QUIET_PERCENT and time.monotonic() < deadline:
        pass


def end_database(data: Path) -> None:
    """Kill the folder's database server, if it runs, with all its processes."""
    pid = EmbeddedServer(data).postmaster_pid()
    if pid is None:
        return
    with suppress(psutil.NoSuchProcess):
        postmaster = psutil.Process(pid)
        postmaster.suspend()  # so that it has no more children than are found
        family = [*postmaster.children(recursive=True), postmaster]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        _wait_until(lambda: all(map(_is_gone, family)), "the database server does not end")


def _is_gone(process: psutil.Process) -> bool:
    # Where nobody collects orphans a dead one stays in the list.
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _is_ready(service: Service) -> bool:
    if service.process.poll() is not None:
        said = (service.data.parent / "service.log").read_text("utf-8", "replace").splitlines()
        raise BenchError(f"the service has ended: {said[-1] if said else 'it said nothing'}")
    try:
        return httpx.get(service.url("/readyz"), trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@deferred()
def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise BenchError(what)
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
