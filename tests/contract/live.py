"""The service, served for real on a free port of this machine, with something in it."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from conftest import FAST, REFERENCE_KEY
from factories import ADMIN_KEY, BEARER

from app.cli.demo import EXAMPLES, LOADED, read_requests
from app.db import schema
from app.db.embedded import EmbeddedServer
from app.db.session import open_engine
from app.main import create_app
from app.settings import Settings


@contextmanager
def serving() -> Iterator[str]:
    """The address of a service of its own; the examples are loaded, and nothing is limited."""
    with (
        tempfile.TemporaryDirectory(prefix="hailong-", ignore_cleanup_errors=True) as folder,
        EmbeddedServer(Path(folder), FAST) as database,
    ):
        url = database.start()
        asyncio.run(migrated(url))
        settings = Settings(
            database_url=url,
            admin_key=ADMIN_KEY,
            reference_key=REFERENCE_KEY,
            log_level="error",
            rate_limit_per_minute=0,
        )
        config = uvicorn.Config(create_app(settings), port=0, log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            load(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


async def migrated(url: str) -> None:
    engine = open_engine(url)
    await schema.migrate(engine)
    await engine.dispose()


def load(address: str) -> None:
    with httpx.Client(base_url=address, headers=BEARER) as client:
        for folder in LOADED:
            for method, path, body in read_requests(EXAMPLES / folder):
                answer = client.request(method, path, json=body)
                assert answer.status_code == 201, answer.text
