"""Figures as they are shown, and the questions that indices and rankings have in common."""

import hashlib
from fractions import Fraction
from typing import Annotated

from fastapi import Response
from pydantic import AfterValidator, BaseModel, Field, model_validator

from app.api.findings import FindingOut, findings_out
from app.api.schemas import Code, Day, In, Out, PeriodText, in_language, refuse
from app.api.texts import Language
from app.db.tables import Agency
from app.domain import period
from app.domain.figure import Figure, half_up
from app.domain.measure import Base, Level, Measure, Status
from app.domain.period import Period

MOST_SURVEYS = 50

MethodId = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9-]+@[0-9]+$")]


def _once(codes: list[str]) -> list[str]:
    return list(dict.fromkeys(codes))


class FigureQuery(In):
    """For which months, and from which surveys or published source."""

    period: PeriodText | None = Field(default=None, description="2022, 2022-Q3 or 2022-07")
    first: Day | None = Field(default=None, description="First day of a month")
    last: Day | None = Field(default=None, description="Last day of a month")
    survey: Annotated[list[Code], Field(max_length=MOST_SURVEYS), AfterValidator(_once)] = Field(
        default=[], description="Surveys to pool; may be repeated"
    )
    source: Code | None = Field(default=None, description="Instead of surveys, e.g. sipas")
    method: MethodId | None = Field(
        default=None, description="Default top2-share@1; as-published@1 of a source"
    )
    base: Base = Field(default=Base.ANSWERS, description="What shares are shares of")

    @model_validator(mode="after")
    def _either_or(self) -> "FigureQuery":
        if bool(self.survey) == (self.source is not None):
            raise refuse("one-of-survey-or-source")
        whole = self.period is not None
        if whole != (self.first is None) or whole != (self.last is None):
            raise refuse("one-of-period-or-first-and-last")
        return self

    @property
    def months(self) -> Period:
        """The period asked for; raises InvalidError unless it is of whole months."""
        if self.first is not None and self.last is not None:
            return period.between(self.first, self.last)
        return period.parse(self.period or "")


class AgencyRef(Out):
    """An agency by code and name."""

    code: str
    name: str


class OptionOut(Out):
    """An option, how often it was chosen, and its share in percent."""

    code: str
    label: str
    count: int
    share: float | None


class FigureOut(Out):
    """A number with all that is needed to defend it. `value` is null unless `status` is ok."""

    level: Level
    code: str = Field(description="overall, a criterion, a question, or question:option")
    questionnaire: str | None = Field(
        description="Of a question or an option, whose code is unique only there"
    )
    name: str
    value: float | None = Field(description="In percent, rounded half up")
    numerator: float | int | None = Field(description="Answers, or points, that make the value")
    denominator: float | int | None = Field(description="All answers, forms, or possible points")
    n: int | None = Field(description="People the figure rests on; null where nobody printed it")
    ci_low: float | None = Field(description="95 % interval (Wilson) of a share, in percent")
    ci_high: float | None = Field(description="95 % interval (Wilson) of a share, in percent")
    status: Status = Field(description="ok, or why there is no value")
    target: float | None = Field(description="Value to reach in the period, in percent")
    gap: float | None = Field(description="Value less target, in percentage points")
    met: bool | None = Field(description="Whether the exact value reaches the target")
    findings: list[FindingOut]
    options: list[OptionOut] = Field(description="Counts, when one question makes the figure")
    rank: int | None = Field(default=None, description="As printed by the source")
    peer_count: int | None = Field(default=None, description="Peers, as printed by the source")


def agency_ref(agency: Agency, language: Language) -> AgencyRef:
    """The agency's code and name."""
    return AgencyRef(code=agency.code, name=in_language(agency.name, language))


def rounded(value: Fraction | float | None) -> float | None:
    """The value as shown: two decimals, half up."""
    return None if value is None else float(half_up(value))


def figure_out(figure: Figure, language: Language) -> FigureOut:
    """The figure in the reader's language."""
    measure = figure.measure
    return FigureOut(
        level=measure.level,
        code=measure.code,
        questionnaire=_questionnaire(measure),
        name=in_language(measure.name, language),
        value=None if figure.value is None else float(figure.value),
        numerator=_plain(measure.ratio.numerator if measure.ratio else None),
        denominator=_plain(measure.ratio.denominator if measure.ratio else None),
        # A source that prints a value does not print how many people it rests on.
        n=None if measure.status is Status.OK and not measure.n else measure.n,
        ci_low=rounded(measure.low),
        ci_high=rounded(measure.high),
        status=figure.status,
        target=None if figure.target is None else float(figure.target),
        gap=None if figure.gap is None else float(figure.gap),
        met=figure.met,
        findings=findings_out(figure.findings, language),
        options=[
            OptionOut(
                code=shared.option.code,
                label=in_language(shared.option.label, language),
                count=shared.count,
                share=None if shared.share is None else float(shared.share),
            )
            for shared in figure.options
        ],
    )


def tag_figures(response: Response, answer: BaseModel) -> None:
    """Give the answer a weak ETag that changes when a figure does, not when the clock does."""
    content = answer.model_dump_json(exclude={"as_of"}).encode()
    response.headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    response.headers["Vary"] = "Accept-Language, Authorization"
    response.headers["Cache-Control"] = "private, no-cache"


def _questionnaire(measure: Measure) -> str | None:
    if measure.level in {Level.OVERALL, Level.CRITERION} or not measure.questions:
        return None
    return measure.questions[0].questionnaire


def _plain(number: Fraction | None) -> float | int | None:
    if number is None:
        return None
    return number.numerator if number.denominator == 1 else float(number)
