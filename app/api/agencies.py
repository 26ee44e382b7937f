"""Agencies, their counters and successors."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from app.api.deps import CatalogueReader, CatalogueWriter, ExpectedState, Session, stored, tag
from app.api.errors import problems
from app.api.schemas import Code, Day, In, Localised, Out, Share, example, texts_of
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

router = APIRouter(prefix="/v1/agencies", tags=["catalogue"])

SUCCESSORS = 50

DEPARTMENT = {
    "name": {"vi": "Sở Công Thương", "en": "Department of Industry and Trade"},
    "kind": "department",
    "parent": "H32",
    "valid_from": "2010-01-01",
    "valid_to": None,
}


class AgencyIn(In):
    """An agency as it is to stand in the catalogue."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(DEPARTMENT))

    name: Localised
    kind: Code
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
    kind: str
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

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra=example(
            {"agency": "H32.15", "code": "Q05", "name": {"vi": "Quầy 5", "en": "Counter 5"}}
        ),
    )

    agency: str
    code: str
    name: Localised


class Successor(In):
    """An agency that takes over a share of another's work."""

    agency: Code
    share: Share


class SuccessorOut(Out):
    """An agency that took over a share of another's work."""

    agency: str
    share: float


class SuccessionIn(In):
    """Who takes over an agency's work from a day on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example(
            {"successors": [{"agency": "H32.20", "share": 1}], "on": "2025-03-01"}
        ),
    )

    successors: Annotated[list[Successor], Field(min_length=1, max_length=SUCCESSORS)]
    on: Day

    def faults(self) -> Iterator[Fault]:
        """Whether the successors take over the whole, each once."""
        seen: set[str] = set()
        for place, successor in enumerate(self.successors):
            if successor.agency in seen:
                params = {"value": successor.agency}
                yield Fault(f"/successors/{place}/agency", "duplicate-code", params)
            seen.add(successor.agency)
        if sum(successor.share for successor in self.successors) != 1:
            yield Fault("/successors", "shares-do-not-add-up")


class SuccessionOut(Out):
    """The agency that ended, and who took over."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra=example(
            {
                "agency": {"code": "H32.15", **DEPARTMENT, "valid_to": "2025-02-28"},
                "successors": [{"agency": "H32.20", "share": 1}],
                "on": "2025-03-01",
            }
        ),
    )

    agency: AgencyOut
    successors: list[SuccessorOut]
    on: date


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
    response: Response,
    session: Session,
    _caller: CatalogueReader,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[Code | None, Query(description="`next_cursor` of the page before")] = None,
) -> AgencyPage:
    """Agencies in the order of their codes, a page at a time."""
    if cursor is not None and await agencies.find(session, cursor) is None:
        raise InvalidError(Fault("/query/cursor", "bad-cursor"))
    rows = await agencies.list_page(session, cursor or "", limit + 1)
    following = rows[limit - 1].code if len(rows) > limit else None
    if following:
        response.headers["Link"] = f'</v1/agencies?limit={limit}&cursor={following}>; rel="next"'
    return AgencyPage(items=[out(row) for row in rows[:limit]], next_cursor=following)


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


@router.post(
    "/{agency}/succession",
    status_code=201,
    operation_id="record_succession",
    responses=problems(
        AgencyNotFoundError, AlreadySucceededError, UnknownReferenceError, InvalidError
    ),
)
async def record_succession(
    agency: Code, body: SuccessionIn, session: Session, caller: CatalogueWriter
) -> SuccessionOut:
    """End an agency and name who takes over its work. Sent again, it changes nothing."""
    caller.check_agency(agency, "/path/agency")
    for place, successor in enumerate(body.successors):
        caller.check_agency(successor.agency, f"/successors/{place}/agency")
    body.check()
    shares = {successor.agency: successor.share for successor in body.successors}
    row = await agencies.succeed(session, agency, shares, body.on)
    named = [SuccessorOut.model_validate(successor) for successor in body.successors]
    return SuccessionOut(agency=out(row), successors=named, on=body.on)


def _belonging(agency: Agency | AgencyIn) -> tuple[object, ...]:
    """Under which agency it counts, and when."""
    return agency.parent, agency.valid_from, agency.valid_to


def out(row: Agency) -> AgencyOut:
    """The agency as it is shown."""
    return AgencyOut.model_validate(row)
