"""What every request passes: an id, a log line without personal data, 304 where it fits."""

import re
import time
import traceback
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import HEADERS, PROTOCOL, problem, unavailable

log = structlog.get_logger("hailong")

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

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        declared = "0"
        if scope["type"] == "http":
            declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > self.limit:
            await problem(Request(scope), 413, PROTOCOL[413])(scope, receive, send)
            return
        await self.app(scope, receive, send)


class NotModified:
    """Answers 304 without a body when the reader holds what would be sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        held = Headers(scope=scope).get("if-none-match") if scope["type"] == "http" else None
        if held is None or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        tags = {tag.strip().removeprefix("W/") for tag in held.split(",")}
        unchanged = False

        async def trimmed(message: Message) -> None:
            nonlocal unchanged
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                tag = headers.get("etag", "").removeprefix("W/")
                unchanged = message["status"] == 200 and bool(tag) and bool(tags & {tag, "*"})  # noqa: PLR2004
                if unchanged:
                    message["status"] = 304
                    del headers["content-length"]
                    del headers["content-type"]
            elif unchanged:
                message["body"] = b""
            await send(message)

        await self.app(scope, receive, trimmed)
