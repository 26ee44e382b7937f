"""An issuer of tokens on this machine, spoken to over HTTP: it can err, change its keys, or go."""

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE = "hailong"

Key = RSAKey | ECKey | OctKey


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@dataclass
class Issuer:
    """Its keys, what it says instead of the truth, and how often each address was asked for."""

    key: Key = field(default_factory=lambda: new_key("first"))
    published: list[Key] = field(default_factory=list)
    instead: dict[str, Any] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    server: ThreadingHTTPServer | None = None
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        issuer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] += 1
                content = json.dumps(issuer.said(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Answer)
        self.port = self.server.server_port
        serving = {"poll_interval": 0.01}
        threading.Thread(target=self.server.serve_forever, kwargs=serving, daemon=True).start()

    def stop(self) -> None:
        """Be away; `start` comes back under the same address."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def said(self, path: str) -> Any:
        if path in self.instead:
            return self.instead[path]
        if path == "/keys":
            return KeySet([*(self.published or [self.key])]).as_dict()
        return {"issuer": self.address, "jwks_uri": f"{self.address}/keys"}

    def token(
        self,
        now: datetime,
        scope: object = "",
        header: dict[str, Any] | None = None,
        key: Key | None = None,
        **claims: Any,
    ) -> str:
        """A token of this issuer for us; a claim that is given as None is left out."""
        signing, moment = key or self.key, int(now.timestamp())
        usual = {"iss": self.address, "aud": AUDIENCE, "sub": "nhan-vien-1", "iat": moment}
        said = {**usual, "exp": moment + 300, "scope": scope, **claims}
        told = {"alg": "RS256", "kid": signing.kid, **(header or {})}
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(
            {name: value for name, value in told.items() if value is not None},
            kept,
            signing,
            registry=JWSRegistry(algorithms=[told["alg"]], strict_check_header=False),
        )
