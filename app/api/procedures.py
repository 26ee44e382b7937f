"""Procedures: the services that are applied for."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, StrictInt

from app.api.bodies import NamedOnce
from app.api.deps import (
    CatalogueReader,
    CatalogueWriter,
    CodeCursor,
    ExpectedState,
    Paging,
    Session,
    stored,
    tag,
)
from app.api.errors import problems
from app.api.schemas import Code, In, Line, Localised, Out, example, texts_of
from app.db import procedures
from app.domain.errors import PreconditionFailedError, ProcedureNotFoundError

router = APIRouter(prefix="/v1/procedures", tags=["catalogue"], route_class=NamedOnce)

LONGEST_DAYS = 1000

LICENCE = {
    "name": {"vi": "Cấp Giấy phép bán buôn rượu", "en": "Licence to wholesale spirits"},
    "field": "Lưu thông hàng hóa trong nước",
    "working_days": 10,
    "online": "full",
}


class ProcedureIn(In):
    """A procedure as it is to stand in the catalogue."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(LICENCE))

    name: Localised
    field: Line
    working_days: Annotated[StrictInt, Field(ge=0, le=LONGEST_DAYS)]
    online: Literal["full", "partial", "none"]


class ProcedureOut(Out):
    """A procedure of the catalogue."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra=example({"code": "2.000629", **LICENCE})
    )

    code: str
    name: Localised
    field: str
    working_days: int
    online: str


class ProcedurePage(Out):
    """Procedures in the order of their codes."""

    model_config = ConfigDict(
        json_schema_extra=example({"items": [{"code": "2.000629", **LICENCE}], "next_cursor": None})
    )

    items: list[ProcedureOut]
    next_cursor: str | None


@router.get("", operation_id="list_procedures", responses=problems())
async def list_procedures(
    session: Session, _caller: CatalogueReader, paging: Paging, cursor: CodeCursor = None
) -> ProcedurePage:
    """Procedures in the order of their codes, a page at a time."""
    rows = await procedures.list_page(session, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    items = [ProcedureOut.model_validate(row) for row in page]
    return ProcedurePage(items=items, next_cursor=following)


@router.put(
    "/{procedure}",
    operation_id="put_procedure",
    responses={
        201: {"model": ProcedureOut, "description": "Created"},
        **problems(PreconditionFailedError),
    },
)
async def put_procedure(
    procedure: Code,
    body: ProcedureIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> ProcedureOut:
    """Create or change a procedure."""
    caller.check_unlimited()
    values = {**body.model_dump(), "name": texts_of(body.name)}
    row = await procedures.put(session, procedure, values, state)
    stored(response, row.revision)
    return ProcedureOut.model_validate(row)


@router.get(
    "/{procedure}", operation_id="get_procedure", responses=problems(ProcedureNotFoundError)
)
async def get_procedure(
    procedure: Code, response: Response, session: Session, _caller: CatalogueReader
) -> ProcedureOut:
    """A procedure."""
    row = await procedures.get(session, procedure)
    tag(response, row.revision)
    return ProcedureOut.model_validate(row)
