"""HTTP as bytes on a socket, so that a request can be broken off wherever one likes."""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bench.scratch import ADMIN_KEY

ANSWER_SECONDS = 30
# What a sender sees when the other side, or the connection, is gone.
LOST = (OSError, EOFError, asyncio.TimeoutError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def replayed(self) -> bool:
        """Whether it is the answer to the first sending, given again."""
        return self.headers.get("idempotent-replayed") == "true"


def rating(body: Mapping[str, Any], request_key: str) -> bytes:
    """The request that submits a rating under an Idempotency-Key."""
    sent = json.dumps(body).encode()
    head = (
        "POST /v1/ratings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {ADMIN_KEY}\r\nIdempotency-Key: {request_key}\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


@dataclass(slots=True)
class Wire:
    """One connection, kept for many requests."""

    reader: StreamReader
    writer: StreamWriter

    @classmethod
    async def open(cls, port: int) -> Self:
        """A connection to the service on this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, request: bytes) -> None:
        """Send the bytes, which may be a part of a request."""
        self.writer.write(request)
        await self.writer.drain()

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request and wait for the whole answer."""
        await self.send(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *fields = head.rstrip().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (field.partition(":") for field in fields)
            }
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, json.loads(body))

    def abort(self) -> None:
        """Cut the connection at once."""
        self.writer.transport.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.abort()
