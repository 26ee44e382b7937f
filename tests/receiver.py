"""A receiver of webhooks in a process of its own, which behaves as the path asks."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Receiver:
    """The process, as tests see it."""

    def __init__(self, folder: Path, port: int, *, tls: bool) -> None:
        self._folder, self._port = folder, port
        self._scheme = "https" if tls else "http"

    def url(self, behaviour: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self._port}/{behaviour}"

    def behave(self, behaviour: str) -> None:
        """What to do from now on where the path is `as-told`."""
        (self._folder / "behaviour").write_text(behaviour)

    @property
    def received(self) -> list[dict[str, Any]]:
        log = self._folder / "received"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class _Handler(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = {"path": self.path, "headers": headers, "body": body}
        with (self.folder / "received").open("a") as log:
            log.write(json.dumps(said) + "\n")
        behaviour = self.path.strip("/")
        if behaviour == "as-told":
            behaviour = (self.folder / "behaviour").read_text()
        getattr(self, f"_{behaviour}")()

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _ok(self) -> None:
        self._answer(204)

    def _fail(self) -> None:
        self._answer(500)

    def _gone(self) -> None:
        self._answer(410)

    def _busy(self) -> None:
        self._answer(429, Retry_After="3600")

    def _redirect(self) -> None:
        self._answer(307, Location="/ok", Set_Cookie="mark=1")

    def _hang(self) -> None:
        time.sleep(60)

    def _slow(self) -> None:
        time.sleep(0.3)
        self._answer(204)

    def _drip(self) -> None:
        for _ in range(600):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: "[:1])
            self.wfile.flush()
            time.sleep(0.1)

    def _endless(self) -> None:
        self._answer(200)
        for _ in range(600):
            self.wfile.write(b"x" * 4096)
            time.sleep(0.1)

    def _nonsense(self) -> None:
        self.wfile.write(b"\x00\x01 what is this\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(folder: Path, port: int = 0, certificate: Path | None = None) -> Iterator[Receiver]:
    """A receiver that listens until the end of the block, with TLS if it has a certificate."""
    arguments = [str(one) for one in (folder, port, certificate) if one is not None]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Receiver(folder, int(process.stdout.readline()), tls=certificate is not None)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing: senders that hang up are what is tested."""


if __name__ == "__main__":
    _Handler.folder = Path(sys.argv[1])
    server = _Server(("127.0.0.1", int(sys.argv[2])), _Handler)
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
