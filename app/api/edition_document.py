"""What an edition's document holds, for the contract; `app.domain.edition` writes its bytes."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api.edition_schemas import ASKED, FROZEN
from app.api.indices import DossiersOut, FormsOut
from app.api.methods import Regime
from app.api.ranking_schemas import ChangeOut
from app.api.schemas import Day, Localised, Moment, Out, PeriodOut, example
from app.api.texts import both
from app.domain.edition import FORMAT
from app.domain.figure import Rounding
from app.domain.measure import Base, Status
from app.domain.structure import View


class FrozenGroup(Out):
    """The peer group that is ranked."""

    code: str
    name: Localised


class FrozenSurvey(Out):
    """A survey whose forms the figures rest on."""

    code: str
    title: Localised
    questionnaire: str
    version: int
    opens_on: Day
    closes_on: Day | None


class FrozenText(Out):
    """A text of the service, in both languages."""

    vi: str = Field(description="In Vietnamese")
    en: str = Field(description="In English")


class FrozenMethod(Out):
    """The method of all values, with its texts as they were."""

    id: str = Field(description="Name and version, e.g. top2-share@1")
    name: FrozenText
    formula: FrozenText
    limits: FrozenText
    regime: Regime = Field(description="Figures of different regimes are never compared")
    regime_name: FrozenText = Field(description="The regime in words")
    unit: Literal["percent", "points"] = Field(
        description="What values are counted in: percent, or points of an official text"
    )


class MembershipSpan(Out):
    """From when to when an agency was in the peer group."""

    valid_from: Day
    valid_to: Day | None


class PassedOn(Out):
    """Work that passed from an agency to another."""

    agency: str = Field(description="Code of the other agency")
    share: str = Field(description="The part of the work that passed, as a fraction, e.g. 1/2")
    on: Day


class FrozenAgency(Out):
    """A peer as the catalogue had it."""

    code: str
    name: Localised
    kind: str = Field(description="What kind of agency it is")
    parent: str | None
    valid_from: Day
    valid_to: Day | None
    membership: list[MembershipSpan] = Field(description="When it was in the peer group")
    successors: list[PassedOn]
    predecessors: list[PassedOn] = Field(description="Whose work it took over")


class FrozenCriterion(Out):
    """A criterion by which agencies are ranked."""

    code: str
    name: Localised
    weight: float | None = Field(
        description="Weight in the overall index; null: that is no mean of criteria"
    )


class FrozenFinding(Out):
    """A flaw that was accepted with a reason, or a note; its words follow from its code."""

    code: str = Field(description="What was found, e.g. more-answers-than-forms")
    params: dict[str, int | str] = Field(description="What its words name, such as numbers")
    reason: str | None = Field(description="In the words of who accepted the flaw; null: a note")
    agency: str | None = Field(
        description="Code of the agency that it is about; null: the one of the figure"
    )
    survey: str | None = Field(
        description="Code of the survey that it is about; null: no single one"
    )
    question: str | None = Field(
        description="Code of the question that it is about; null: no single one"
    )
    month: str | None = Field(description="Month of the flawed sheet, e.g. 2022-10; null: no sheet")


class FrozenFigure(Out):
    """A figure. Numerators and denominators are in the same parts throughout the edition."""

    code: str = Field(description="Code of the criterion, or `overall`")
    status: Status
    value: float | None
    exact: str | None
    numerator: float | None
    denominator: float | None
    n: int | None
    ci_low: float | None
    ci_high: float | None
    target: float | None
    gap: float | None
    met: bool | None
    findings: list[FrozenFinding]


class FrozenTotal(FrozenFigure):
    """All ranked agencies together."""

    response_rate: float | None
    share_rated: float | None


class FrozenPart(Out):
    """What the edition says of one agency."""

    agency: str
    forms: FormsOut = Field(description="How many forms the figures rest on")
    dossiers: DossiersOut = Field(description="Dossiers of the period, whatever the survey")
    figures: list[FrozenFigure] = Field(description="One for each criterion, in their order")


class FrozenLever(Out):
    """The criterion whose rise would lift the index most, and by how much if it were 100 %."""

    criterion: str = Field(description="Code of the criterion")
    name: Localised
    value: float = Field(description="Of the criterion, in percent, rounded for display")
    lift: float = Field(
        description="What the overall index would gain at 100 %, in percentage points"
    )


class FrozenRow(Out):
    """An agency's place; its value is among the agency's figures."""

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    tied_with: list[str] = Field(description="Codes of the agencies with the same rank")
    agency: str = Field(description="Code of the agency that is ranked")
    gap_to_next: float | None = Field(
        description="What the value lacks to the next better rank's, in percentage points; null: "
        "there is none"
    )
    improvement: FrozenLever | None = Field(
        description="The criterion that could lift the index most; null: not by `overall`, or "
        "nothing to say"
    )
    change: ChangeOut | None


class FrozenUnranked(Out):
    """A peer without a value, and why."""

    agency: str = Field(description="Code of the peer that has no place")
    status: Status
    n: int


class FrozenRanking(Out):
    """The peers ranked by one criterion."""

    criterion: str
    peer_count: int = Field(description="Number of agencies in the peer group, ranked or not")
    rank_basis: Literal["computed", "printed"] = Field(
        description="Whether ranks follow from the values here or were printed by the source"
    )
    rows: list[FrozenRow] = Field(description="The ranked agencies, the best first")
    unranked: list[FrozenUnranked] = Field(description="Peers without a value")
    total: FrozenTotal | None = Field(
        description="All ranked peers' forms together; null: they do not add up"
    )


EXAMPLE: dict[str, Any] = {
    "format": FORMAT,
    **{name: FROZEN[name] for name in ("code", "period", "frozen_at", "supersedes", "reason")},
    "title": ASKED["title"],
    "peer_group": {"code": "so-ban-nganh", "name": {"vi": "Khối sở, ban, ngành"}},
    "period_over": True,
    "compared_with": {"first": "2025-10-01", "last": "2025-12-31"},
    "surveys": [],
    "source": None,
    "earlier_surveys": [],
    "method": {
        "id": "top2-share@1",
        **{part: both(f"method:top2-share@1:{part}") for part in ("name", "formula", "limits")},
        "regime": "ratings",
        "regime_name": both("regime:ratings"),
        "unit": "percent",
    },
    "base": "answers",
    "view": "as_was",
    "rounding": "half_up",
    "decimals": 2,
    "minimum_n": 5,
    "organisation": [],
    "criteria": [],
    "agencies": [],
    "rankings": [],
}


class EditionDocument(Out):
    """An edition whole; `format` names what its fields mean."""

    model_config = ConfigDict(json_schema_extra=example(EXAMPLE))

    format: str = Field(description="Name and version of the form of the document")
    code: str
    title: Localised
    peer_group: FrozenGroup = Field(description="The peer group that is ranked")
    period: PeriodOut
    period_over: bool = Field(description="Whether the period had ended when it was frozen")
    compared_with: PeriodOut = Field(description="The months that `change` is against")
    surveys: list[FrozenSurvey] = Field(description="Those that are pooled; none with a source")
    source: str | None
    earlier_surveys: list[str] = Field(
        description="Codes of the surveys of the period before, where they are others"
    )
    method: FrozenMethod
    base: Base
    view: View
    rounding: Rounding
    decimals: int
    minimum_n: int = Field(description="Figures that rest on fewer people are withheld")
    frozen_at: Moment
    supersedes: str | None
    reason: str | None = Field(description="Why it takes another's place; null: it does not")
    organisation: list[FrozenAgency] = Field(description="The peers as the catalogue had them")
    criteria: list[FrozenCriterion] = Field(
        description="By which agencies are ranked, in the order of `rankings` and of figures"
    )
    agencies: list[FrozenPart] = Field(description="Each agency's figures, forms and dossiers")
    rankings: list[FrozenRanking] = Field(description="By each criterion")


# The answer of a route that serves it.
DOCUMENT: dict[int | str, dict[str, Any]] = {
    200: {"model": EditionDocument, "description": "The document"}
}
