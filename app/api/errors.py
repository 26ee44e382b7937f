"""The one place where refusals become HTTP: RFC 9457 problem documents in two languages."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api import texts
from app.api.faults import fault_of
from app.domain import access, comparison, edition, errors, operation, quota, webhook
from app.domain.errors import DomainError, Fault

STATUS: Mapping[type[DomainError], int] = {
    errors.NotFoundError: 404,
    errors.AgencyNotFoundError: 404,
    errors.CounterNotFoundError: 404,
    errors.PeerGroupNotFoundError: 404,
    errors.ProcedureNotFoundError: 404,
    errors.QuestionnaireNotFoundError: 404,
    errors.SurveyNotFoundError: 404,
    errors.DossierNotFoundError: 404,
    errors.MethodNotFoundError: 404,
    errors.PublishedIndexNotFoundError: 404,
    errors.DistributionNotFoundError: 404,
    errors.TargetNotFoundError: 404,
    errors.RatingNotFoundError: 404,
    errors.InvitationNotFoundError: 404,
    errors.DeviceNotFoundError: 404,
    errors.SelfAssessmentNotFoundError: 404,
    errors.EditionNotFoundError: 404,
    comparison.CriterionNotFoundError: 404,
    operation.OperationNotFoundError: 404,
    errors.UnknownReferenceError: 422,
    errors.InvalidError: 422,
    errors.AnswersInvalidError: 422,
    errors.SheetDoesNotAddUpError: 422,
    errors.MethodNotApplicableError: 422,
    errors.IdempotencyKeyReusedError: 422,
    errors.PreconditionFailedError: 412,
    errors.QuestionnaireInUseError: 409,
    errors.SurveyQuestionnaireFixedError: 409,
    errors.AlreadySucceededError: 409,
    errors.DossierMoveRefusedError: 409,
    errors.ResultNotReturnedError: 409,
    errors.AlreadyRatedError: 409,
    errors.SurveyClosedError: 409,
    errors.RatingWindowClosedError: 409,
    errors.AgencyNotSurveyedError: 409,
    errors.AlreadyVoidedError: 409,
    errors.EditionExistsError: 409,
    errors.EditionPublishedError: 409,
    errors.EditionNotRevisableError: 409,
    edition.EditionEmptyError: 409,
    **dict.fromkeys(webhook.ABSENCES, 404),
    **dict.fromkeys(webhook.CONFLICTS, 409),
    errors.InvitationExpiredError: 410,
    errors.InvitationUsedError: 410,
    errors.InvitationRevokedError: 410,
    quota.TooManyRequestsError: 429,
    errors.SaturatedError: 503,
    access.IssuerUnavailableError: 503,
    errors.CredentialMissingError: 401,
    errors.CredentialUnknownError: 401,
    errors.ScopeMissingError: 403,
    errors.AgencyNotAllowedError: 403,
    errors.CounterNotAllowedError: 403,
}

# Refusals that are HTTP's own and not the field's.
PROTOCOL: Mapping[int, str] = {
    400: "malformed-request",
    404: "route-not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    500: "internal-error",
    503: "database-unavailable",
}

# Who sends a hundred faults has one: naming tens of thousands would keep others waiting.
MOST_FAULTS = 100

RETRY_AFTER_SECONDS = "1"

HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": RETRY_AFTER_SECONDS},
}

# What a client must know to help itself (RFC 6750, section 3.1).
CHALLENGES: Mapping[type[DomainError], str] = {
    errors.CredentialUnknownError: 'Bearer error="invalid_token"',
    errors.ScopeMissingError: 'Bearer error="insufficient_scope"',
}

MEDIA_TYPE = "application/problem+json"

# SQLSTATE classes of trouble that passes: connections, rollbacks to retry, resources, operators.
PASSING = ("08", "40", "53", "57", "55")


class FaultOut(BaseModel):
    """One thing wrong at one place of the request."""

    pointer: str
    code: str
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

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FaultOut]


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
    codes: dict[int, list[str]] = {status: [PROTOCOL[status]] for status in (400, 413, 503)}
    codes |= {401: ["credential-missing", "credential-unknown"]}
    codes |= {429: [quota.TooManyRequestsError.code]}
    codes[503].append(access.IssuerUnavailableError.code)
    codes |= {403: ["scope-missing", "agency-not-allowed"], 422: ["invalid-request"]}
    for refusal in refusals:
        codes.setdefault(STATUS[refusal], []).append(refusal.code)
    return {status: described(status, names) for status, names in sorted(codes.items())}


def public_problems(*refusals: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """A public route's problem responses for OpenAPI."""
    return {
        status: answer
        for status, answer in problems(*refusals).items()
        if status not in {401, 403, 413}
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
        code: {
            "value": {
                "type": f"/problems/{code}",
                "title": texts.say("vi", code),
                "status": status,
                "detail": texts.say("vi", f"{code}:help"),
                "instance": "/v1",
                "code": code,
                "errors": [],
            }
        }
        for code, status in sorted(statuses.items())
    }


def unavailable(error: BaseException) -> bool:
    """Whether the trouble is the database's and passes: the request may be sent again."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return True
        error = error.orig or error
    state = str(getattr(error, "sqlstate", None) or "")
    return state.startswith(PASSING) or isinstance(
        error, ConnectionError | TimeoutError | PoolTimeoutError
    )


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
