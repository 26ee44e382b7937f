"""Targets: values to reach in a period."""

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.bodies import NamedOnce
from app.api.deps import CatalogueReader, CatalogueWriter, ExpectedState, Session, stored, tag
from app.api.errors import problems
from app.api.schemas import Code, In, Out, Percent, PeriodOut, PeriodText, example
from app.db import targets
from app.db.tables import Target
from app.domain import period as months
from app.domain.errors import (
    AgencyNotFoundError,
    PreconditionFailedError,
    TargetNotFoundError,
)

router = APIRouter(prefix="/v1/targets", tags=["catalogue"], route_class=NamedOnce)


class TargetIn(In):
    """The value to reach, in percent."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example({"value": 83}))

    value: Percent = Field(description="In percent")


class TargetOut(Out):
    """A target and whom it is set for."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "agency": None,
                "peer_group": "so-ban-nganh",
                "period": {"first": "2022-01-01", "last": "2022-12-31"},
                "criterion": "overall",
                "value": 83.0,
            }
        )
    )

    agency: str | None = Field(
        description="Code of the agency it is set for; null: for a peer group"
    )
    peer_group: str | None = Field(
        description="Code of the peer group it is set for; null: for an agency"
    )
    period: PeriodOut
    criterion: str
    value: float = Field(description="In percent")


@router.put(
    "/{owner}/{period}/{criterion}",
    operation_id="put_target",
    responses={
        201: {"model": TargetOut, "description": "Created"},
        **problems(AgencyNotFoundError, PreconditionFailedError),
    },
)
async def put_target(
    owner: Code,
    period: PeriodText,
    criterion: Code,
    body: TargetIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> TargetOut:
    """Set the target of an agency, or of every agency of a peer group."""
    caller.check_agency(owner, "/path/owner")
    key = await targets.key(session, owner, months.parse(period), criterion)
    row = await targets.put(session, key, body.value, state)
    stored(response, row.revision)
    return _out(row)


@router.get(
    "/{owner}/{period}/{criterion}",
    operation_id="get_target",
    responses=problems(AgencyNotFoundError, TargetNotFoundError),
)
async def get_target(
    owner: Code,
    period: PeriodText,
    criterion: Code,
    response: Response,
    session: Session,
    _caller: CatalogueReader,
) -> TargetOut:
    """A target of an agency or a peer group."""
    row = await targets.get(session, owner, months.parse(period), criterion)
    tag(response, row.revision)
    return _out(row)


def _out(row: Target) -> TargetOut:
    return TargetOut(
        agency=row.agency,
        peer_group=row.peer_group,
        period=PeriodOut(first=row.first, last=row.last),
        criterion=row.criterion,
        value=float(row.value),
    )
