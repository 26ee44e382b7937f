"""Pages for people, made on the server: no scripts, and nothing fetched from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Query
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.api import texts
from app.api.errors import unavailable
from app.api.statuses import RETRY_AFTER_SECONDS, STATUS
from app.domain.errors import DomainError, Fault, SaturatedError

BUSY = STATUS[SaturatedError]

# Each as its own speakers call it, whatever the page is in.
NAMES: dict[texts.Language, str] = {"vi": "Tiếng Việt", "en": "English"}

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
_STYLE = TEMPLATES.get_template("rating.css").render().encode()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE).digest()).decode()

# A token in the address is a right: nobody else may learn the address or keep the page.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def wants_json(request: Request) -> bool:
    """Whether an application asks, and not a browser, which may take JSON besides."""
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


async def language(
    request: Request,
    lang: Annotated[
        str | None,
        Query(
            description="Language of the page, `vi` or `en`, which wins over `Accept-Language`. "
            "Any other value is ignored: then the page is in Vietnamese unless "
            "`Accept-Language` asks for English and does not list `vi` at all; "
            "JSON follows `Accept-Language`.",
            examples=["en"],
        ),
    ] = None,
) -> texts.Language:
    """The language of a page: as chosen on it; else Vietnamese for all who say they read it.

    A telephone may ask for English first without its owner's doing; an application may not.
    """
    if lang in NAMES:
        return "en" if lang == "en" else "vi"
    listed = request.headers.get("accept-language", "").lower().split(",")
    tags = [part.partition(";")[0].strip().partition("-")[0] for part in listed]
    return "vi" if "vi" in tags and not wants_json(request) else texts.language(request)


PageLanguage = Annotated[texts.Language, Depends(language)]


def page(
    name: str, language: texts.Language, status: int, values: Mapping[str, Any]
) -> HTMLResponse:
    """A page in the reader's language."""
    headers = HEADERS | {"Content-Language": language}
    if status == BUSY:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    say = partial(texts.say, language)
    made = TEMPLATES.get_template(name).render(
        language=language, languages=NAMES, say=say, **values
    )
    return HTMLResponse(made, status, headers)


def notice(language: texts.Language, status: int, title: str, *lines: str) -> HTMLResponse:
    """A page that says one thing."""
    return page("notice.html", language, status, {"title": title, "lines": lines})


def refusal(language: texts.Language, error: Exception) -> HTMLResponse:
    """The page that says kindly what is refused. What nobody foresaw is raised again."""
    say = partial(texts.say, language)
    if unavailable(error):
        lines = [say("page:away-detail"), say("page:away-help")]
        return notice(language, BUSY, say("page:away"), *lines)
    if not isinstance(error, DomainError):
        raise error
    fault = error.faults[0] if error.faults else Fault("", error.code)
    # Of the other refusals the help is for programmers.
    whereto = f"{error.code}:help" if error.code.startswith("invitation-") else "page:contact"
    lines = [say(f"{fault.code}:detail", **fault.params), say(whereto)]
    return notice(language, STATUS[type(error)], say(error.code), *lines)
