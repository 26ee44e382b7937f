"""Rankings: the agencies of a peer group, best first."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from app.api.deps import Chosen, IndexReader, Language, Now, Session
from app.api.errors import problems
from app.api.figures import AgencyRef, FigureQuery, agency_ref, figure_out, tag_figures
from app.api.findings import FindingOut
from app.api.indices import DEFAULT_METHOD
from app.api.methods import MethodRef, method_ref
from app.api.schemas import Code, Moment, Out, PeriodOut, example
from app.db import peer_groups, published_indices, surveys, targets
from app.db.figures import evidence
from app.db.tables import Agency
from app.domain import methods, published, ranking
from app.domain.errors import (
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    PeerGroupNotFoundError,
    SurveyNotFoundError,
)
from app.domain.figure import Figure, judge, target_for
from app.domain.measure import Base, Level, Status
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/rankings", tags=["figures"])

OF_DEPARTMENTS = {
    "peer_group": "so-ban-nganh",
    "peer_count": 18,
    "criterion": "overall",
    "period": {"first": "2022-01-01", "last": "2022-12-31"},
    "surveys": [],
    "source": "sipas",
    "method": {"id": "as-published@1", "name": "Theo công bố"},
    "base": "answers",
    "minimum_n": 5,
    "rank_basis": "printed",
    "as_of": "2023-06-13T10:00:00+07:00",
    "edition": None,
    "rows": [
        {
            "rank": 13,
            "tied_with": [],
            "agency": {"code": "H32.15", "name": "Sở Công Thương"},
            "value": 81.75,
            "numerator": None,
            "denominator": None,
            "n": None,
            "ci_low": None,
            "ci_high": None,
            "target": 83.0,
            "gap": -1.25,
            "met": False,
            "findings": [],
        }
    ],
    "unranked": [],
}


class RankingQuery(FigureQuery):
    """Which peers, and by which criterion."""

    peer_group: Code
    criterion: Code = Field(default="overall", description="A criterion's code, or overall")


class RowOut(Out):
    """An agency's place. Equal exact values share a rank and the next is skipped."""

    rank: int | None = Field(description="None where a source printed no rank")
    tied_with: list[str]
    agency: AgencyRef
    value: float | None
    numerator: float | int | None
    denominator: float | int | None
    n: int | None
    ci_low: float | None
    ci_high: float | None
    target: float | None
    gap: float | None
    met: bool | None
    findings: list[FindingOut]


class UnrankedOut(Out):
    """A peer without a value, and why."""

    agency: AgencyRef
    status: Status
    n: int


class RankingOut(Out):
    """A peer group ranked by one criterion."""

    model_config = ConfigDict(json_schema_extra=example(OF_DEPARTMENTS))

    peer_group: str
    peer_count: int
    criterion: str
    period: PeriodOut
    surveys: list[str]
    source: str | None
    method: MethodRef
    base: Base
    minimum_n: int = Field(description="Peers with fewer people are not ranked")
    rank_basis: Literal["computed", "printed"] = Field(
        description="Whether ranks follow from the values here or were printed by the source"
    )
    as_of: Moment
    edition: str | None
    rows: list[RowOut]
    unranked: list[UnrankedOut]


@router.get(
    "",
    operation_id="get_ranking",
    responses=problems(
        PeerGroupNotFoundError,
        SurveyNotFoundError,
        MethodNotFoundError,
        MethodNotApplicableError,
        InvalidError,
    ),
)
async def get_ranking(
    query: Annotated[RankingQuery, Query()],
    response: Response,
    session: Session,
    caller: IndexReader,
    language: Language,
    moment: Now,
    chosen: Chosen,
) -> RankingOut:
    """A peer group ranked by an index of its agencies, or by a published source."""
    peers, refusals = await _peers(session, query)
    for peer in peers:
        caller.check_agency(peer.code, "/query/peer_group")
    printed: Printed = {}
    if query.source is None:
        method, figures = await _counted(session, query, peers, refusals, chosen.minimum_n)
    else:
        method, figures, printed = await _published(session, query, peers, refusals)
    ranks = {code: rank for code, (rank, _) in printed.items() if rank is not None}
    values = {c: f.measure.value for c, f in figures.items() if f.measure.value is not None}
    placed = ranking.printed(values, ranks) if ranks else ranking.rank(values)
    names = {peer.code: agency_ref(peer, language) for peer in peers}
    answer = RankingOut(
        peer_group=query.peer_group,
        peer_count=max([len(peers), *(count or 0 for _, count in printed.values())]),
        criterion=query.criterion,
        period=PeriodOut.model_validate(query.months),
        surveys=query.survey,
        source=query.source,
        method=method_ref(method, language),
        base=query.base,
        minimum_n=chosen.minimum_n,
        rank_basis="printed" if ranks else "computed",
        as_of=moment,
        edition=None,
        rows=[_row(place, names, figures[place.agency], language) for place in placed],
        unranked=[
            UnrankedOut(agency=names[code], status=figure.status, n=figure.measure.n)
            for code, figure in figures.items()
            if figure.measure.value is None
        ],
    )
    tag_figures(response, answer)
    return answer


async def _peers(session: Session, query: RankingQuery) -> tuple[Sequence[Agency], Refusals]:
    """The group's agencies in the period; refusals gathers what else may be wrong."""
    months, refusals = query.months, Refusals()
    with refusals:
        await peer_groups.get(session, query.peer_group, "/query/peer_group")
    peers = await peer_groups.agencies_in(session, query.peer_group, months.first, months.last)
    return peers, refusals


async def _counted(
    session: Session,
    query: RankingQuery,
    peers: Sequence[Agency],
    refusals: Refusals,
    minimum_n: int,
) -> tuple[str, dict[str, Figure]]:
    """Each peer's figure from our own tallies."""
    level = Level.OVERALL if query.criterion == "overall" else Level.CRITERION
    with refusals:
        forms = await surveys.with_forms(session, query.survey, "/query/survey")
    with refusals:
        method = methods.find(query.method or DEFAULT_METHOD, level, query.base, "/query/criterion")
        methods.check_ranks(method)
    refusals.raise_all()
    months = query.months
    figures = {}
    for one in await evidence(session, peers, forms, months):
        measure = methods.criterion(method, one.tallies, query.criterion, query.base)
        aim = target_for(one.targets, measure, months)
        figures[one.agency.code] = judge(measure, query.base, minimum_n, aim, one.findings)
    return method.id, figures


Printed = Mapping[str, tuple[int | None, int | None]]


async def _published(
    session: Session, query: RankingQuery, peers: Sequence[Agency], refusals: Refusals
) -> tuple[str, dict[str, Figure], Printed]:
    """Each peer's printed figure, with the rank and peer count printed beside it."""
    with refusals:
        method = published.find(query.method or methods.AS_PUBLISHED, Level.OVERALL)
        published.check_ranks(method)
    refusals.raise_all()
    months, codes = query.months, [peer.code for peer in peers]
    printed = await published_indices.of_agencies(session, query.source or "", months, codes)
    aims = await targets.of_agencies(session, codes, months)
    figures = {}
    for code in codes:
        own = printed.get(code, [])
        measure = published.of_criterion(own, query.criterion)
        aim = target_for(aims.get(code, []), measure, months)
        notes = published.findings(own) if query.criterion == "overall" else []
        figures[code] = judge(measure, Base.ANSWERS, 0, aim, notes)
    places = {code: published.place(printed.get(code, []), query.criterion) for code in codes}
    return method, figures, places


def _row(
    place: ranking.Ranked, names: Mapping[str, AgencyRef], figure: Figure, language: Language
) -> RowOut:
    shown = figure_out(figure, language)
    fields = shown.model_dump(include=set(RowOut.model_fields) - {"rank", "tied_with", "agency"})
    tied = list(place.tied_with)
    return RowOut(rank=place.rank, tied_with=tied, agency=names[place.agency], **fields)
