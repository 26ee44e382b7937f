"""What routes are handed: the transaction, the clock, a new id, and who is calling."""

import re
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import texts
from app.db.catalogue import Expected
from app.db.known import Known
from app.domain.access import Caller
from app.domain.errors import CredentialMissingError
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
    auto_error=False, description="`Authorization: Bearer hl_…` (API key) or `hld_…` (device)"
)
Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def credential(request: Request) -> str | None:
    """What a caller presents as its key, if anything."""
    scheme, presented = get_authorization_scheme_param(request.headers.get("authorization"))
    return presented if presented and scheme.lower() == "bearer" else None


def needs(*scopes: str) -> Callable[..., object]:
    """A dependency that lets through callers whose key carries one of the scopes."""

    async def guard(
        known: CatalogueKnown,
        moment: Now,
        credentials: Presented,
    ) -> Caller:
        if credentials is None:
            raise CredentialMissingError
        caller = (await known.credential(credentials.credentials)).at(moment)
        caller.check_scope(*scopes)
        return caller

    guard.scopes = scopes  # type: ignore[attr-defined]  # read by the test that walks all routes
    return guard


def might(scope: str) -> Callable[..., object]:
    """A dependency of a public route that says whether the caller's key carries the scope."""

    async def looked_at(known: CatalogueKnown, moment: Now, credentials: Presented) -> bool:
        if credentials is None:
            return False
        return scope in (await known.credential(credentials.credentials)).at(moment).scopes

    return looked_at


CatalogueReader = Annotated[Caller, Depends(needs("catalogue:read"))]
CatalogueWriter = Annotated[Caller, Depends(needs("catalogue:write"))]
DossierReader = Annotated[Caller, Depends(needs("dossiers:read"))]
DossierWriter = Annotated[Caller, Depends(needs("dossiers:write"))]
RatingReader = Annotated[Caller, Depends(needs("ratings:read"))]
RatingVoider = Annotated[Caller, Depends(needs("ratings:void"))]
RatingWriter = Annotated[Caller, Depends(needs("ratings:write"))]
EditionWriter = Annotated[Caller, Depends(needs("editions:write"))]
MethodReader = Annotated[Caller, Depends(needs("catalogue:read", "indices:read"))]
IndexReader = Annotated[Caller, Depends(needs("indices:read"))]


def expected(
    if_match: Annotated[str | None, Header(description="Only if the entry has this ETag")] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: only if it is new")] = None,
) -> Expected:
    """The state that an update relies on, from its headers."""
    if if_none_match is not None and if_none_match.strip() == "*":
        return Expected(absent=True)
    if if_match is None:
        return Expected()
    if if_match.strip() == "*":
        return Expected(present=True)
    match = re.fullmatch(r'"([1-9][0-9]{0,8})(?:-[a-z]+)?"', if_match.strip())
    # An ETag that we never gave out matches nothing.
    return Expected(revision=int(match[1]) if match else 0)


ExpectedState = Annotated[Expected, Depends(expected)]


def stored(response: Response, revision: int) -> None:
    """Say in the answer which revision was stored, and whether it is the first."""
    tag(response, revision)
    response.status_code = 201 if revision == 1 else 200


def tag(response: Response, revision: int, state: str = "") -> None:
    """Say in the answer which revision this is, and the state that it is in without a change."""
    response.headers["ETag"] = f'"{revision}-{state}"' if state else f'"{revision}"'


RequestKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this request: sent again, it is answered as before and counted once",
    ),
]
