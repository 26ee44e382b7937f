"""Imports: a file of rows is taken in whole, and done by the worker."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.requests import ClientDisconnect

from app.api.deps import (
    REPLAYS,
    Chosen,
    Importer,
    Language,
    NewId,
    Now,
    RequestKey,
    credential,
)
from app.api.errors import problems
from app.api.operations import OperationOut, answer
from app.bulk.reading import Form
from app.db import operations, uploads
from app.db.keys import hashed
from app.db.session import Sessions
from app.db.tables import Operation
from app.db.uploads import CHUNK_BYTES
from app.domain.access import Caller
from app.domain.errors import Fault, IdempotencyKeyReusedError
from app.domain.operation import FileTypeError, Kind

router = APIRouter(prefix="/v1/imports", tags=["imports"])

FORMS = {
    "application/x-ndjson": Form.NDJSON,
    "application/ndjson": Form.NDJSON,
    "application/jsonl": Form.NDJSON,
    "text/csv": Form.CSV,
}
ENCODINGS = {"", "identity", "gzip"}
FILE = {"type": "string", "format": "binary"}
ROW = {
    "agency": "H32.15",
    "code": "000.00.15.H32-230712-0001",
    "procedure": "2.000629",
    "channel": "desk",
    "received_at": "2023-07-12T08:05:00+07:00",
}
SENT = {
    "text/csv": {"schema": FILE, "example": f"{','.join(ROW)}\n{','.join(ROW.values())}\n"},
    "application/x-ndjson": {"schema": FILE, "example": json.dumps(ROW) + "\n"},
}


@dataclass(slots=True)
class Upload:
    """A file on its way into the database: in parts, so that none of it must be held whole."""

    sessions: Sessions
    id: UUID
    at: Now
    total: int = 0
    number: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    async def take(self, blocks: AsyncIterator[bytes], most: int) -> None:
        """Keep all that comes; raises HTTPException when it is too long or breaks off."""
        rest = bytearray()
        try:
            async for block in blocks:
                self.total += len(block)
                self._check(most)
                self.digest.update(block)
                rest += block
                while len(rest) >= CHUNK_BYTES:
                    await self._keep(rest)
            await self._keep(rest)
        except ClientDisconnect:
            await self._discard()
            raise HTTPException(400) from None
        except Exception:
            await self._discard()
            raise

    def _check(self, most: int) -> None:
        if self.total > most:
            raise HTTPException(413)

    async def _keep(self, rest: bytearray) -> None:
        if rest:
            async with self.sessions.begin() as session:
                part = bytes(rest[:CHUNK_BYTES])
                await uploads.keep(session, self.id, self.number, part, self.at)
            self.number += 1
            del rest[:CHUNK_BYTES]

    async def _discard(self) -> None:
        async with self.sessions.begin() as session:
            await uploads.discard(session, self.id)


@router.post(
    "/{kind}",
    status_code=202,
    operation_id="import_rows",
    responses={202: REPLAYS, **problems(IdempotencyKeyReusedError, FileTypeError)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A row in each line; either may be packed with gzip",
            "content": SENT,
        }
    },
)
async def import_rows(
    kind: Kind,
    request: Request,
    response: Response,
    caller: Importer,
    moment: Now,
    new_id: NewId,
    chosen: Chosen,
    language: Language,
    dry_run: Annotated[bool, Query(description="Check every row, and store none")] = False,  # noqa: FBT002 -- a flag of the query
    request_key: RequestKey = None,
) -> OperationOut:
    """Take in a file of ratings, dossiers, tally sheets or published indices.

    Each line says what the body of the request for one of them says, and what stands in its path:
    NDJSON, or CSV with the headings of the template. It is answered as soon as the file is stored;
    the worker does the rest, and the operation tells how far it is. The same file again changes
    nothing.
    """
    caller.check_scope(kind.scope)
    form = _form(request)
    sessions: Sessions = request.app.state.sessions
    file = Upload(sessions, new_id, moment)
    await file.take(request.stream(), chosen.import_max_bytes)
    asked = repr((kind.value, form.value, dry_run, _limits(caller))).encode()
    new = Operation(
        id=new_id,
        kind=kind.value,
        form=form.value,
        dry_run=dry_run,
        owner=caller.key,
        key_hash=hashed(credential(request) or ""),
        agencies=_limits(caller),
        request_key=request_key,
        digest=hashlib.sha256(asked + file.digest.digest()).digest(),
        total_bytes=file.total,
        created_at=moment,
        saved_at=moment,
    )
    try:
        async with sessions.begin() as session:
            held, replayed = await operations.create(session, new)
    except IdempotencyKeyReusedError:
        async with sessions.begin() as session:
            await uploads.discard(session, new_id)
        raise
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"/v1/operations/{held.id}"
    return answer(response, held, language)


def _form(request: Request) -> Form:
    """How the file is written, by its headers; raises FileTypeError when that cannot be read."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise FileTypeError(Fault("/header/Content-Encoding", "not-gzip"))
    if media_type not in FORMS:
        raise FileTypeError(Fault("/header/Content-Type", "not-a-file-of-rows"))
    return FORMS[media_type]


def _limits(caller: Caller) -> list[str] | None:
    return None if caller.agencies is None else sorted(caller.agencies)
