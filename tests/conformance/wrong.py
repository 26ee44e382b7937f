"""A server in front of the real one that breaks one rule, as the lie it is given says."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn

HOP = {"host", "connection", "content-length", "transfer-encoding", "date", "server"}


@dataclass
class Request:
    """What is asked of the real server; a lie may change it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the real server answers; a lie may change it."""

    status: int
    headers: dict[str, str]
    body: bytes


Lie = Callable[[Request], Callable[[Answer], None] | None]


class Wrong:
    """The server: each request passes the lie, and each answer what the lie returns."""

    def __init__(self, address: str, lie: Lie) -> None:
        self._address, self._lie = address, lie

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        asked = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode(),
            {name.decode(): value.decode() for name, value in scope["headers"]},
            await _body(receive),
        )
        tell = self._lie(asked)
        given = await self._given(asked)
        if tell is not None:
            tell(given)
        if asked.method != "HEAD" and given.status != 304:
            given.headers["content-length"] = str(len(given.body))
        pairs = [(name.encode(), value.encode()) for name, value in given.headers.items()]
        await send({"type": "http.response.start", "status": given.status, "headers": pairs})
        await send({"type": "http.response.body", "body": given.body})

    async def _live(self, receive, send) -> None:
        await receive()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as self._client:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _given(self, asked: Request) -> Answer:
        kept = {name: value for name, value in asked.headers.items() if name not in HOP}
        url = f"{self._address}{asked.path}" + (f"?{asked.query}" if asked.query else "")
        said = await self._client.request(asked.method, url, headers=kept, content=asked.body)
        headers = {name: value for name, value in said.headers.items() if name not in HOP}
        if asked.method == "HEAD" and "content-length" in said.headers:
            headers["content-length"] = said.headers["content-length"]
        return Answer(said.status_code, headers, said.content)


async def _body(receive) -> bytes:
    found, more = b"", True
    while more:
        message = await receive()
        found += message.get("body", b"")
        more = message.get("more_body", False)
    return found


@contextmanager
def wrong(address: str, lie: Lie) -> Iterator[str]:
    """The address of a server that tells the lie."""
    config = uvicorn.Config(Wrong(address, lie), port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
