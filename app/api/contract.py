"""The contract: what the routes do not say of themselves is put into the OpenAPI document here."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from app.api import errors, security, terms

TITLE = "hailong"
DESCRIPTION = """\
Satisfaction with administrative service in a province: ratings counted exactly once, indices made
by named methods, with their uncertainty.

Every answer carries `X-Request-Id` and, for a credential with a quota, `RateLimit-Policy` and
`RateLimit`. Refusals are problem documents (RFC 9457) in the language of `Accept-Language` (`vi` or
`en`); which codes an operation answers with is listed in `x-codes` of its responses. New codes,
fields and operations may come at any time; what is there stays.
"""

TAGS = {
    "ratings": "What citizens say: one by one, in batches, by invitation, or counted on paper",
    "dossiers": "What the one-stop portal registers and reports, and the invitations to rate",
    "figures": "Indices and rankings, computed when they are asked for, and how that is done",
    "editions": "Figures that were frozen and published; once published, public",
    "catalogue": "Agencies, procedures, questionnaires, surveys, targets: what figures are about",
    "devices": "Counter tablets",
    "imports": "Files of rows taken in, and how far the work on them is",
    "exports": "Whole data sets as files",
    "webhooks": "Events told to other systems as they happen",
    "service": "The service itself",
}

# Answers that nobody may keep, or that are sent before their end is known.
UNTAGGED = {
    "export_dossiers",
    "export_ratings",
    "get_operation_errors",
    "open_invitation",
}
EVERYWHERE = ("RateLimit", "RateLimit-Policy", "X-Request-Id")
# What only some answers carry.
CARRIED = {
    ("get_edition", "200"): ("Repr-Digest",),
    ("get_latest_edition", "200"): ("Content-Location", "Repr-Digest"),
    ("get_operation", "200"): ("Retry-After",),
    ("import_rows", "202"): ("ETag", "Location", "Retry-After"),
    ("send_rating", "303"): ("Location",),
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of what the reader holds: 304 when it is still so",
    "schema": {"type": "string"},
}

ABOUT: Mapping[str, Any] = {
    "title": TITLE,
    "version": "1",
    "description": DESCRIPTION,
    "contact": {"name": "The operator of this service"},
    "servers": [{"url": "/", "description": "The server that this document came from"}],
    "openapi_tags": [{"name": name, "description": said} for name, said in TAGS.items()],
}

_NULL = {"type": "null"}

_PATH = "$request.path."
_BODY = "$response.body#/"

_DOSSIER = {"agency": f"{_PATH}agency", "dossier": f"{_PATH}dossier"}
_EDITION = {"edition": f"{_BODY}code"}
_OPERATION = {"operation": f"{_BODY}id"}
_WEBHOOK = {"webhook": f"{_PATH}webhook"}


def _invited(pointer: str) -> Mapping[str, Mapping[str, str]]:
    token = {"token": f"{_BODY}{pointer}"}
    return {"open_invitation": token, "get_invitation_qr": token, "send_rating": token}


# What can be done next with what an answer tells: by the operation that was asked, the one to ask
# and where its parameters are found.
LINKS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "register_dossier": {
        "get_dossier": _DOSSIER,
        "record_event": _DOSSIER,
        "issue_invitation": _DOSSIER,
    },
    "record_event": {
        "get_dossier": _DOSSIER,
        "issue_invitation": _DOSSIER,
        **_invited("invitation/token"),
    },
    "issue_invitation": {"revoke_invitation": _DOSSIER, **_invited("token")},
    "issue_survey_invitations": _invited("items/0/invitation/token"),
    "submit_rating": {
        "get_rating": {"agency": f"{_BODY}agency", "rating": f"{_BODY}id"},
        "void_rating": {"agency": f"{_BODY}agency", "rating": f"{_BODY}id"},
        "list_ratings": {"agency": f"{_BODY}agency"},
    },
    "freeze_edition": {
        "get_edition": _EDITION,
        "publish_edition": _EDITION,
        "discard_edition": _EDITION,
    },
    "publish_edition": {
        "get_edition": _EDITION,
        "get_data_package": _EDITION,
        "get_published_ranking": {**_EDITION, "criterion": "overall"},
    },
    "import_rows": {"get_operation": _OPERATION, "get_operation_errors": _OPERATION},
    "put_webhook": {
        "get_webhook": _WEBHOOK,
        "list_deliveries": _WEBHOOK,
        "add_webhook_secret": _WEBHOOK,
        "delete_webhook": _WEBHOOK,
    },
}


def complete(app: FastAPI) -> None:
    """Make the app answer for its whole contract: the routes' own part, and what is added here."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _add(plain(), app)
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _add(contract: dict[str, Any], app: FastAPI) -> None:
    components = contract["components"]
    problem = errors.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    # The route takes anything for a row and judges it by itself; a client should send ratings.
    rows = components["schemas"]["BatchIn"]["properties"]["ratings"]
    rows["items"] = {"$ref": "#/components/schemas/RatingIn"}
    del components["schemas"]["JsonValue"]
    components["headers"] = terms.HEADERS
    components["parameters"] = {"If-None-Match": IF_NONE_MATCH}
    issuer = app.state.settings.oidc_issuer
    components["securitySchemes"]["OpenIdConnect"] = security.scheme(issuer)
    security.complete(contract["paths"], app.routes)
    named: set[str] = set()
    for path in contract["paths"].values():
        for method, operation in path.items():
            operation["summary"] = operation["description"].split("\n")[0].rstrip(".")
            for parameter in operation.get("parameters", ()):
                parameter.setdefault("description", terms.PARAMETERS.get(parameter["name"], ""))
            _tag(method, operation)
            _say_where_to_go_on(operation)
            _say_when_to_retry(operation["responses"])
            _say_what_it_carries(operation)
            _put_json_first(operation["responses"])
            _link(operation)
            named |= {code for said in operation["responses"].values() for code in _codes(said)}
    for schema in components["schemas"].values():
        for name, field in schema.get("properties", {}).items():
            terms.describe(name, field)
        if "examples" in schema:
            schema["examples"] = [
                _whole(example, schema, components["schemas"]) for example in schema["examples"]
            ]
    examples = errors.example_problems()
    components["examples"] = {code: examples[code] for code in sorted(named)}


def _whole(example: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """The example with each null that is answered; FastAPI leaves them out."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            example = _whole(example, choice, schemas)
    if isinstance(example, list):
        return [_whole(one, schema.get("items", {}), schemas) for one in example]
    if not isinstance(example, dict):
        return example
    named = schema.get("properties", {})
    answered = schema.get("additionalProperties") is not False
    nulls = {name for name, one in named.items() if answered and _NULL in one.get("anyOf", ())}
    return {
        name: _whole(value, named.get(name, {}), schemas)
        for name, value in (dict.fromkeys(sorted(nulls)) | example).items()
    }


def _codes(answer: Mapping[str, Any]) -> Sequence[str]:
    found: Sequence[str] = answer.get("x-codes", ())
    return found


def _tag(method: str, operation: dict[str, Any]) -> None:
    """Say of what is read that it has an ETag, and is not sent again to who holds it.

    Of an entry that is put, its new ETag is answered.
    """
    if method == "put":
        for status in {"200", "201"} & operation["responses"].keys():
            operation["responses"][status].setdefault("headers", {}).update(_header("ETag"))
    if method != "get" or operation["operationId"] in UNTAGGED:
        return
    held = {"$ref": "#/components/parameters/If-None-Match"}
    operation["parameters"] = [*operation.get("parameters", ()), held]
    operation["responses"]["200"].setdefault("headers", {}).update(_header("ETag"))
    operation["responses"]["304"] = {
        "description": "As the reader holds it",
        "headers": _header("ETag"),
    }


def _say_where_to_go_on(operation: Mapping[str, Any]) -> None:
    """Say of a list that it links to its next page."""
    if {"cursor", "limit"} <= {one.get("name") for one in operation.get("parameters", ())}:
        operation["responses"]["200"].setdefault("headers", {}).update(_header("Link"))


def _say_when_to_retry(responses: Mapping[str, Any]) -> None:
    for status in ("429", "503"):
        if status in responses:
            responses[status].setdefault("headers", {}).update(_header("Retry-After"))


def _say_what_it_carries(operation: Mapping[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        own = CARRIED.get((operation["operationId"], status), ())
        for name in (*own, *EVERYWHERE):
            answer.setdefault("headers", {}).update(_header(name))


def _put_json_first(responses: Mapping[str, Any]) -> None:
    """Of several forms of an answer, makers of clients take the first."""
    for answer in responses.values():
        if "content" in answer:
            forms = answer["content"].items()
            answer["content"] = dict(sorted(forms, key=lambda form: "json" not in form[0]))


def _header(name: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"}}


def _link(operation: dict[str, Any]) -> None:
    """Say in each good answer what can be done next."""
    links = {
        name: {"operationId": name, "parameters": dict(parameters)}
        for name, parameters in LINKS.get(operation["operationId"], {}).items()
    }
    for status, answer in operation["responses"].items():
        if links and status < "300":
            answer["links"] = links
