"""A server as an integrator sees it: asked over HTTP, and asked again where that helps."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
AT_ONCE = 50  # requests of a storm
MOST_TRIES, LONGEST_WAIT_SECONDS, ANSWER_SECONDS = 5, 61.0, 30.0
NO_SUCH_ROUTE = "route-not-found"


class Server:
    """The server at an address, with the key that it is asked with."""

    def __init__(self, address: str, key: str) -> None:
        self.address, self._key = address.rstrip("/"), key
        connections = httpx.Limits(max_connections=AT_ONCE)
        self._client = httpx.Client(
            base_url=self.address, limits=connections, timeout=ANSWER_SECONDS
        )
        self.refused_for_now: list[httpx.Response] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._client.close()

    def once(self, method: str, path: str, *, key: str | None = "", **said: Any) -> httpx.Response:
        """The answer to one request; `key` in place of the kit's own, None for no key."""
        presented = self._key if key == "" else key
        headers = {"Accept-Language": "en"} | said.pop("headers", {})
        if presented is not None:
            headers["Authorization"] = f"Bearer {presented}"
        return self._client.request(method, path, headers=headers, **said)

    def ask(self, method: str, path: str, *, key: str | None = "", **said: Any) -> httpx.Response:
        """The answer; one that says to come again later is waited for, a few times."""
        answer = self.once(method, path, key=key, **said)
        for _ in range(MOST_TRIES):
            if answer.status_code not in BUSY:
                break
            self.refused_for_now.append(answer)
            time.sleep(_seconds(answer.headers.get("Retry-After", "")))
            answer = self.once(method, path, key=key, **said)
        return answer

    def now(self) -> datetime:
        """The instant by the server's clock, to a second; by ours, where it does not say."""
        said = self.ask("GET", "/healthz", key=None).headers.get("Date")
        return parsedate_to_datetime(said) if said else datetime.now(UTC)

    def ahead(self) -> timedelta:
        """By how much the server's clock is ahead of ours."""
        return self.now() - datetime.now(UTC)


def _seconds(told: str) -> float:
    """How long to wait; a second where it was not said."""
    return min(float(told), LONGEST_WAIT_SECONDS) if told.isdecimal() else 1.0


def code_of(answer: httpx.Response) -> str | None:
    """The code of a problem document; None where the answer is none."""
    said = body_of(answer)
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, str) else None


def faults_of(answer: httpx.Response) -> dict[str, str]:
    """What a problem document says is wrong: the code at each place."""
    said = body_of(answer)
    found = said.get("errors") if isinstance(said, dict) else None
    listed = found if isinstance(found, list) else []
    return {str(one.get("pointer")): str(one.get("code")) for one in listed}


def body_of(answer: httpx.Response) -> Any:
    """What the answer says in JSON; None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def asked(answer: httpx.Response) -> str:
    """The request that was answered, in short."""
    return f"{answer.request.method} {answer.request.url.raw_path.decode('ascii')}"


def is_not_offered(answer: httpx.Response) -> bool:
    """Whether the server has nothing at all at the address."""
    return answer.status_code == HTTPStatus.NOT_FOUND and code_of(answer) in {None, NO_SUCH_ROUTE}
