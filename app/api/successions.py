"""Successions: an agency ends, and others take over its work."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.agencies import DEPARTMENT, AgencyOut, out
from app.api.bodies import NamedOnce
from app.api.deps import REPLAYS, CatalogueWriter, Session
from app.api.errors import problems
from app.api.schemas import Code, Day, In, Out, Share, example
from app.db import agencies
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadySucceededError,
    Fault,
    InvalidError,
    UnknownReferenceError,
)

router = APIRouter(prefix="/v1/agencies", tags=["catalogue"], route_class=NamedOnce)

SUCCESSORS = 50


class Successor(In):
    """An agency that takes over a share of another's work."""

    agency: Code = Field(description="Code of the agency that takes over")
    share: Share


class SuccessorOut(Out):
    """An agency that took over a share of another's work."""

    agency: str = Field(description="Code of the agency that took over")
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

    agency: AgencyOut = Field(description="The agency that ended")
    successors: list[SuccessorOut]
    on: date


@router.post(
    "/{agency}/succession",
    status_code=201,
    operation_id="record_succession",
    responses={
        201: REPLAYS,
        **problems(AgencyNotFoundError, AlreadySucceededError, UnknownReferenceError, InvalidError),
    },
)
async def record_succession(
    agency: Code, body: SuccessionIn, response: Response, session: Session, caller: CatalogueWriter
) -> SuccessionOut:
    """End an agency and name who takes over its work.

    Sent again, it changes nothing and is answered with `Idempotent-Replayed: true`.
    """
    caller.check_agency(agency, "/path/agency")
    for place, successor in enumerate(body.successors):
        caller.check_agency(successor.agency, f"/successors/{place}/agency")
    body.check()
    shares = {successor.agency: successor.share for successor in body.successors}
    row, replayed = await agencies.succeed(session, agency, shares, body.on)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    named = [SuccessorOut.model_validate(successor) for successor in body.successors]
    return SuccessionOut(agency=out(row), successors=named, on=body.on)
