"""Whole data sets as files: streamed, complete, and asked for again by what has changed."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from datetime import UTC, datetime, time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message, Receive, Scope, Send

from app.api import agency_ratings, dossier_schemas, export_rows
from app.api.deps import DossierReader, Now, RatingReader
from app.api.errors import problem, problems
from app.api.export_rows import DOSSIER_FIELDS, RATING_FIELDS, Export
from app.api.faults import CODE_PATTERN
from app.api.middleware import HEAD
from app.api.schemas import Code, Instant
from app.api.statuses import STATUS
from app.api.tables import csv_described, wants_csv
from app.db import agencies, exports, surveys
from app.db.exports import Wanted
from app.db.session import Sessions
from app.domain.access import Caller
from app.domain.dossier import is_code
from app.domain.errors import (
    AgencyNotFoundError,
    Fault,
    InvalidError,
    SaturatedError,
    SurveyNotFoundError,
)
from app.domain.period import VIETNAM, local_day

router = APIRouter(prefix="/v1/exports", tags=["exports"])

NDJSON, CSV = "application/x-ndjson", "text/csv"
NEXT = "X-Next-Updated-After"
LONGEST_CURSOR = 128

# Each holds a connection of the pool for as long as it is read, so most must be left for the rest.
MOST_AT_ONCE, MOST_OF_ONE = 4, 2
RETRY_AFTER_SECONDS = "30"
# A snapshot keeps what vacuum would free: it must end, however slowly it is read.
PAGE_SECONDS = 60
WHOLE_SECONDS = 3600

File = Callable[[Sessions, Export], AsyncGenerator[bytes]]

RATING = agency_ratings.LISTED | {"agency": "H32.15", "updated_on": "2023-07-18"}
DOSSIER = dossier_schemas.RETURNED | {
    "receipt_due_at": "2023-07-19T17:00:00+07:00",
    "updated_at": "2023-07-18T09:30:02+07:00",
    "events": [dossier_schemas.RECORDED],
}


def _described(columns: tuple[str, ...], example: Mapping[str, Any]) -> dict[int | str, Any]:
    """The file as OpenAPI describes an answer."""
    line = json.dumps({name: example[name] for name in columns}, ensure_ascii=False)
    file = {"type": "string", "format": "binary"}
    content = {NDJSON: {"schema": file, "example": line + "\n"}}
    said = "`updated_after` of the next export: what this one does not show yet is in that one"
    header = {"description": said, "schema": {"type": "string", "format": "date-time"}}
    return {
        200: {
            "description": "A row on each line, every line with its end",
            "content": content | csv_described(columns)["content"],
            "headers": {NEXT: header},
        }
    }


AgencyAsked = Annotated[Code | None, Query(description="Default: all that the key may read")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=LONGEST_CURSOR,
        description="To go on with a broken download: agency and id (or code) of the last whole "
        "row that arrived, joined by a colon",
    ),
]


@router.get(
    "/ratings",
    operation_id="export_ratings",
    response_class=Response,
    responses=_described(RATING_FIELDS, RATING)
    | problems(AgencyNotFoundError, SurveyNotFoundError, SaturatedError),
)
async def export_ratings(
    request: Request,
    caller: RatingReader,
    moment: Now,
    agency: AgencyAsked = None,
    survey: Annotated[Code | None, Query()] = None,
    updated_after: Annotated[
        Instant | None,
        Query(description="Only those stored or voided since the beginning of that day in Vietnam"),
    ] = None,
    cursor: Cursor = None,
) -> Response:
    """All ratings, in the order of agency and id; nothing tells whose they are.

    NDJSON, or CSV for `Accept: text/csv`, where `answers.q1` is a column. All is of one moment. A
    file that breaks off ends without the last chunk, which HTTP clients report as an error.
    """
    async with request.app.state.sessions.begin() as session:
        after = await _after(session, cursor, UUID)
        since = updated_after and day_begins(updated_after)
        survey_id = (await surveys.get(session, survey, "/query/survey")).id if survey else None
        numbers = await _readable(session, caller, agency)
        following = await exports.next_updated_after(session)
    wanted = Wanted(numbers, since, after, survey_id)
    export = Export(wanted, wants_csv(request), moment)
    pieces = _pieces(request, caller, export_rows.ratings, export)
    return await _answer(request, caller, "ratings", pieces, following)


@router.get(
    "/dossiers",
    operation_id="export_dossiers",
    response_class=Response,
    responses=_described(DOSSIER_FIELDS, DOSSIER) | problems(AgencyNotFoundError, SaturatedError),
)
async def export_dossiers(
    request: Request,
    caller: DossierReader,
    moment: Now,
    agency: AgencyAsked = None,
    updated_after: Annotated[
        Instant | None, Query(description="Only those registered or changed since then")
    ] = None,
    cursor: Cursor = None,
) -> Response:
    """All dossiers with their events, in the order of agency and code.

    NDJSON, or CSV for `Accept: text/csv`, where `events` is JSON in a cell. All is of one moment. A
    file that breaks off ends without the last chunk, which HTTP clients report as an error.
    """
    async with request.app.state.sessions.begin() as session:
        after = await _after(session, cursor, _dossier_code)
        numbers = await _readable(session, caller, agency)
        following = await exports.next_updated_after(session)
    export = Export(Wanted(numbers, updated_after, after), wants_csv(request), moment)
    pieces = _pieces(request, caller, export_rows.dossiers, export)
    return await _answer(request, caller, "dossiers", pieces, following)


class Places:
    """The exports that are sent at once: so many in all, and so many to one caller."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def has_one(self, caller: Caller) -> bool:
        """Whether the caller may have one more."""
        return self._taken.total() < MOST_AT_ONCE and self._taken[caller.key] < MOST_OF_ONE

    @contextmanager
    def taken(self, caller: Caller) -> Iterator[None]:
        """Take a place for as long as an export is sent."""
        self._taken[caller.key] += 1
        try:
            yield
        finally:
            self._taken -= Counter([caller.key])


class _Download(StreamingResponse):
    """A file that is cut off, and lets go of what it is read from, when its reader is too slow."""

    def __init__(
        self, first: bytes, rest: AsyncGenerator[bytes], headers: Mapping[str, str], media_type: str
    ) -> None:
        async def whole() -> AsyncGenerator[bytes]:
            yield first
            async for piece in rest:
                yield piece

        super().__init__(whole(), headers=headers, media_type=media_type)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file; raises TimeoutError when a piece, or all of it, takes too long."""

        async def timely(message: Message) -> None:
            async with asyncio.timeout(PAGE_SECONDS):
                await send(message)

        async with aclosing(self._rest), asyncio.timeout(WHOLE_SECONDS):
            await super().__call__(scope, receive, timely)


async def _answer(
    request: Request,
    caller: Caller,
    name: str,
    pieces: AsyncGenerator[bytes],
    following: datetime,
) -> Response:
    """The file, once its first piece is there: what goes wrong until then is a problem document."""
    places: Places = request.app.state.exporting
    if not places.has_one(caller):
        wait = {"Retry-After": RETRY_AFTER_SECONDS}
        return problem(request, STATUS[SaturatedError], SaturatedError.code, headers=wait)
    first = await anext(pieces, b"")
    as_csv = wants_csv(request)
    headers = {
        NEXT: instant(following),
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}.{"csv" if as_csv else "ndjson"}"',
        "Vary": "Accept",
    }
    media_type = f"{CSV}; charset=utf-8; header=present" if as_csv else NDJSON
    return _Download(first, pieces, headers, media_type)


async def _pieces(
    request: Request, caller: Caller, file: File, export: Export
) -> AsyncGenerator[bytes]:
    """The pieces of the file, which has a place until it ends; none for a HEAD."""
    if HEAD in request.scope:
        return
    state = request.app.state
    with state.exporting.taken(caller):
        async with aclosing(file(state.snapshots, export)) as pieces:
            async for piece in pieces:
                yield piece


def instant(moment: datetime) -> str:
    """The instant without a plus sign, which in an address would be read as a space."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day_begins(moment: datetime) -> datetime:
    """The beginning of that day in Vietnam.

    Asked by the minute, one could find out when somebody rated, and so perhaps who.
    """
    return datetime.combine(local_day(moment), time(), VIETNAM)


async def _readable(session: AsyncSession, caller: Caller, agency: str | None) -> list[int] | None:
    """The numbers of the agencies that are asked for; None for all of them."""
    if agency is not None:
        caller.check_agency(agency, "/query/agency")
        return [(await agencies.get(session, agency, "/query/agency")).id or 0]
    if caller.agencies is None:
        return None
    known = await exports.agencies(session)
    return [number for number, code in known.items() if code in caller.agencies]


async def _after(
    session: AsyncSession, cursor: str | None, read: Callable[[str], object]
) -> tuple[int, object] | None:
    """The row that a cursor names; raises InvalidError when it cannot be one."""
    if cursor is None:
        return None
    agency, _, key = cursor.partition(":")
    with suppress(AgencyNotFoundError, ValueError):
        place = read(key)
        if re.fullmatch(CODE_PATTERN, agency):
            return (await agencies.get(session, agency)).id or 0, place
    raise InvalidError(Fault("/query/cursor", "bad-cursor"))


def _dossier_code(key: str) -> str:
    if not is_code(key):
        raise ValueError(key)
    return key
