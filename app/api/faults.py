"""What pydantic found wrong, in our own codes."""

from collections.abc import Mapping
from typing import Any

from app.domain.errors import Fault

_CODES: Mapping[str, str] = {
    "missing": "missing",
    "extra_forbidden": "unknown-field",
    "string_too_long": "too-long",
    "string_too_short": "too-short",
    "too_long": "too-long",
    "too_short": "too-short",
    "string_pattern_mismatch": "bad-format",
    "enum": "not-allowed",
    "literal_error": "not-allowed",
    "greater_than": "out-of-range",
    "greater_than_equal": "too-small",
    "less_than": "out-of-range",
    "less_than_equal": "too-large",
    "multiple_of": "out-of-range",
    "decimal_max_places": "too-many-decimals",
}

# Which type was wanted where pydantic found another, by the first word of its error. Each has a
# name in both languages, under `type:`.
_WANTED: Mapping[str, str] = {
    "string": "text",
    "uuid": "uuid",
    "int": "integer",
    "float": "number",
    "decimal": "number",
    "finite": "number",
    "bool": "boolean",
    "list": "list",
    "dict": "object",
    "model": "object",
}

# Errors that our own types raise carry our own codes already (see schemas).
OWN = frozenset(
    {
        "bad-day",
        "bad-instant",
        "bad-period",
        "bad-text",
        "bad-dossier-code",
        "blank",
        "not-one-month",
        "counts-dossiers",
        "field-not-wanted",
        "one-of-survey-or-source",
        "one-of-period-or-first-and-last",
    }
)

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

_LIMITS = (
    "max_length",
    "min_length",
    "ge",
    "le",
    "gt",
    "lt",
    "expected",
    "pattern",
    "decimal_places",
)


def fault_of(error: Mapping[str, Any]) -> Fault:
    """The fault that a pydantic error stands for. What was sent is never repeated."""
    kind = str(error["type"])
    if kind in OWN:
        return Fault(pointer(error["loc"]), kind, error.get("ctx") or {})
    code = _CODES.get(kind)
    if code is None:
        wanted = _WANTED.get(kind.partition("_")[0], "documented")
        return Fault(pointer(error["loc"]), "wrong-type", {"wanted": wanted})
    context = error.get("ctx") or {}
    limit = next((context[name] for name in _LIMITS if name in context), "")
    if code == "bad-format" and limit == CODE_PATTERN:
        code = "bad-code"
    if code in {"bad-code", "too-long"} and error["loc"][1:-1][:1] == ("answers",):
        # A label is no code with other letters: the form says what there is to choose from.
        code = "unknown-question" if error["loc"][-1] == "[key]" else "unknown-option"
    if isinstance(limit, float) and limit.is_integer():
        limit = int(limit)
    if isinstance(limit, str):
        limit = limit.replace("' or '", "', '").replace("'", "")
    return Fault(pointer(error["loc"]), code, {"limit": limit, "allowed": limit})


def pointer(location: tuple[str | int, ...]) -> str:
    """The JSON pointer of a place in the body, or /query/…, /path/…, /header/… elsewhere."""
    where, *steps = location
    path = steps if where == "body" else [where, *steps]
    # A union's branch and a mapping's key are steps of the check, not of what was sent.
    named = [str(step) for step in path if step != "[key]"]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in named)
