"""Indices published elsewhere, such as SIPAS: stored as printed, with their source."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, StrictInt, StringConstraints

from app.api.bodies import NamedOnce
from app.api.deps import (
    CatalogueReader,
    CatalogueWriter,
    ExpectedState,
    Language,
    Now,
    Session,
    stored,
    tag,
)
from app.api.errors import problems
from app.api.findings import FindingOut, findings_out
from app.api.schemas import Code, In, Localised, Out, PeriodOut, PeriodText, example, texts_of
from app.db import published_indices
from app.db.tables import PublishedIndex
from app.domain import period as months
from app.domain import published
from app.domain.errors import (
    AgencyNotFoundError,
    InvalidError,
    PreconditionFailedError,
    PublishedIndexNotFoundError,
    UnknownReferenceError,
)
from app.domain.period import local_day
from app.domain.published import PublishedFigure

router = APIRouter(prefix="/v1/published-indices", tags=["figures"], route_class=NamedOnce)

FIGURES = 200
MOST_PEERS = 20_000

PRINTED = {
    "title": {"vi": "Báo cáo chỉ số hài lòng năm 2022"},
    "peer_group": "so-ban-nganh",
    "figures": [
        {
            "criterion": "overall",
            "name": {"vi": "Chỉ số hài lòng chung"},
            "value": "81.75",
            "rank": 13,
            "peer_count": 18,
        }
    ],
}

Printed = Annotated[
    str, StringConstraints(strict=True, pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)$")
]
Place = Annotated[StrictInt, Field(ge=1, le=MOST_PEERS)]


class PublishedFigureIn(In):
    """One printed value; as text, so that its decimals are kept."""

    criterion: Code
    name: Localised
    value: Printed = Field(description="In percent, as text with the decimals that were printed")
    rank: Place | None = Field(
        default=None, description="As printed, from 1; null: none was printed"
    )
    peer_count: Place | None = Field(
        default=None, description="How many agencies the rank is out of; null: not printed"
    )


class PublishedIndexIn(In):
    """What a source published of an agency for a period."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(PRINTED))

    title: Localised
    peer_group: Code | None = Field(
        default=None, description="Code of the peer group of the ranks; null: not told"
    )
    figures: Annotated[list[PublishedFigureIn], Field(min_length=1, max_length=FIGURES)]


class PublishedIndexOut(Out):
    """What a source published, and what we find when we check it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "source": "sipas",
                "period": {"first": "2022-01-01", "last": "2022-12-31"},
                "agency": "H32.15",
                **PRINTED,
                "findings": [],
            }
        )
    )

    source: str = Field(description="Who published it, e.g. sipas")
    period: PeriodOut
    agency: str
    title: Localised
    peer_group: str | None = Field(
        description="Code of the peer group of the ranks; null: not told"
    )
    figures: list[PublishedFigureIn]
    findings: list[FindingOut]


@router.put(
    "/{source}/{period}/{agency}",
    operation_id="put_published_index",
    responses={
        201: {"model": PublishedIndexOut, "description": "Created"},
        **problems(
            AgencyNotFoundError, PreconditionFailedError, UnknownReferenceError, InvalidError
        ),
    },
)
async def put_published_index(
    source: Code,
    period: PeriodText,
    agency: Code,
    body: PublishedIndexIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
    language: Language,
    now: Now,
) -> PublishedIndexOut:
    """Store what a source published of an agency, as printed; the answer says what we find."""
    caller.check_agency(agency, "/path/agency")
    values, printed = checked_values(body), months.parse(period)
    published.check_begun(printed, local_day(now), "/path/period")
    key = {"agency": agency, "source": source, "first": printed.first, "last": printed.last}
    row = await published_indices.put(session, key, values, state)
    stored(response, row.revision)
    return _out(row, language)


@router.get(
    "/{source}/{period}/{agency}",
    operation_id="get_published_index",
    responses=problems(PublishedIndexNotFoundError),
)
async def get_published_index(
    source: Code,
    period: PeriodText,
    agency: Code,
    response: Response,
    session: Session,
    _caller: CatalogueReader,
    language: Language,
) -> PublishedIndexOut:
    """What a source published of an agency, and what we find when we check it."""
    row = await published_indices.get(session, source, months.parse(period), agency)
    tag(response, row.revision)
    response.headers["Vary"] = "Accept-Language"
    return _out(row, language)


def checked_values(body: PublishedIndexIn) -> dict[str, Any]:
    """What is stored of a published index; raises InvalidError when its figures cannot be."""
    if faults := published.check([_value(figure) for figure in body.figures]):
        raise InvalidError(*faults)
    return {
        "title": texts_of(body.title),
        "peer_group": body.peer_group,
        "figures": [{**f.model_dump(), "name": texts_of(f.name)} for f in body.figures],
    }


def _value(figure: PublishedFigureIn) -> PublishedFigure:
    name = texts_of(figure.name)
    value = Decimal(figure.value)
    return PublishedFigure(figure.criterion, name, value, figure.rank, figure.peer_count)


def _out(row: PublishedIndex, language: Language) -> PublishedIndexOut:
    found = published.findings(published_indices.figures(row))
    return PublishedIndexOut(
        source=row.source,
        period=PeriodOut(first=row.first, last=row.last),
        agency=row.agency,
        title=Localised.model_validate(row.title),
        peer_group=row.peer_group,
        figures=[PublishedFigureIn.model_validate(figure) for figure in row.figures],
        findings=findings_out(found, language),
    )
