"""Real processes of the command line, and the folders in which they keep their data."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess, Popen
from typing import Any

import httpx
import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.embedded import EmbeddedServer

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "app.cli")
ADMIN_KEY = "the admin key of the tests"
PATIENCE = 60  # Seconds; only something broken takes so long.

NUMBERS = count(1)

# What the machine needs; nothing else of the environment may change what a process does.
INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")

# Nothing here must outlive a power cut, so the server need not wait for the disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def environment(data: Path, **settings: object) -> dict[str, str]:
    """The environment of a process: its data folder and, by their short names, its settings."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    chosen = {f"HAILONG_{name.upper()}": str(value) for name, value in settings.items()}
    return kept | {"COLUMNS": "200", "HAILONG_DATA_DIR": str(data)} | chosen


def run(data: Path, *arguments: str, **settings: object) -> CompletedProcess[str]:
    """A command, when it has ended."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(data, **settings),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returns; as many run at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


@dataclass(frozen=True)
class Demonstration:
    """What `hailong demo --once` said, and the folder it left."""

    said: CompletedProcess[str]
    data: Path


@dataclass
class Background:
    """A command that goes on until it is told to end."""

    data: Path
    process: Popen[bytes]
    output: Path

    def said(self) -> str:
        """All that it wrote, on stdout and stderr."""
        return self.output.read_text("utf-8")

    def send(self, number: signal.Signals) -> int:
        """Signal all its processes, as Ctrl-C in a terminal does; the exit code that follows."""
        os.killpg(self.process.pid, number)
        return self.process.wait(PATIENCE)


@contextmanager
def background(data: Path, *arguments: str, **settings: object) -> Iterator[Background]:
    """A command in a process group of its own, of which nothing is left afterwards."""
    with tempfile.NamedTemporaryFile("ab", prefix="hailong-test-", suffix=".log") as output:
        process = Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            env=environment(data, **settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield Background(data, process, Path(output.name))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


@dataclass
class Service(Background):
    """A serving process, spoken to with its admin key."""

    client: httpx.Client
    port: int

    def get(self, path: str, key: str = ADMIN_KEY, **query: str) -> httpx.Response:
        return self.client.get(path, params=query, headers={"Authorization": f"Bearer {key}"})

    def put(self, path: str, body: Any) -> httpx.Response:
        return self.client.put(path, json=body)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(path, json=body)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(data: Path, *arguments: str, **settings: object) -> Iterator[Service]:
    """A service on the data folder that answers on a free port."""
    port = free_port()
    chosen: dict[str, object] = {"port": port, "admin_key": ADMIN_KEY, **settings}
    with (
        background(data, *(arguments or ("serve",)), **chosen) as started,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {ADMIN_KEY}", "Accept-Language": "vi"},
            timeout=PATIENCE,
            trust_env=False,
        ) as client,
    ):
        service = Service(data, started.process, started.output, client, port)
        wait_until(service.is_ready, "the service does not answer")
        yield service


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def query(url: str, *statements: str, **values: object) -> Any:
    """What the last statement returns, as one value; each statement is committed by itself."""

    async def ask() -> Any:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    result = await connection.execute(text(statement), values)
                return result.scalar() if result.returns_rows else None
        finally:
            await engine.dispose()

    return asyncio.run(ask())


def new_database(server: str) -> str:
    """The address of a database without a schema on the server at the address."""
    name = f"empty_{next(NUMBERS)}"
    query(server, f"CREATE DATABASE {name}")
    return server.replace("/hailong?", f"/{name}?")


@contextmanager
def folder() -> Iterator[Path]:
    """A path for a data folder; its database has ended and all is removed afterwards."""
    # Not tmp_path: another test session of the same user would close its parent to our server.
    above = Path(tempfile.mkdtemp(prefix="hailong-test-"))
    try:
        yield above / "data"
    finally:
        end_server(above / "data", signal.SIGQUIT)
        shutil.rmtree(above, ignore_errors=True)


@contextmanager
def copied(template: Path) -> Iterator[Path]:
    """A copy of a data folder whose server is stopped."""
    with folder() as data:
        subprocess.run(["cp", "-a", str(template), str(data)], check=True)
        yield data


def end_server(data: Path, number: signal.Signals) -> None:
    """Signal the folder's database server, if it runs, and wait until it is gone."""
    pid = EmbeddedServer(data).postmaster_pid()
    if pid is None:
        return
    os.kill(pid, number)
    wait_until(lambda: is_gone(pid), "the database server does not end")


def is_gone(pid: int) -> bool:
    # Where nobody collects orphans a dead one stays in the list.
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def server_runs(data: Path) -> bool:
    return EmbeddedServer(data).postmaster_pid() is not None
