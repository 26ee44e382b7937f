"""What every request passes: an id, a log line without personal data, and HTTP's own rules."""

import hashlib
import re
import time
import traceback
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

import structlog
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem, unavailable
from app.api.faults import pointer
from app.api.statuses import HEADERS, PROTOCOL
from app.domain.errors import Fault

log = structlog.get_logger("hailong")

# In the scope of what is asked as a GET and answered without its body.
HEAD = "hailong.head"

_TAGS = re.compile(r'"[^"]*"')
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestLog:
    """Gives the request an id, logs its outcome, and answers what nobody foresaw.

    The log names the route's template, never the path: codes in it can point at a person.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status, began = 0, time.perf_counter()

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, tagged)
        except Exception as error:  # noqa: BLE001 -- the last place where it can become an answer
            _log_failure(error)
            if status:
                raise _CutOffError from None
            status = 503 if unavailable(error) else 500
            headers = HEADERS.get(status)
            answer = problem(Request(scope), status, PROTOCOL[status], headers=headers)
            await answer(scope, receive, tagged)
        finally:
            log.info(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                milliseconds=round(1000 * (time.perf_counter() - began), 1),
            )
            structlog.contextvars.unbind_contextvars("request_id")


class _CutOffError(Exception):
    """The answer had begun when something failed; cutting it off keeps anyone from trusting it."""


def _log_failure(error: BaseException) -> None:
    """Say what failed and where, not with which values: those may be personal data."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    log.error(
        "failure",
        kind=type(error).__qualname__,
        sqlstate=getattr(getattr(error, "orig", None), "sqlstate", None),
        frames=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames],
    )


class DeclaredLength:
    """Refuses a body that says it is too long before a byte of it is read.

    FastAPI's own limit, which also stops bodies of undeclared length, would answer such a one in
    plain text.
    """

    def __init__(self, app: ASGIApp, limit: int, longer: Mapping[str, int]) -> None:
        """Take bodies up to the limit; below some paths longer ones."""
        self.app = app
        self.limit, self.longer = limit, longer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        declared = "0"
        if scope["type"] == "http":
            declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > self._limit(scope.get("path", "")):
            await problem(Request(scope), 413, PROTOCOL[413])(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _limit(self, path: str) -> int:
        below = (most for prefix, most in self.longer.items() if path.startswith(f"{prefix}/"))
        return next(below, self.limit)


class Head:
    """Answers HEAD as GET is answered, without the body; whose body is costly can know of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # The server's own stays as it is: it must know that no body follows.
        asked = {**scope, "method": "GET", HEAD: True}

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body"})

        try:
            await self.app(asked, receive, bodiless)
        finally:
            scope["route"] = asked.get("route")


class DeclaredQuery:
    """Refuses parameters of a query that the route does not have, and names each.

    One that is misspelt would otherwise count for nothing, without a word. Only in the API: links
    to pages for people are lengthened by those who pass them on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._declared: list[tuple[re.Pattern[str], set[str], frozenset[str] | None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["query_string"] and scope["path"].startswith("/v1/"):
            sent = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            known = self._names(scope)
            unknown = [name for name in dict(sent) if known is not None and name not in known]
            if unknown:
                faults = [Fault(pointer(("query", name)), "unknown-field") for name in unknown]
                answer = problem(Request(scope), 422, "invalid-request", faults)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _names(self, scope: Scope) -> frozenset[str] | None:
        """What the route asked for can be told; None where it says by itself what it refuses."""
        if not self._declared:
            self._declared = [
                (route.path_regex, route.methods or set(), query_names(route.dependant))
                for route in iter_route_contexts(scope["app"].routes)
                if isinstance(route.original_route, APIRoute)
            ]
        for path, methods, names in self._declared:
            if scope["method"] in methods and path.match(scope["path"]):
                return names
        return None


def query_names(dependant: Dependant) -> frozenset[str] | None:
    """What a route and its dependencies declare; None when a model refuses all else itself."""
    found: set[str] = set()
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return None
        found.add(field.alias)
    for dependency in dependant.dependencies:
        names = query_names(dependency)
        if names is None:
            return None
        found |= names
    return frozenset(found)


class NotModified:
    """Answers 304 without a body when the reader holds what would be sent (RFC 9110, 13.1.2).

    What has no ETag of its own gets one of its bytes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        held = ", ".join(Headers(scope=scope).getlist("if-none-match"))
        begun: Message | None = None
        unchanged = False

        async def trimmed(message: Message) -> None:
            nonlocal begun, unchanged
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                begun = message  # until it is known what follows
                return
            if begun is not None:
                start, begun = begun, None
                headers = MutableHeaders(scope=start)
                _tag(headers, message)
                unchanged = bool(held) and _holds(held, headers.get("etag", ""))
                if unchanged:
                    start["status"] = 304
                    del headers["content-length"]
                    del headers["content-type"]
                await send(start)
            if unchanged:
                message["body"] = b""
            await send(message)

        await self.app(scope, receive, trimmed)


def _tag(headers: MutableHeaders, message: Message) -> None:
    """Give what is sent in one piece, and may be kept, an ETag."""
    kept = "no-store" not in headers.get("cache-control", "")
    if kept and "etag" not in headers and "body" in message and not message.get("more_body"):
        digest = hashlib.blake2b(message["body"], digest_size=16)
        headers["ETag"] = f'W/"{digest.hexdigest()}"'


def _holds(held: str, tag: str) -> bool:
    """Whether the tag is one of those listed, weak or not; `*` is every tag."""
    return held.strip() == "*" or tag.removeprefix("W/") in _TAGS.findall(held)
