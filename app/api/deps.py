"""What routes are handed: the transaction, the clock, a new id, and who is calling."""

import os
import re
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import texts
from app.db import keys
from app.db.catalogue import Expected
from app.domain.access import Caller
from app.domain.errors import CredentialMissingError
from app.settings import Settings


async def transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """A session whose work is committed before the response leaves, or not at all."""
    async with request.app.state.sessions.begin() as session:
        yield session


def now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def new_id() -> uuid.UUID:
    """A version 7 UUID: ids made one after the other lie together in the primary key."""
    milliseconds = int(now().timestamp() * 1000)
    number = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | (0x7 << 76)
    return uuid.UUID(int=number & ~(0x3 << 62) | (0x2 << 62))


def settings(request: Request) -> Settings:
    """What the operator chose."""
    found: Settings = request.app.state.settings
    return found


def reference_key(request: Request) -> bytes:
    """The secret that dossier references are made with."""
    key: bytes = request.app.state.reference_key
    return key


# The default scope would commit after the client has its 201.
Session = Annotated[AsyncSession, Depends(transaction, scope="function")]
Now = Annotated[datetime, Depends(now)]
NewId = Annotated[uuid.UUID, Depends(new_id)]
Chosen = Annotated[Settings, Depends(settings)]
ReferenceKey = Annotated[bytes, Depends(reference_key)]
Language = Annotated[texts.Language, Depends(texts.language)]

_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer hl_…`")


def needs(*scopes: str) -> Callable[..., object]:
    """A dependency that lets through callers whose key carries one of the scopes."""

    async def guard(
        session: Session,
        moment: Now,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        if credentials is None:
            raise CredentialMissingError
        caller = await keys.authenticate(session, credentials.credentials, moment)
        caller.check_scope(*scopes)
        return caller

    guard.scopes = scopes  # type: ignore[attr-defined]  # read by the test that walks all routes
    return guard


CatalogueReader = Annotated[Caller, Depends(needs("catalogue:read"))]
CatalogueWriter = Annotated[Caller, Depends(needs("catalogue:write"))]
DossierReader = Annotated[Caller, Depends(needs("dossiers:read"))]
DossierWriter = Annotated[Caller, Depends(needs("dossiers:write"))]
RatingWriter = Annotated[Caller, Depends(needs("ratings:write"))]
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
    match = re.fullmatch(r'"([1-9][0-9]{0,8})"', if_match.strip())
    # An ETag that we never gave out matches nothing.
    return Expected(revision=int(match[1]) if match else 0)


ExpectedState = Annotated[Expected, Depends(expected)]


def stored(response: Response, revision: int) -> None:
    """Say in the answer which revision was stored, and whether it is the first."""
    tag(response, revision)
    response.status_code = 201 if revision == 1 else 200


def tag(response: Response, revision: int) -> None:
    """Say in the answer which revision this is."""
    response.headers["ETag"] = f'"{revision}"'
