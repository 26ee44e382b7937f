"""Pages for people, made on the server: no scripts, and nothing fetched from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from app.api import texts
from app.api.errors import RETRY_AFTER_SECONDS, STATUS, unavailable
from app.domain.errors import DomainError, Fault, SaturatedError

BUSY = STATUS[SaturatedError]

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


def page(
    name: str, language: texts.Language, status: int, values: Mapping[str, Any]
) -> HTMLResponse:
    """A page in the reader's language."""
    headers = HEADERS | {"Content-Language": language}
    if status == BUSY:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    say = partial(texts.say, language)
    made = TEMPLATES.get_template(name).render(language=language, say=say, **values)
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
