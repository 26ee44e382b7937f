"""Published editions, for everybody: served from memory, and the same for ever."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.api import catalog, drafts, edition_answers, texts
from app.api.deps import (
    CatalogueKnown,
    CodeCursor,
    Language,
    Paging,
    Presented,
    Session,
    identified,
)
from app.api.edition_answers import Document
from app.api.edition_document import DOCUMENT
from app.api.edition_schemas import LATEST
from app.api.errors import described, problem, public_problems
from app.api.indices import IndicesOut
from app.api.ranking_schemas import RankingOut
from app.api.schemas import Code
from app.api.statuses import STATUS
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
from app.db.editions import Contents, Publication, Rendered
from app.db.known import Known
from app.domain.access import Caller
from app.domain.comparison import CriterionNotFoundError
from app.domain.errors import (
    AgencyNotAllowedError,
    AgencyNotFoundError,
    CredentialMissingError,
    CredentialUnknownError,
    EditionNotFoundError,
    Fault,
    ScopeMissingError,
)
from app.reports.data_package import data_package

# What was published never changes; whether it was superseded may, so it is asked for again.
CACHED = {"Cache-Control": "public, max-age=300"}
BY_READER = {"Vary": "Accept-Language, Accept"}
BY_KEY = {"Vary": "Accept-Language, Authorization"}


class FromMemory(APIRoute):
    """A route that answers what it answered before of a published edition, without further ado.

    Checking the path and solving dependencies takes as long as all the rest.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        anew = super().get_route_handler()

        async def answer(request: Request) -> Response:
            known: Known = request.app.state.known
            found = known.remembered_publication(request.path_params.get("edition", ""))
            if found is not None and not wants_csv(request):
                held = found.rendered.get((request.scope["path"], texts.language(request)))
                if held is not None:
                    return _answer(found, held, "application/json", BY_READER)
            return await anew(request)

        return answer


router = APIRouter(prefix="/v1/editions", tags=["editions"], route_class=FromMemory)
Answers = dict[int | str, dict[str, Any]]

ZIPPED = {"schema": {"type": "string", "format": "binary"}, "example": "PK\u0003\u0004"}
ZIP: Answers = {200: {"content": {"application/zip": ZIPPED}, "description": "The data package"}}


@router.get(
    "/{edition}/rankings/{criterion}",
    operation_id="get_published_ranking",
    response_model=RankingOut,
    responses={
        200: csv_described(RANKING_COLUMNS),
        **public_problems(EditionNotFoundError, CriterionNotFoundError),
    },
)
async def get_published_ranking(
    edition: Code, criterion: Code, request: Request, known: CatalogueKnown, language: Language
) -> Response:
    """The ranking by a criterion (or `overall`), as published."""
    found = await known.publication(edition)
    (await _contents(found)).check_criterion(criterion)
    make = partial(_made, edition_answers.ranking, found, criterion, language)
    made = await _rendered(found, (request.scope["path"], language), make)
    return _table_or_json(request, found, made, (RANKING_COLUMNS, rows_of_ranking))


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
    (await _contents(found)).check_agency(agency)
    make = partial(_made, edition_answers.indices, found, agency, language)
    made = await _rendered(found, (request.scope["path"], language), make)
    return _table_or_json(request, found, made, (INDEX_COLUMNS, rows_of_indices))


@router.get(
    "",
    operation_id="list_editions",
    responses={
        **public_problems(),
        401: described(401, [CredentialMissingError.code, CredentialUnknownError.code]),
        403: described(403, [ScopeMissingError.code]),
    },
)
async def list_editions(
    request: Request,
    response: Response,
    session: Session,
    language: Language,
    presented: Presented,
    paging: Paging,
    cursor: CodeCursor = None,
    state: Annotated[
        Literal["published", "draft"], Query(description="Drafts: for keys with `editions:write`")
    ] = "published",
) -> catalog.CatalogOut:
    """Published editions, the latest first, as a catalogue of datasets (DCAT); or one's drafts."""
    if state == "draft":
        response.headers.update({"Cache-Control": "private, no-cache", **BY_KEY})
        caller = await _editor(request, presented)
        entries = await drafts.shown(session, caller, cursor, paging.rows)
    else:
        response.headers["Vary"] = "Accept-Language"
        entries = await editions.list_page(session, cursor, paging.rows)
    page, following = paging.page(entries, lambda entry: entry.edition.code)
    return catalog.catalog(page, following, language)


async def _editor(request: Request, presented: Presented) -> Caller:
    """Who asks for drafts; a refusal without a key for editions."""
    if presented is None:
        raise CredentialMissingError
    caller = await identified(request, presented.credentials)
    caller.check_scope(drafts.SCOPE)
    return caller


@router.get(
    f"/{LATEST}",
    operation_id="get_latest_edition",
    response_class=Response,
    responses={**DOCUMENT, **public_problems(EditionNotFoundError)},
)
async def get_latest_edition(
    request: Request,
    known: CatalogueKnown,
    peer_group: Annotated[Code | None, Query(description="Default: of any group")] = None,
) -> Response:
    """The document of the latest period's edition that nothing has superseded and that ranks."""
    # Who holds a connection must not wait for the one that what is known is read on.
    async with request.app.state.sessions() as session:
        codes = await editions.current(session, peer_group)
    for code in codes:
        found = await known.publication(code)
        if (await _contents(found)).ranked:
            answer = _document(found)
            answer.headers["Content-Location"] = f"/v1/editions/{found.code}"
            answer.headers["Cache-Control"] = "public, no-cache"
            return answer
    raise EditionNotFoundError(Fault("/query/peer_group", "no-edition-yet"))


@router.get(
    "/{edition}",
    operation_id="get_edition",
    response_class=Response,
    responses={
        **DOCUMENT,
        **public_problems(EditionNotFoundError),
        401: described(401, [CredentialUnknownError.code]),
        403: described(403, [AgencyNotAllowedError.code]),
    },
)
async def get_edition(
    edition: Code, request: Request, known: CatalogueKnown, presented: Presented
) -> Response:
    """An edition's document: canonical JSON, byte for byte what its digest is of.

    One that is not published yet is shown to keys with `editions:write` only.
    """
    try:
        return _document(await known.publication(edition))
    except EditionNotFoundError as refusal:
        if presented is None:
            # A cache must not answer somebody with a key so.
            return problem(request, STATUS[type(refusal)], refusal.code, refusal.faults, BY_KEY)
    caller = await identified(request, presented.credentials)
    async with request.app.state.sessions() as session:
        draft = await drafts.readable(session, edition, caller)
    answer = _document(Publication(edition, draft, sha256(draft).hexdigest(), None))
    answer.headers.update({"Cache-Control": "private, no-cache", "Vary": "Authorization"})
    return answer


@router.get(
    "/{edition}/datapackage.zip",
    operation_id="get_data_package",
    response_class=Response,
    responses={**ZIP, **public_problems(EditionNotFoundError)},
)
async def get_data_package(edition: Code, known: CatalogueKnown) -> Response:
    """An edition as open data: one tidy table with its description (Frictionless Data Package)."""
    found = await known.publication(edition)
    made = await _rendered(found, ("zip",), partial(data_package, found.document, found.digest))
    headers = {"Content-Disposition": f'attachment; filename="{edition}.zip"'}
    return _answer(found, made, "application/zip", headers)


async def _contents(found: Publication) -> Contents:
    """What can be asked for of the edition; its document is read for that once."""
    if found.contents is None:
        document = await asyncio.to_thread(json.loads, found.document)
        found.contents = edition_answers.contents(document)
    return found.contents


Table = tuple[tuple[str, ...], Callable[[Mapping[str, Any]], list[dict[str, object]]]]


def _table_or_json(request: Request, found: Publication, made: Rendered, table: Table) -> Response:
    answer = _answer(found, made, "application/json", BY_READER)
    if not wants_csv(request):
        return answer
    columns, rows = table
    return csv_answer(columns, rows(json.loads(made.content)), found.code, answer)


def _made(
    answer: Callable[[Document, str, Language], BaseModel],
    found: Publication,
    of: str,
    language: Language,
) -> bytes:
    """What the edition says of a criterion or an agency."""
    return answer(json.loads(found.document), of, language).model_dump_json().encode()


async def _rendered(
    found: Publication, what: tuple[str, ...], make: Callable[[], bytes]
) -> Rendered:
    """What was made of the edition before, or is made now and kept; a refusal is not."""
    held = found.rendered.get(what)
    if held is None:
        # It may take seconds of thousands of agencies: meanwhile others are served.
        content = await asyncio.to_thread(make)
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
