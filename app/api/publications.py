"""Published editions, for everybody: served from memory, and the same for ever."""

import base64
import json
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api import catalog, edition_answers
from app.api.catalog import CatalogOut
from app.api.deps import CatalogueKnown, Language, Now, Presented, Session
from app.api.errors import described, public_problems
from app.api.indices import IndicesOut
from app.api.ranking_schemas import RankingOut
from app.api.schemas import Code
from app.api.tables import (
    INDEX_COLUMNS,
    RANKING_COLUMNS,
    csv_answer,
    csv_described,
    rows_of_indices,
    rows_of_ranking,
    wants_csv,
)
from app.db import editions
from app.db.editions import Publication, Rendered
from app.domain.errors import (
    AgencyNotFoundError,
    CredentialUnknownError,
    EditionNotFoundError,
)
from app.reports.data_package import data_package

router = APIRouter(prefix="/v1/editions", tags=["editions"])

# What was published never changes; whether it was superseded may, so it is asked for again.
CACHED = {"Cache-Control": "public, max-age=300"}
Answers = dict[int | str, dict[str, Any]]

EXAMPLE = {"format": "hailong-edition@1", "code": "so-ban-nganh-2026-q1", "agencies": []}
JSON_DOCUMENT: Answers = {
    200: {"content": {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE}}}
}
ZIPPED = {"schema": {"type": "string", "format": "binary"}, "example": "PK\u0003\u0004"}
ZIP: Answers = {200: {"content": {"application/zip": ZIPPED}, "description": "The data package"}}


@router.get("", operation_id="list_editions", responses=public_problems())
async def list_editions(
    request: Request,
    response: Response,
    session: Session,
    language: Language,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[Code | None, Query(description="`next_cursor` of the page before")] = None,
) -> CatalogOut:
    """Published editions, the latest first, as a catalogue of datasets (DCAT)."""
    entries = await editions.list_page(session, cursor, limit + 1)
    following = entries[limit - 1].edition.code if len(entries) > limit else None
    if following:
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return catalog.catalog(entries[:limit], following, language)


@router.get(
    "/latest",
    operation_id="get_latest_edition",
    response_class=Response,
    responses={**JSON_DOCUMENT, **public_problems(EditionNotFoundError)},
)
async def get_latest_edition(
    session: Session,
    known: CatalogueKnown,
    peer_group: Annotated[Code | None, Query(description="Default: of any group")] = None,
) -> Response:
    """The document of the latest period's edition that nothing has superseded."""
    found = await known.publication(await editions.latest(session, peer_group))
    answer = _document(found)
    answer.headers["Content-Location"] = f"/v1/editions/{found.code}"
    answer.headers["Cache-Control"] = "public, no-cache"
    return answer


@router.get(
    "/{edition}",
    operation_id="get_edition",
    response_class=Response,
    responses={
        **JSON_DOCUMENT,
        **public_problems(EditionNotFoundError),
        401: described(401, [CredentialUnknownError.code]),
    },
)
async def get_edition(
    edition: Code, request: Request, known: CatalogueKnown, moment: Now, presented: Presented
) -> Response:
    """An edition's document: canonical JSON, byte for byte what its digest is of.

    One that is not published yet is shown to keys with `editions:write` only.
    """
    try:
        return _document(await known.publication(edition))
    except EditionNotFoundError:
        if presented is None:
            raise
        caller = (await known.credential(presented.credentials)).at(moment)
        if "editions:write" not in caller.scopes:
            raise
    async with request.app.state.sessions() as session:
        await editions.get(session, edition)
        draft = await editions.document(session, edition)
    headers = {"Cache-Control": "private, no-cache", "ETag": f'"{sha256(draft).hexdigest()}"'}
    return Response(draft, media_type="application/json", headers=headers)


@router.get(
    "/{edition}/datapackage.zip",
    operation_id="get_data_package",
    response_class=Response,
    responses={**ZIP, **public_problems(EditionNotFoundError)},
)
async def get_data_package(edition: Code, known: CatalogueKnown) -> Response:
    """An edition as open data: one tidy table with its description (Frictionless Data Package)."""
    found = await known.publication(edition)
    made = _rendered(found, ("zip",), partial(data_package, found.document, found.digest))
    headers = {"Content-Disposition": f'attachment; filename="{edition}.zip"'}
    return _answer(found, made, "application/zip", headers)


@router.get(
    "/{edition}/rankings/{criterion}",
    operation_id="get_published_ranking",
    response_model=RankingOut,
    responses={200: csv_described(RANKING_COLUMNS), **public_problems(EditionNotFoundError)},
)
async def get_published_ranking(
    edition: Code, criterion: Code, request: Request, known: CatalogueKnown, language: Language
) -> Response:
    """The ranking by a criterion (or `overall`), as published."""
    found = await known.publication(edition)

    def made() -> bytes:
        answer = edition_answers.ranking(_read(found), criterion, language)
        return answer.model_dump_json().encode()

    content = _rendered(found, ("ranking", criterion, language), made)
    return _table_or_json(request, found, content, (RANKING_COLUMNS, rows_of_ranking))


@router.get(
    "/{edition}/indices/{agency}",
    operation_id="get_published_indices",
    response_model=IndicesOut,
    responses={
        200: csv_described(INDEX_COLUMNS),
        **public_problems(EditionNotFoundError, AgencyNotFoundError),
    },
)
async def get_published_indices(
    edition: Code, agency: Code, request: Request, known: CatalogueKnown, language: Language
) -> Response:
    """An agency's indices, as published."""
    found = await known.publication(edition)

    def made() -> bytes:
        answer = edition_answers.indices(_read(found), agency, language)
        return answer.model_dump_json().encode()

    content = _rendered(found, ("indices", agency, language), made)
    return _table_or_json(request, found, content, (INDEX_COLUMNS, rows_of_indices))


Table = tuple[tuple[str, ...], Callable[[Mapping[str, Any]], list[dict[str, object]]]]


def _table_or_json(request: Request, found: Publication, made: Rendered, table: Table) -> Response:
    answer = _answer(found, made, "application/json", {"Vary": "Accept-Language, Accept"})
    if not wants_csv(request):
        return answer
    columns, rows = table
    for name in ("content-length", "content-type"):
        del answer.headers[name]
    return csv_answer(columns, rows(json.loads(made.content)), found.code, answer)


def _read(found: Publication) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(found.document)
    return document


def _rendered(found: Publication, what: tuple[str, ...], make: Callable[[], bytes]) -> Rendered:
    """What was made of the edition before, or is made now and kept."""
    held = found.rendered.get(what)
    if held is None:
        content = make()
        held = found.rendered[what] = Rendered(content, sha256(content).hexdigest()[:32])
    return held


def _document(found: Publication) -> Response:
    digest = base64.b64encode(bytes.fromhex(found.digest)).decode()
    made = Rendered(found.document, found.digest)
    return _answer(found, made, "application/json", {"Repr-Digest": f"sha-256=:{digest}:"})


def _answer(
    found: Publication, made: Rendered, media_type: str, headers: Mapping[str, str]
) -> Response:
    """The bytes with what caches and readers must know."""
    content, known = made.content, {"ETag": f'"{made.tag}"', **CACHED, **headers}
    if found.superseded_by:
        known["Link"] = f'</v1/editions/{found.superseded_by}>; rel="successor-version"'
    return Response(content, media_type=media_type, headers=known)
