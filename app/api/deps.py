"""What routes are handed: the transaction, the clock, a new id, and who is calling."""

import re
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import texts
from app.api.oidc import Tokens, is_token
from app.api.schemas import Code
from app.db.catalogue import Expected
from app.db.known import Known
from app.domain.access import DEVICE_SCOPE, Caller
from app.domain.errors import CredentialMissingError
from app.domain.operation import SCOPES as IMPORT_SCOPES
from app.settings import Settings


async def transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """A session whose work is committed before the response leaves, or not at all."""
    async with request.app.state.sessions.begin() as session:
        yield session


async def snapshot(request: Request) -> AsyncIterator[AsyncSession]:
    """As a transaction, but all that is read is as it was at one moment."""
    async with request.app.state.snapshots.begin() as session:
        yield session


# Coroutines, all of these: FastAPI would send a plain function to a thread.
async def now(request: Request) -> datetime:
    """The present instant, by the app's clock."""
    moment: datetime = request.app.state.clock()
    return moment


async def new_id() -> uuid.UUID:
    """A random id: one made of the clock would tell when somebody rated."""
    return uuid.uuid4()


async def settings(request: Request) -> Settings:
    """What the operator chose."""
    found: Settings = request.app.state.settings
    return found


async def reference_key(request: Request) -> bytes:
    """The secret that dossier references are made with."""
    key: bytes = request.app.state.reference_key
    return key


async def known(request: Request) -> Known:
    """What this process knows of the catalogue."""
    found: Known = request.app.state.known
    return found


async def language(request: Request) -> texts.Language:
    """The language that the reader prefers."""
    return texts.language(request)


# The default scope would commit after the client has its 201.
Session = Annotated[AsyncSession, Depends(transaction, scope="function")]
Snapshot = Annotated[AsyncSession, Depends(snapshot, scope="function")]
Now = Annotated[datetime, Depends(now)]
NewId = Annotated[uuid.UUID, Depends(new_id)]
Chosen = Annotated[Settings, Depends(settings)]
CatalogueKnown = Annotated[Known, Depends(known)]
ReferenceKey = Annotated[bytes, Depends(reference_key)]
Language = Annotated[texts.Language, Depends(language)]

_bearer = HTTPBearer(
    auto_error=False,
    description="`Authorization: Bearer hl_…` (API key), `hld_…` (device) or an issuer's token",
)
Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def credential(request: Request) -> str | None:
    """What a caller presents as its key, if anything."""
    scheme, presented = get_authorization_scheme_param(request.headers.get("authorization"))
    return presented if presented and scheme.lower() == "bearer" else None


async def identified(request: Request, presented: str) -> Caller:
    """Whose a key or a token is; raises CredentialUnknownError or IssuerUnavailableError."""
    state = request.app.state
    tokens: Tokens | None = state.tokens
    if tokens is not None and is_token(presented):
        return await tokens.caller(presented, state.clock())
    caller: Caller = await state.known.caller(presented, state.clock())
    return caller


def needs(*scopes: str) -> Callable[..., object]:
    """A dependency that lets through callers whose key carries one of the scopes."""

    async def guard(request: Request, credentials: Presented) -> Caller:
        if credentials is None:
            raise CredentialMissingError
        caller = await identified(request, credentials.credentials)
        caller.check_scope(*scopes)
        return caller

    guard.scopes = scopes  # type: ignore[attr-defined]  # read by the test that walks all routes
    return guard


def might(scope: str) -> Callable[..., object]:
    """A dependency of a public route that says whether the caller's key carries the scope."""

    async def looked_at(request: Request, credentials: Presented) -> bool:
        if credentials is None:
            return False
        return scope in (await identified(request, credentials.credentials)).scopes

    return looked_at


def scopes_asked(dependant: Dependant) -> set[tuple[str, ...]]:
    """The scopes that a route's dependencies ask for, one of each tuple."""
    own = getattr(dependant.call, "scopes", None)
    found = {own} if isinstance(own, tuple) else set()
    return found.union(*(scopes_asked(dependency) for dependency in dependant.dependencies))


CatalogueReader = Annotated[Caller, Depends(needs("catalogue:read"))]
CatalogueWriter = Annotated[Caller, Depends(needs("catalogue:write"))]
FormReader = Annotated[Caller, Depends(needs("catalogue:read", DEVICE_SCOPE))]
DossierReader = Annotated[Caller, Depends(needs("dossiers:read"))]
DossierWriter = Annotated[Caller, Depends(needs("dossiers:write"))]
RatingReader = Annotated[Caller, Depends(needs("ratings:read"))]
RatingVoider = Annotated[Caller, Depends(needs("ratings:void"))]
RatingWriter = Annotated[Caller, Depends(needs("ratings:write"))]
Inviter = Annotated[Caller, Depends(needs("surveys:invite"))]
EditionWriter = Annotated[Caller, Depends(needs("editions:write"))]
MethodReader = Annotated[Caller, Depends(needs("catalogue:read", "indices:read"))]
IndexReader = Annotated[Caller, Depends(needs("indices:read"))]
Importer = Annotated[Caller, Depends(needs(*sorted(set(IMPORT_SCOPES.values()))))]


_REVISION = re.compile(r'(W/)?"([1-9][0-9]{0,8})(?:-[a-z]+)?"')


def expected(
    if_match: Annotated[
        str | None, Header(description="Only if the entry has one of these ETags; `*`: any")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="Only if it has none of these ETags; `*`: if it is new")
    ] = None,
) -> Expected:
    """The state that an update relies on, from its headers (RFC 9110, section 13.1).

    An ETag that is weak, or that we never gave out, is no entry's for `If-Match`.
    """
    wanted, held = (if_match or "").strip(), (if_none_match or "").strip()
    strong = frozenset(int(number) for weak, number in _REVISION.findall(wanted) if not weak)
    return Expected(
        absent=held == "*",
        present=if_match is not None,
        among=None if if_match is None or wanted == "*" else strong,
        other_than=frozenset(int(number) for _, number in _REVISION.findall(held)),
    )


ExpectedState = Annotated[Expected, Depends(expected)]


def stored(response: Response, revision: int) -> None:
    """Say in the answer which revision was stored, and whether it is the first."""
    tag(response, revision)
    response.status_code = 201 if revision == 1 else 200


def tag(response: Response, revision: int, state: str = "") -> None:
    """Say in the answer which revision this is, and the state that it is in without a change."""
    response.headers["ETag"] = f'"{revision}-{state}"' if state else f'"{revision}"'


Row = TypeVar("Row")
Cursor = TypeVar("Cursor")

BEGINNING = Query(description="`next_cursor` of the page before")
CodeCursor = Annotated[Code | None, BEGINNING]
IdCursor = Annotated[uuid.UUID | None, BEGINNING]


@dataclass(frozen=True, slots=True)
class Pages:
    """How a list is read a page at a time: asked for one row too many, it shows if more follow."""

    limit: int
    request: Request
    response: Response

    @property
    def rows(self) -> int:
        """How many rows to look up."""
        return self.limit + 1

    def page(
        self, rows: Sequence[Row], cursor: Callable[[Row], Cursor]
    ) -> tuple[Sequence[Row], Cursor | None]:
        """The rows of the page, and the cursor of the next, to which the answer then links."""
        page = rows[: self.limit]
        if len(rows) == len(page):
            return page, None
        following = cursor(page[-1])
        url = self.request.url.include_query_params(cursor=following)
        self.response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return page, following


async def pages(
    request: Request, response: Response, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> Pages:
    """The pages of a list, as long as the caller wants them."""
    return Pages(limit, request, response)


Paging = Annotated[Pages, Depends(pages)]


REQUEST_KEY = r"^[\x21-\x7e]{1,200}$"
REQUEST_KEY_TEXT = "Names this request: sent again, it is answered as before and counted once"
REPLAYS: dict[str, Any] = {
    "headers": {"Idempotent-Replayed": {"$ref": "#/components/headers/Idempotent-Replayed"}}
}
RequestKey = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=REQUEST_KEY, description=REQUEST_KEY_TEXT)
]
