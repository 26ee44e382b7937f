"""Routes about the service itself: health, and the page that explains each problem."""

from html import escape

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import HTMLResponse, RedirectResponse

from app.api import texts
from app.api.deps import Language, Session
from app.api.errors import described
from app.api.schemas import Code, Out, example
from app.db.session import ping
from app.domain.errors import NotFoundError

router = APIRouter(tags=["service"])


class Health(Out):
    """The service's own state."""

    model_config = ConfigDict(json_schema_extra=example({"status": "ok"}))

    status: str = Field(description="`ok`: it is")


@router.get("/healthz", operation_id="get_health")
async def get_health() -> Health:
    """The process is alive."""
    return Health(status="ok")


@router.get(
    "/readyz",
    operation_id="get_readiness",
    responses={503: described(503, ["database-unavailable"])},
)
async def get_readiness(session: Session) -> Health:
    """The process can serve: its database answers."""
    await ping(session)
    return Health(status="ok")


@router.get("/", include_in_schema=False)
async def get_start() -> RedirectResponse:
    """The way to the documentation."""
    return RedirectResponse("/docs")


PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;
color:#1b1b1b;background:#fff}}code{{background:#eee;padding:.1em .3em}}</style>
<h1>{title}</h1><p><code>{code}</code></p><p>{help}</p></html>
"""


@router.get(
    "/problems/{code}",
    operation_id="explain_problem",
    response_class=HTMLResponse,
    responses={
        200: {
            "description": "A page in the reader's language",
            "content": {"text/html": {"example": "<!doctype html>…"}},
        },
        404: described(404, [NotFoundError.code]),
        422: described(422, ["invalid-request"]),
    },
)
async def explain_problem(code: Code, language: Language) -> HTMLResponse:
    """A page that explains a problem and says what to do."""
    catalogue = texts.catalogue(language)
    if code not in catalogue:
        raise NotFoundError
    title, help_text = escape(catalogue[code]), escape(catalogue[f"{code}:help"])
    return HTMLResponse(
        PAGE.format(language=language, title=title, code=code, help=help_text),
        headers={"Content-Language": language, "Vary": "Accept-Language"},
    )
