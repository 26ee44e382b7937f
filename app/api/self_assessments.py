"""Self-assessments: the part of TT 01/2018's nine indices that no dossier tells."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import AfterValidator, ConfigDict, Field

from app.api.bodies import NamedOnce
from app.api.deps import CatalogueReader, CatalogueWriter, ExpectedState, Session, stored, tag
from app.api.errors import problems
from app.api.figures import once
from app.api.schemas import Code, Count, DossierCode, In, Out, PeriodOut, PeriodText, example
from app.db import self_assessments
from app.db.tables import SelfAssessment
from app.domain import period as months
from app.domain.errors import (
    AgencyNotFoundError,
    PreconditionFailedError,
    SelfAssessmentNotFoundError,
    UnknownReferenceError,
)

router = APIRouter(prefix="/v1/agencies", tags=["catalogue"], route_class=NamedOnce)

MOST_COMPLAINTS = 10_000

ENTERED = {
    "points": {"5": 2, "6": 2, "8": 1, "9": 1},
    "counts": {"2": [120, 30, 4]},
    "complaints": ["000.00.15.H32-230712-0001"],
}

Points = Annotated[int, Field(strict=True, ge=0, le=2)]


class SelfAssessmentIn(In):
    """What an agency enters for a period.

    `points` are for the indices scored as a whole; `counts` are numbers of dossiers with two, one
    and no points, for indices that no survey asks about; `complaints` are dossiers about whose
    handling a complaint was found justified.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ENTERED))

    points: dict[Literal["5", "6", "8", "9"], Points]
    counts: dict[
        Literal["2", "3", "4"], Annotated[list[Count], Field(min_length=3, max_length=3)]
    ] = Field(default={})
    complaints: Annotated[
        list[DossierCode], Field(max_length=MOST_COMPLAINTS), AfterValidator(once)
    ] = Field(default=[])


class SelfAssessmentOut(Out):
    """What an agency entered for a period."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "agency": "H32.15",
                "period": {"first": "2023-01-01", "last": "2023-12-31"},
                **ENTERED,
            }
        )
    )

    agency: str
    period: PeriodOut
    points: dict[str, int]
    counts: dict[str, list[int]]
    complaints: list[str]


@router.put(
    "/{agency}/self-assessments/{period}",
    operation_id="put_self_assessment",
    responses={
        201: {"model": SelfAssessmentOut, "description": "Created"},
        **problems(AgencyNotFoundError, PreconditionFailedError, UnknownReferenceError),
    },
)
async def put_self_assessment(
    agency: Code,
    period: PeriodText,
    body: SelfAssessmentIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> SelfAssessmentOut:
    """Enter an agency's part of the nine indices of TT 01/2018 for a period."""
    caller.check_agency(agency, "/path/agency")
    row = await self_assessments.put(
        session, agency, months.parse(period), body.model_dump(), state
    )
    stored(response, row.revision)
    return _out(row)


@router.get(
    "/{agency}/self-assessments/{period}",
    operation_id="get_self_assessment",
    responses=problems(AgencyNotFoundError, SelfAssessmentNotFoundError),
)
async def get_self_assessment(
    agency: Code,
    period: PeriodText,
    response: Response,
    session: Session,
    caller: CatalogueReader,
) -> SelfAssessmentOut:
    """What an agency entered for a period."""
    caller.check_agency(agency, "/path/agency")
    row = await self_assessments.get(session, agency, months.parse(period))
    tag(response, row.revision)
    return _out(row)


def _out(row: SelfAssessment) -> SelfAssessmentOut:
    return SelfAssessmentOut(
        agency=row.agency,
        period=PeriodOut(first=row.first, last=row.last),
        points=row.points,
        counts=row.counts,
        complaints=row.complaints,
    )
