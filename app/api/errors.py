"""The one place where refusals become HTTP: RFC 9457 problem documents in two languages."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api import texts
from app.api.faults import fault_of
from app.api.statuses import CHALLENGES, HEADERS, PROTOCOL, STATUS
from app.domain.access import IssuerUnavailableError
from app.domain.errors import DomainError, Fault
from app.domain.quota import TooManyRequestsError

# Who sends a hundred faults has one: naming tens of thousands would keep others waiting.
MOST_FAULTS = 100

MEDIA_TYPE = "application/problem+json"

# What is found wrong where it is no one thing, for the contract's examples.
FAULTY: Mapping[str, Sequence[Fault]] = {
    "answers-invalid": (
        Fault("/answers/q1", "unknown-option"),
        Fault("/answers/q99", "unknown-question"),
    ),
    "invalid-request": (Fault("/received_at", "bad-instant"), Fault("/colour", "unknown-field")),
    "sheet-does-not-add-up": (
        Fault(
            "/counts/q4", "more-answers-than-forms", {"question": "q4", "answers": 15, "forms": 13}
        ),
    ),
}

_JSON = re.compile(r"application/(?:[\w.-]+\+)?json\s*(?:;|$)", re.IGNORECASE)

# SQLSTATE classes of trouble that passes: connections, rollbacks to retry, resources, operators.
PASSING = ("08", "40", "53", "57", "55")


class FaultOut(BaseModel):
    """One thing wrong at one place of the request."""

    pointer: str = Field(
        description="JSON Pointer into the body, or below /query, /path or /header"
    )
    code: str = Field(description="What is wrong there, for programs")
    detail: str


class Problem(BaseModel):
    """RFC 9457: what was refused and why, with every fault found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/dossier-not-found",
                    "title": "Không tìm thấy hồ sơ",
                    "status": 404,
                    "detail": "Cơ quan không có hồ sơ mang mã này.",
                    "instance": "/v1/ratings",
                    "code": "dossier-not-found",
                    "errors": [],
                }
            ]
        }
    )

    type: str = Field(description="Path of a page that explains it")
    title: str = Field(description="What was refused, in the reader's language")
    status: int = Field(description="HTTP status of the answer")
    detail: str = Field(description="What is wrong and what to do, in the reader's language")
    instance: str = Field(description="Path that was asked")
    code: str = Field(description="What was refused, for programs; the end of `type`")
    errors: list[FaultOut] = Field(
        description="Each fault that was found, the first 100; may be empty"
    )


def problem(
    request: Request,
    status: int,
    code: str,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The problem document for a refusal, in the reader's language."""
    language = texts.language(request)
    return JSONResponse(
        document(language, request.url.path, status, code, faults).model_dump(),
        status,
        {"Content-Language": language, "Vary": "Accept-Language", **(headers or {})},
        MEDIA_TYPE,
    )


def document(
    language: texts.Language, instance: str, status: int, code: str, faults: Sequence[Fault]
) -> Problem:
    """What a refusal is in words, with each fault (the first 100)."""
    named = [
        FaultOut(
            pointer=fault.pointer,
            code=fault.code,
            detail=texts.say(language, f"{fault.code}:detail", **fault.params),
        )
        for fault in faults[:MOST_FAULTS]
    ]
    return Problem(
        type=f"/problems/{code}",
        title=texts.say(language, code),
        status=status,
        detail=_detail(language, code, named),
        instance=instance,
        code=code,
        errors=named,
    )


def _detail(language: texts.Language, code: str, named: Sequence[FaultOut]) -> str:
    """What is wrong, when it is one thing, and what to do about it."""
    if len(named) != 1:
        return texts.say(language, f"{code}:help")
    return f"{named[0].detail} {texts.say(language, f'{named[0].code}:help')}"


def problems(*refusals: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """A guarded route's problem responses for OpenAPI, from the same table as the answers."""
    codes: dict[int, list[str]] = {status: [PROTOCOL[status]] for status in (400, 413, 415, 503)}
    codes |= {401: ["credential-missing", "credential-unknown"]}
    codes |= {429: [TooManyRequestsError.code]}
    codes[503].append(IssuerUnavailableError.code)
    codes |= {403: ["scope-missing", "agency-not-allowed"], 422: ["invalid-request"]}
    for refusal in refusals:
        codes.setdefault(STATUS[refusal], []).append(refusal.code)
    return {status: described(status, names) for status, names in sorted(codes.items())}


def public_problems(*refusals: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """A public route's problem responses for OpenAPI."""
    return {
        status: answer
        for status, answer in problems(*refusals).items()
        if status not in {401, 403, 413, 415}
    }


def described(status: int, codes: Sequence[str]) -> dict[str, Any]:
    """One problem response for OpenAPI, with an example of each code."""
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in dict.fromkeys(codes)}
    reference = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(examples)}",
        "content": {MEDIA_TYPE: {"schema": reference, "examples": examples}},
        "x-codes": [*examples],
    }


def example_problems() -> dict[str, dict[str, Any]]:
    """An example of each problem, to which the routes' responses refer."""
    statuses = {code: status for status, code in PROTOCOL.items()}
    statuses |= {refusal.code: status for refusal, status in STATUS.items()}
    return {
        code: {"value": document("vi", "/v1", status, code, FAULTY.get(code, ())).model_dump()}
        for code, status in sorted(statuses.items())
    }


def unavailable(error: BaseException) -> bool:
    """Whether the trouble is the database's and passes: the request may be sent again."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return True
        error = error.orig or error
    state = str(getattr(error, "sqlstate", None) or "")
    # An address in the file system that is not there: the server is just being started again.
    passing = ConnectionError | FileNotFoundError | TimeoutError | PoolTimeoutError
    return state.startswith(PASSING) or isinstance(error, passing)


async def _domain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)  # noqa: S101 -- registered for this type only
    headers = dict(HEADERS.get(STATUS[type(error)], {}))
    if type(error) in CHALLENGES:
        headers["WWW-Authenticate"] = CHALLENGES[type(error)]
    return problem(request, STATUS[type(error)], error.code, error.faults, headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for this type only
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(request, 400, PROTOCOL[400])
    # What is not said to be JSON is not read as JSON, and so fits no model.
    if not _JSON.match(request.headers.get("content-type", "")) and any(
        one["loc"] == ("body",) and one["type"] != "missing" for one in found
    ):
        return problem(request, 415, PROTOCOL[415])
    return problem(request, 422, "invalid-request", [fault_of(one) for one in found[:MOST_FAULTS]])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for this type only
    code = PROTOCOL.get(error.status_code, PROTOCOL[400])
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return problem(request, error.status_code, code, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of all routes at the address; the router itself names one route's only."""
    found = {"OPTIONS"}
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.path_regex.match(request.scope["path"]):
            found |= route.methods
    if "GET" in found:
        found.add("HEAD")
    return sorted(found)


def register(app: FastAPI) -> None:
    """Answer every refusal of the app with a problem document."""
    app.add_exception_handler(DomainError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
