"""Surveys and how many of their forms went out."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field, StrictInt

from app.api.bodies import NamedOnce
from app.api.deps import (
    CatalogueReader,
    CatalogueWriter,
    CodeCursor,
    ExpectedState,
    FormReader,
    Paging,
    Session,
    stored,
    tag,
)
from app.api.errors import problems
from app.api.questionnaires import LAST_VERSION
from app.api.schemas import Channel, Code, Count, Day, In, Localised, Out, example, texts_of
from app.db import surveys
from app.db.tables import Distribution, Survey
from app.domain.errors import (
    AgencyNotFoundError,
    DistributionNotFoundError,
    Fault,
    InvalidError,
    PreconditionFailedError,
    SurveyNotFoundError,
    SurveyQuestionnaireFixedError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/surveys", tags=["catalogue"], route_class=NamedOnce)

AGENCIES = 20_000
LONGEST_WINDOW = 3650
RATING_WINDOW = 90
INVITATION = 30

STANDING = {
    "title": {
        "vi": "Đánh giá việc giải quyết thủ tục hành chính năm 2023",
        "en": "Rating of administrative procedures, 2023",
    },
    "questionnaire": "nd118-2025",
    "version": 1,
    "opens_on": "2023-01-01",
    "closes_on": None,
    "agencies": ["H32.15"],
    "peer_group": None,
    "rating_window_days": 90,
    "invitation_days": 30,
}
LISTED = {"code": "tthc-2023"} | {n: said for n, said in STANDING.items() if n != "agencies"}
ISSUED = {"issued": 17, "returned": 17, "invalid": 0}


class SurveyIn(In):
    """A survey; it names its agencies, or the peer group whose agencies it covers."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(STANDING))

    title: Localised
    questionnaire: Code
    version: Annotated[StrictInt, Field(ge=1, le=LAST_VERSION)]
    opens_on: Day
    closes_on: Day | None = None
    agencies: Annotated[list[Code], Field(min_length=1, max_length=AGENCIES)] | None = Field(
        default=None, description="Codes of the agencies it covers; null: those of the peer group"
    )
    peer_group: Code | None = Field(
        default=None, description="Code of the peer group it covers; null: `agencies` are named"
    )
    rating_window_days: Annotated[StrictInt, Field(ge=1, le=LONGEST_WINDOW)] = RATING_WINDOW
    invitation_days: Annotated[StrictInt, Field(ge=1, le=LONGEST_WINDOW)] | None = Field(
        default=INVITATION, description="Days for which an invitation is good; null: none is issued"
    )

    def faults(self) -> Iterator[Fault]:
        """Whether its days and the agencies it covers fit together."""
        if self.closes_on is not None and self.closes_on < self.opens_on:
            yield Fault("/closes_on", "ends-before-it-begins")
        if (self.agencies is None) == (self.peer_group is None):
            yield Fault("/agencies", "one-of-agencies-or-peer-group")


class ListedSurvey(Out):
    """A survey as lists show it: the agencies that it names are told by itself."""

    code: str
    title: Localised
    questionnaire: str
    version: int
    opens_on: date
    closes_on: date | None
    peer_group: str | None = Field(
        description="Code of the peer group it covers; null: agencies are named"
    )
    rating_window_days: int
    invitation_days: int | None


class SurveyPage(Out):
    """Surveys in the order of their codes."""

    model_config = ConfigDict(json_schema_extra=example({"items": [LISTED], "next_cursor": None}))

    items: list[ListedSurvey]
    next_cursor: str | None


class SurveyOut(ListedSurvey):
    """A survey of the catalogue."""

    model_config = ConfigDict(json_schema_extra=example({"code": "tthc-2023", **STANDING}))

    agencies: list[str] | None = Field(
        description="Codes of the agencies it covers; null: those of the peer group"
    )


class DistributionIn(In):
    """Forms issued, returned, and invalid among the returned."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ISSUED))

    issued: Count
    returned: Count
    invalid: Count

    def faults(self) -> Iterator[Fault]:
        """Whether more came back than went out."""
        if self.returned > self.issued:
            yield Fault("/returned", "more-returned-than-issued")
        if self.invalid > self.returned:
            yield Fault("/invalid", "more-returned-than-issued")


class DistributionOut(Out):
    """Forms of a survey that an agency issued on a channel."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra=example(
            {"survey": "sct-2022-b", "agency": "H32.15", "channel": "e_office", **ISSUED}
        ),
    )

    survey: str
    agency: str
    channel: str
    issued: int
    returned: int
    invalid: int


@router.get("", operation_id="list_surveys", responses=problems(AgencyNotFoundError))
async def list_surveys(
    session: Session,
    _caller: FormReader,
    paging: Paging,
    agency: Annotated[Code | None, Query(description="Only those that cover it")] = None,
    open_on: Annotated[Day | None, Query(description="Only those open on that day")] = None,
    cursor: CodeCursor = None,
) -> SurveyPage:
    """Surveys in the order of their codes, a page at a time.

    With `agency` and `open_on` those by which the agency can be rated on that day.
    """
    rows = await surveys.list_page(session, agency, open_on, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    items = [ListedSurvey.model_validate(row) for row in page]
    return SurveyPage(items=items, next_cursor=following)


@router.put(
    "/{survey}",
    operation_id="put_survey",
    responses={
        201: {"model": SurveyOut, "description": "Created"},
        **problems(
            PreconditionFailedError,
            SurveyQuestionnaireFixedError,
            UnknownReferenceError,
            InvalidError,
        ),
    },
)
async def put_survey(
    survey: Code,
    body: SurveyIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> SurveyOut:
    """Create or change a survey; its questionnaire is fixed from the start."""
    caller.check_unlimited()
    values = {**body.model_dump(exclude={"agencies"}), "title": texts_of(body.title)}
    refusals = Refusals()
    with refusals:
        body.check()
    with refusals:
        await surveys.check_references(session, values, body.agencies or [])
    refusals.raise_all()
    row = await surveys.put(session, survey, values, body.agencies or [], state)
    stored(response, row.revision)
    return await _out(session, row)


@router.get("/{survey}", operation_id="get_survey", responses=problems(SurveyNotFoundError))
async def get_survey(
    survey: Code, response: Response, session: Session, _caller: FormReader
) -> SurveyOut:
    """A survey."""
    row = await surveys.get(session, survey)
    tag(response, row.revision)
    return await _out(session, row)


@router.put(
    "/{survey}/distributions/{agency}/{channel}",
    operation_id="put_distribution",
    responses={
        201: {"model": DistributionOut, "description": "Created"},
        **problems(SurveyNotFoundError, AgencyNotFoundError, PreconditionFailedError, InvalidError),
    },
)
async def put_distribution(
    survey: Code,
    agency: Code,
    channel: Channel,
    body: DistributionIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> DistributionOut:
    """Say how many forms an agency issued on a channel, and how many came back."""
    caller.check_agency(agency, "/path/agency")
    body.check()
    key = {"survey": survey, "agency": agency, "channel": channel}
    row = await surveys.put_distribution(session, key, body.model_dump(), state)
    stored(response, row.revision)
    return _distribution_out(row)


@router.get(
    "/{survey}/distributions/{agency}/{channel}",
    operation_id="get_distribution",
    responses=problems(DistributionNotFoundError),
)
async def get_distribution(
    survey: Code,
    agency: Code,
    channel: Channel,
    response: Response,
    session: Session,
    _caller: CatalogueReader,
) -> DistributionOut:
    """How many forms an agency issued on a channel, and how many came back."""
    row = await surveys.get_distribution(session, survey, agency, channel)
    tag(response, row.revision)
    return _distribution_out(row)


async def _out(session: Session, row: Survey) -> SurveyOut:
    agencies = None if row.peer_group else await surveys.named_agencies(session, row.code)
    fields = row.model_dump(exclude={"id", "layout", "revision"})
    return SurveyOut.model_validate({**fields, "agencies": agencies})


def _distribution_out(row: Distribution) -> DistributionOut:
    return DistributionOut.model_validate(row)
