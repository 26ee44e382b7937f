"""Figures as they are shown, and the questions that indices and rankings have in common."""

import hashlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from fastapi import Response
from pydantic import AfterValidator, BaseModel, Field, field_validator

from app.api.explanation_schemas import ExplanationOut
from app.api.findings import FindingOut, findings_out
from app.api.schemas import Code, Day, In, Out, PeriodText, in_language, plain, refuse
from app.api.texts import Language
from app.db.tables import Agency
from app.domain import period
from app.domain.errors import Fault, InvalidError
from app.domain.figure import Figure
from app.domain.forms import Reach
from app.domain.measure import Base, Level, Measure, Status
from app.domain.period import Period
from app.domain.profiles import QD766, REGIMES

MOST_SURVEYS = 50

MethodId = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9-]+@[0-9]+$")]


def once(codes: list[str]) -> list[str]:
    """Each code once, in the order of first mention."""
    return list(dict.fromkeys(codes))


def origin_fault(method: str | None, surveys: Sequence[str], source: str | None) -> str | None:
    """Why figures by the method cannot come from there, as a code; None when they can.

    Profiles count dossiers; TT 01/2018 may look at surveys besides.
    """
    if method in REGIMES:
        misplaced = source is not None or (surveys and method == QD766)
        return "counts-dossiers" if misplaced else None
    return "one-of-survey-or-source" if bool(surveys) == (source is not None) else None


def check_origin(method: str | None, surveys: Sequence[str], source: str | None) -> None:
    """Nothing when figures by the method can come from there; else a refusal."""
    if code := origin_fault(method, surveys, source):
        raise refuse(code)


class FigureQuery(In):
    """For which months, and from which surveys or published source."""

    period: PeriodText | None = Field(default=None, description="2022, 2022-Q3 or 2022-07")
    first: Day | None = Field(default=None, description="First day of a month")
    last: Day | None = Field(default=None, description="Last day of a month")
    survey: Annotated[list[Code], Field(max_length=MOST_SURVEYS), AfterValidator(once)] = Field(
        default=[], description="Surveys to pool; may be repeated"
    )
    source: Code | None = Field(default=None, description="Instead of surveys, e.g. sipas")
    method: MethodId | None = Field(
        default=None, description="Default top2-share@1; as-published@1 of a source"
    )
    base: Base = Field(default=Base.ANSWERS, description="What shares are shares of")

    def faults(self) -> Iterator[Fault]:
        """What is wrong between its fields."""
        if code := origin_fault(self.method, self.survey, self.source):
            yield Fault("/query", code)
        whole = self.period is not None
        if whole != (self.first is None) or whole != (self.last is None):
            yield Fault("/query", "one-of-period-or-first-and-last")
            return
        try:
            _ = self.months
        except InvalidError as refused:
            yield from refused.faults

    @property
    def months(self) -> Period:
        """The period asked for; raises InvalidError unless it is of whole months."""
        if self.first is not None and self.last is not None:
            return period.between(self.first, self.last)
        return period.parse(self.period or "")


class IndexQuery(FigureQuery):
    """Whose indices, at which level, and whether to show how they are made."""

    agency: Code
    by: Level = Field(default=Level.OVERALL, description="What each figure speaks of")
    explain: bool = Field(default=False, description="Show inputs, weights and sums")

    @field_validator("explain", mode="before")
    @classmethod
    def _said(cls, value: object) -> object:
        if value not in {True, False, "true", "false"}:
            raise refuse("not-allowed", allowed="true, false")
        return value in {True, "true"}


class AgencyRef(Out):
    """An agency by code and name."""

    code: str
    name: str = Field(description="In the reader's language")


class OptionOut(Out):
    """An option, how often it was chosen, and its share in percent."""

    code: str = Field(description="Unique within its question")
    label: str
    count: int
    share: float | None = Field(
        description="In percent of all answers or forms; null: it is not counted"
    )


class FigureOut(Out):
    """A number with all that is needed to defend it. `value` is null unless `status` is ok."""

    level: Level = Field(description="What it speaks of: the whole, or a part of it")
    code: str = Field(description="overall, a criterion, a question, or question:option")
    questionnaire: str | None = Field(
        description="Of a question or an option, whose code is unique only there; null: of others"
    )
    name: str = Field(description="In the reader's language")
    value: float | None
    numerator: float | int | None
    denominator: float | int | None
    n: int | None
    ci_low: float | None
    ci_high: float | None
    status: Status
    target: float | None
    gap: float | None
    met: bool | None
    response_rate: float | None
    share_rated: float | None
    findings: list[FindingOut]
    options: list[OptionOut] = Field(description="Counts, when one question makes the figure")
    rank: int | None = Field(
        default=None,
        description="Place among the peers, in an edition or as printed by the source; null: "
        "elsewhere",
    )
    peer_count: int | None = Field(
        default=None,
        description="How many agencies the rank is out of, in an edition or as printed; null: "
        "elsewhere",
    )
    explanation: ExplanationOut | None = Field(
        default=None,
        description="With `explain=true`, how to make the value by hand; null: not asked for, or "
        "no value",
    )


def agency_ref(agency: Agency, language: Language) -> AgencyRef:
    """The agency's code and name."""
    return AgencyRef(code=agency.code, name=in_language(agency.name, language))


def as_float(value: Decimal | Fraction | None) -> float | None:
    """The value as a number with a point."""
    return None if value is None else float(value)


def figure_out(figure: Figure, reach: Reach, language: Language) -> FigureOut:
    """The figure in the reader's language, with how much of the whole it speaks for."""
    measure = figure.measure
    return FigureOut(
        level=measure.level,
        code=measure.code,
        questionnaire=_questionnaire(measure),
        name=in_language(measure.name, language),
        value=as_float(figure.value),
        numerator=plain(measure.ratio.numerator) if measure.ratio else None,
        denominator=plain(measure.ratio.denominator) if measure.ratio else None,
        # A source that prints a value does not print how many people it rests on.
        n=None if measure.status is Status.OK and not measure.n else measure.n,
        ci_low=as_float(figure.low),
        ci_high=as_float(figure.high),
        status=figure.status,
        target=as_float(figure.target),
        gap=as_float(figure.gap),
        met=figure.met,
        response_rate=as_float(reach.response_rate),
        share_rated=as_float(reach.share_rated),
        findings=findings_out(figure.findings, language),
        options=[
            OptionOut(
                code=shared.option.code,
                label=in_language(shared.option.label, language),
                count=shared.count,
                share=as_float(shared.share),
            )
            for shared in figure.options
        ],
    )


def tag_figures(response: Response, answer: BaseModel) -> None:
    """Give the answer a weak ETag that changes when a figure does, not when the clock does."""
    content = answer.model_dump_json(exclude={"as_of"}).encode()
    response.headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    response.headers["Vary"] = "Accept, Accept-Language, Authorization"
    response.headers["Cache-Control"] = "private, no-cache"


def _questionnaire(measure: Measure) -> str | None:
    if measure.level not in {Level.QUESTION, Level.OPTION}:
        return None
    return measure.questions[0].questionnaire
