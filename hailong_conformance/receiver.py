"""A receiver of webhooks on this machine, and whether what it gets is signed as it should be."""

import base64
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came: its path, its headers by their names in small letters, its body."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def signatures(self) -> list[str]:
        """The signatures that it bears."""
        return self.headers.get("webhook-signature", "").split(" ")

    def signature(self, secret: str) -> str:
        """The signature that it must bear for a secret (Standard Webhooks)."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        named, at = (self.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp"))
        made = hmac.digest(key, f"{named}.{at}.".encode() + self.body, "sha256")
        return f"v1,{base64.b64encode(made).decode()}"


class Receiver:
    """Listens on a host and port; `url` is the address at which the server reaches it.

    What is posted below `/fail/` is answered 500 the first time, below `/redirect/` with the way
    to `/redirected/`, and 204 all else.
    """

    def __init__(self, host: str, port: int, url: str | None = None) -> None:
        self.received: list[Received] = []
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self.url = (url or f"http://{host}:{self._server.server_port}").rstrip("/")
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(
        self, wanted: Callable[[Received], bool], number: int, seconds: float
    ) -> list[Received]:
        """What came of what is wanted, as soon as it is so many, or the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            found = [one for one in self.received if wanted(one)]
            if len(found) >= number or time.monotonic() > deadline:
                return found
            time.sleep(LOOK_SECONDS)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            """Notes what comes, and answers as the path says."""

            def do_POST(self) -> None:
                """Note the request and answer it."""
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                event = headers.get("webhook-id")
                before = [
                    one
                    for one in received
                    if one.path == self.path and one.headers.get("webhook-id") == event
                ]
                received.append(Received(self.path, headers, body))
                self.send_response(_status(self.path, again=bool(before)))
                if "/redirect/" in self.path:
                    self.send_header("Location", self.path.replace("/redirect/", "/redirected/"))
                self.end_headers()

            do_GET = do_POST  # noqa: N815 -- the library's name; a redirect may be followed so

            def log_message(self, *_: object) -> None:
                """Nothing: what comes is looked at by the checks."""

        return Handler


def _status(path: str, *, again: bool) -> int:
    if "/redirect/" in path:
        return 302
    return 500 if "/fail/" in path and not again else 204
