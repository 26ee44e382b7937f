"""Agencies, their counters and successors."""

from collections.abc import Iterator
from datetime import date

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

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
from app.api.schemas import Code, Day, In, Localised, Out, example, texts_of
from app.db import agencies
from app.db.tables import Agency
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadySucceededError,
    CounterNotFoundError,
    Fault,
    InvalidError,
    PreconditionFailedError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/agencies", tags=["catalogue"], route_class=NamedOnce)


DEPARTMENT = {
    "name": {"vi": "Sở Công Thương", "en": "Department of Industry and Trade"},
    "kind": "department",
    "parent": "H32",
    "valid_from": "2010-01-01",
    "valid_to": None,
}

DESK = {"agency": "H32.15", "code": "Q05", "name": {"vi": "Quầy 5", "en": "Counter 5"}}


class AgencyIn(In):
    """An agency as it is to stand in the catalogue."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(DEPARTMENT))

    name: Localised
    kind: Code = Field(description="What sort of body it is, e.g. department or commune")
    parent: Code | None = None
    valid_from: Day
    valid_to: Day | None = None

    def faults(self) -> Iterator[Fault]:
        """Whether it ends before it begins."""
        if self.valid_to is not None and self.valid_to < self.valid_from:
            yield Fault("/valid_to", "ends-before-it-begins")


class AgencyOut(Out):
    """An agency of the catalogue."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra=example({"code": "H32.15", **DEPARTMENT})
    )

    code: str
    name: Localised
    kind: str = Field(description="What sort of body it is, e.g. department or commune")
    parent: str | None
    valid_from: date
    valid_to: date | None


class AgencyPage(Out):
    """Agencies in the order of their codes."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra=example(
            {"items": [{"code": "H32.15", **DEPARTMENT}], "next_cursor": None}
        ),
    )

    items: list[AgencyOut]
    next_cursor: str | None


class CounterIn(In):
    """A desk as it is to stand in the catalogue."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=example({"name": {"vi": "Quầy 5", "en": "Counter 5"}})
    )

    name: Localised


class CounterOut(Out):
    """A desk of an agency."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=example(DESK))

    agency: str
    code: str = Field(description="Unique within its agency, e.g. Q05")
    name: Localised


class CounterPage(Out):
    """Counters of an agency in the order of their codes."""

    model_config = ConfigDict(json_schema_extra=example({"items": [DESK], "next_cursor": None}))

    items: list[CounterOut]
    next_cursor: str | None


@router.put(
    "/{agency}",
    operation_id="put_agency",
    responses={
        201: {"model": AgencyOut, "description": "Created"},
        **problems(
            PreconditionFailedError, UnknownReferenceError, InvalidError, AlreadySucceededError
        ),
    },
)
async def put_agency(
    agency: Code,
    body: AgencyIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> AgencyOut:
    """Create or change an agency."""
    caller.check_agency(agency, "/path/agency")
    refusals = Refusals()
    held = await agencies.find(session, agency)
    if held is None or _belonging(held) != _belonging(body):
        # Who joins or leaves a parent, or exists at other times, changes the mean of its units.
        for parent in {body.parent, held and held.parent} - {None}:
            caller.check_agency(str(parent), "/parent")
    values = {**body.model_dump(), "name": texts_of(body.name)}
    with refusals:
        body.check()
    with refusals:
        await agencies.check_parent(session, agency, body.parent)
    refusals.raise_all()
    row = await agencies.put(session, agency, values, state)
    stored(response, row.revision)
    return out(row)


@router.get("/{agency}", operation_id="get_agency", responses=problems(AgencyNotFoundError))
async def get_agency(
    agency: Code, response: Response, session: Session, _caller: CatalogueReader
) -> AgencyOut:
    """An agency."""
    row = await agencies.get(session, agency)
    tag(response, row.revision)
    return out(row)


@router.get("", operation_id="list_agencies", responses=problems())
async def list_agencies(
    session: Session, _caller: CatalogueReader, paging: Paging, cursor: CodeCursor = None
) -> AgencyPage:
    """Agencies in the order of their codes, a page at a time."""
    rows = await agencies.list_page(session, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    return AgencyPage(items=[out(row) for row in page], next_cursor=following)


@router.put(
    "/{agency}/counters/{counter}",
    operation_id="put_counter",
    responses={
        201: {"model": CounterOut, "description": "Created"},
        **problems(AgencyNotFoundError, PreconditionFailedError),
    },
)
async def put_counter(
    agency: Code,
    counter: Code,
    body: CounterIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> CounterOut:
    """Create or change a counter of an agency."""
    caller.check_agency(agency, "/path/agency")
    row = await agencies.put_counter(session, agency, counter, texts_of(body.name), state)
    stored(response, row.revision)
    return CounterOut.model_validate(row)


@router.get(
    "/{agency}/counters", operation_id="list_counters", responses=problems(AgencyNotFoundError)
)
async def list_counters(
    agency: Code,
    session: Session,
    _caller: CatalogueReader,
    paging: Paging,
    cursor: CodeCursor = None,
) -> CounterPage:
    """Counters of an agency in the order of their codes, a page at a time."""
    rows = await agencies.list_counters(session, agency, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    items = [CounterOut.model_validate(row) for row in page]
    return CounterPage(items=items, next_cursor=following)


@router.get(
    "/{agency}/counters/{counter}",
    operation_id="get_counter",
    responses=problems(AgencyNotFoundError, CounterNotFoundError),
)
async def get_counter(
    agency: Code, counter: Code, response: Response, session: Session, _caller: CatalogueReader
) -> CounterOut:
    """A counter of an agency."""
    row = await agencies.get_counter(session, agency, counter)
    tag(response, row.revision)
    return CounterOut.model_validate(row)


def _belonging(agency: Agency | AgencyIn) -> tuple[object, ...]:
    """Under which agency it counts, and when."""
    return agency.parent, agency.valid_from, agency.valid_to


def out(row: Agency) -> AgencyOut:
    """The agency as it is shown."""
    return AgencyOut.model_validate(row)
