"""Operations: how far what was asked for is, and what was wrong with it."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field

from app.api import texts
from app.api.deps import IdCursor, Importer, Language, Paging, Session, tag
from app.api.errors import problems
from app.api.schemas import Moment, Out, example
from app.db import operations
from app.db.operations import MOST_ERRORS
from app.db.session import Sessions
from app.db.tables import Operation, OperationError
from app.domain.errors import InvalidError
from app.domain.operation import DONE, FAILED, Kind, OperationNotFoundError

router = APIRouter(prefix="/v1/operations", tags=["imports"])

NDJSON = "application/x-ndjson"
FILE = {"type": "string", "format": "binary"}
POLL_AFTER_SECONDS = "1"
ERRORS_AT_ONCE = 1000

DONE_ONE = {
    "id": "01896777-46f0-4c3e-9f0a-1f6f5b0a4c11",
    "kind": "ratings",
    "state": "done",
    "dry_run": False,
    "read": 1000,
    "accepted": 997,
    "replayed": 1,
    "rejected": 2,
    "rate": 1000.0,
    "errors": 2,
    "errors_kept": 2,
    "bytes": 250_000,
    "bytes_done": 250_000,
    "problem": None,
    "created_at": "2026-06-15T17:00:00+07:00",
    "started_at": "2026-06-15T17:00:00+07:00",
    "finished_at": "2026-06-15T17:00:01+07:00",
}
ERROR = {
    "line": 18,
    "row": 17,
    "column": "Câu hỏi q9",
    "cell": "5",
    "pointer": "/answers/q9",
    "code": "unknown-question",
    "detail": "Mẫu phiếu không có câu hỏi này.",
    "help": "Mẫu phiếu của đợt khảo sát không có câu hỏi mang mã này.",
}


class Reason(Out):
    """Why an operation failed."""

    code: str = Field(description="What was wrong, for programs")
    title: str = Field(description="What was wrong, in the reader's language")
    detail: str = Field(description="What is wrong, and what to do about it")


class OperationOut(Out):
    """How far an import is. Of every row read, one thing became: accepted, replayed or rejected."""

    model_config = ConfigDict(json_schema_extra=example(DONE_ONE))

    id: UUID = Field(description="Id of the operation")
    kind: Kind
    state: Literal["queued", "running", "done", "failed"] = Field(
        description="`queued`, `running`, and at last `done` or `failed`"
    )
    dry_run: bool
    read: int
    accepted: int
    replayed: int
    rejected: int
    rate: float | None = Field(description="Rows read per second; null: not begun")
    errors: int = Field(description="Number of faults that were found; a row may have several")
    errors_kept: int = Field(description="How many of them, the first ones, can be read")
    bytes: int = Field(description="Length of the file as it was sent, in bytes")
    bytes_done: int = Field(
        description="How many of these bytes are behind the rows that were read"
    )
    problem: Reason | None = Field(
        description="Why it failed, where what was accepted stays; null: it did not"
    )
    created_at: Moment = Field(description="When the file was taken in")
    started_at: Moment | None = Field(description="When its first row was read; null: it is queued")
    finished_at: Moment | None = Field(
        description="When it was done or had failed; null: it goes on"
    )


class OperationPage(Out):
    """Operations, the latest first."""

    model_config = ConfigDict(json_schema_extra=example({"items": [DONE_ONE], "next_cursor": None}))

    items: list[OperationOut]
    next_cursor: UUID | None


@router.get("", operation_id="list_operations", responses=problems(InvalidError))
async def list_operations(
    session: Session,
    caller: Importer,
    language: Language,
    paging: Paging,
    cursor: IdCursor = None,
) -> OperationPage:
    """Operations that the key may know of, the latest first, a page at a time.

    A key limited to agencies knows of those asked for under its own name and within its limits.
    """
    rows = await operations.list_page(session, caller, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.id)
    return OperationPage(items=[out(row, language) for row in page], next_cursor=following)


@router.get(
    "/{operation}", operation_id="get_operation", responses=problems(OperationNotFoundError)
)
async def get_operation(
    operation: UUID, response: Response, session: Session, caller: Importer, language: Language
) -> OperationOut:
    """How far an operation is. While it is not done, `Retry-After` says when to ask again."""
    return answer(response, await operations.get(session, operation, caller), language)


@router.get(
    "/{operation}/errors",
    operation_id="get_operation_errors",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A fault in each line, in the order of the file",
            "content": {NDJSON: {"schema": FILE, "example": json.dumps(ERROR)}},
        },
        **problems(OperationNotFoundError),
    },
)
async def get_operation_errors(
    operation: UUID, request: Request, session: Session, caller: Importer, language: Language
) -> StreamingResponse:
    """What was wrong with the rows: NDJSON with `line`, `pointer`, `code`, `detail` and `help`.

    Of a CSV file also with `row`, which is the row that a spreadsheet shows (a cell may have
    several lines), `column`, its heading in the file, and `cell`, what stands there, where it is
    short and neither a text nor about a person.
    """
    await operations.get(session, operation, caller)
    lines = _lines(request.app.state.sessions, operation, language)
    headers = {"Vary": "Accept-Language", "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type=NDJSON, headers=headers)


async def _lines(
    sessions: Sessions, operation: UUID, language: texts.Language
) -> AsyncIterator[bytes]:
    after = 0
    while True:
        async with sessions() as session:
            rows = await operations.errors(session, operation, after, ERRORS_AT_ONCE)
        if not rows:
            return
        after = rows[-1].number
        yield "".join(_line(row, language) for row in rows).encode()


def _line(row: OperationError, language: texts.Language) -> str:
    return json.dumps(told(row, language), ensure_ascii=False) + "\n"


def told(row: OperationError, language: texts.Language) -> dict[str, object]:
    """A fault as it is shown; of a table with its row and, where they are known, what is there."""
    places = ("row", "column", "cell")
    of_table: dict[str, object] = {name: row.params[name] for name in places if name in row.params}
    return {
        "line": row.line,
        **of_table,
        "pointer": row.pointer,
        "code": row.code,
        "detail": texts.say(language, f"{row.code}:detail", **row.params),
        "help": texts.say(language, f"{row.code}:help", **row.params),
    }


def answer(response: Response, row: Operation, language: texts.Language) -> OperationOut:
    """The operation, with the headers that who waits for it goes by."""
    shown = out(row, language)
    # Only why it failed is said in the reader's language.
    tag(response, row.revision, language if shown.problem else "")
    response.headers["Vary"] = "Accept-Language"
    if row.state not in {DONE, FAILED}:
        response.headers["Retry-After"] = POLL_AFTER_SECONDS
    return shown


def out(row: Operation, language: texts.Language) -> OperationOut:
    """The operation as it is shown."""
    return OperationOut(
        **row.model_dump(include=OperationOut.model_fields.keys() - {"problem"}),
        rate=_rate(row.read, row.started_at, row.saved_at),
        errors=row.faults,
        errors_kept=min(row.faults, MOST_ERRORS),
        bytes=row.total_bytes,
        bytes_done=row.done_bytes,
        problem=row.problem and _reason(row.problem["code"], row.problem["params"], language),
    )


def _reason(code: str, params: dict[str, object], language: texts.Language) -> Reason:
    said = texts.say(language, f"{code}:detail", **params)
    return Reason(
        code=code,
        title=texts.say(language, code),
        detail=f"{said} {texts.say(language, f'{code}:help')}",
    )


def _rate(rows: int, started_at: datetime | None, saved_at: datetime) -> float | None:
    seconds = (saved_at - started_at).total_seconds() if started_at else 0.0
    return round(rows / seconds, 1) if seconds > 0 else None
