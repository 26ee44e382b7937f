"""What is asked of a ranking and how it is answered, live or from an edition."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from app.api.figures import MOST_SURVEYS, AgencyRef, FigureOut, FigureQuery, once
from app.api.findings import FindingOut
from app.api.methods import MethodRef
from app.api.schemas import Code, Moment, Out, PeriodOut, example
from app.domain.measure import Base, Status
from app.domain.structure import View

OF_DEPARTMENTS = {
    "peer_group": "so-ban-nganh",
    "peer_count": 18,
    "criterion": "overall",
    "period": {"first": "2022-01-01", "last": "2022-12-31"},
    "surveys": [],
    "source": "sipas",
    "view": "as_was",
    "compared_with": {"first": "2021-01-01", "last": "2021-12-31"},
    "method": {
        "id": "as-published@1",
        "name": "Theo công bố",
        "regime": "published",
        "regime_name": "Số liệu do nguồn khác công bố, giữ nguyên như đã công bố",
        "unit": "percent",
    },
    "base": "answers",
    "minimum_n": 5,
    "rank_basis": "printed",
    "as_of": "2023-06-13T10:00:00+07:00",
    "edition": None,
    "rows": [
        {
            "rank": 13,
            "rank_low": None,
            "rank_high": None,
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
            "response_rate": None,
            "share_rated": None,
            "gap_to_next": 0.38,
            "improvement": None,
            "change": {"value": 1.3, "rank": -2, "comparable": True, "reasons": []},
            "findings": [],
        }
    ],
    "unranked": [],
    "total": None,
}


class RankingQuery(FigureQuery):
    """Which peers, and by which criterion."""

    peer_group: Code
    criterion: Code = Field(default="overall", description="A criterion's code, or overall")
    view: View = Field(default=View.AS_WAS, description="In which structure peers are compared")
    earlier_survey: Annotated[list[Code], Field(max_length=MOST_SURVEYS), AfterValidator(once)] = (
        Field(default=[], description="Surveys of the period before, where they are others")
    )


class ImprovementOut(Out):
    """The criterion whose rise would lift the index most, and by how much if it were 100 %."""

    criterion: str = Field(description="Code of the criterion")
    name: str = Field(description="In the reader's language")
    value: float = Field(description="Of the criterion, in percent, rounded for display")
    lift: float = Field(
        description="What the overall index would gain at 100 %, in percentage points"
    )


class ChangeOut(Out):
    """What changed since the period before; it says little where it is not comparable."""

    value: float = Field(description="Value less earlier value, in percentage points or points")
    rank: int | None = Field(
        description="Rank less earlier rank: below 0 is a rise; null: no rank then or now"
    )
    comparable: bool = Field(
        description="Whether it says something about the agency: there are no `reasons`"
    )
    reasons: list[Literal["peers-differ", "questionnaire-differs", "method-differs"]] = Field(
        description="Why the two periods cannot be compared"
    )


class RankedOut(Out):
    """An agency's place. Equal exact values share a rank and the next is skipped."""

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    tied_with: list[str] = Field(description="Codes of the agencies with the same rank")
    agency: AgencyRef = Field(description="The agency that is ranked")
    value: float | None
    numerator: float | int | None
    denominator: float | int | None
    n: int | None
    ci_low: float | None
    ci_high: float | None
    target: float | None
    gap: float | None
    met: bool | None
    response_rate: float | None
    share_rated: float | None
    gap_to_next: float | None = Field(
        description="What the value lacks to the next better rank's, in percentage points; null: "
        "there is none"
    )
    improvement: ImprovementOut | None = Field(
        description="The criterion that could lift the index most; null: not by `overall`, or "
        "nothing to say"
    )
    change: ChangeOut | None
    findings: list[FindingOut]


class UnrankedOut(Out):
    """A peer without a value, and why."""

    agency: AgencyRef = Field(description="The peer that has no place")
    status: Status
    n: int


class RankingOut(Out):
    """A peer group ranked by one criterion."""

    model_config = ConfigDict(json_schema_extra=example(OF_DEPARTMENTS))

    peer_group: str
    peer_count: int = Field(description="Number of agencies in the peer group, ranked or not")
    criterion: str
    period: PeriodOut
    surveys: list[str]
    source: str | None
    view: View
    compared_with: PeriodOut = Field(description="The months that `change` is against")
    method: MethodRef
    base: Base
    minimum_n: int = Field(description="Peers with fewer people are not ranked")
    rank_basis: Literal["computed", "printed"] = Field(
        description="Whether ranks follow from the values here or were printed by the source"
    )
    as_of: Moment
    edition: str | None
    rows: list[RankedOut] = Field(description="The ranked agencies, the best first")
    unranked: list[UnrankedOut] = Field(description="Peers without a value")
    total: FigureOut | None = Field(
        description="All ranked peers' forms together; null: they do not add up"
    )
