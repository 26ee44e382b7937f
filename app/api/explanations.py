"""How a figure was made, so that a clerk can repeat it with a pocket calculator."""

from decimal import Decimal

from pydantic import ConfigDict, Field

from app.api import texts
from app.api.explanation_steps import TIMES, Z, both, steps
from app.api.schemas import Out, example, plain
from app.domain.explanation import ExplainedPart, Explanation, Input
from app.domain.figure import Figure, Rounding
from app.domain.measure import FACETS, Level, Ratio
from app.domain.profiles import Earned

LEVELS = [
    (5, "Rất tốt", "Very good", 3, True),
    (4, "Tốt", "Good", 7, True),
    (3, "Bình thường", "Neutral", 3, False),
    (2, "Không tốt", "Poor", 0, False),
    (1, "Rất không tốt", "Very poor", 0, False),
]

LOW, HIGH = Decimal("49.74"), Decimal("91.82")

TEN_OF_THIRTEEN = {
    "formula": texts.both("method:top2-share@1:formula"),
    "note": None,
    "inputs": [
        {
            "survey": "sct-2022-a",
            "questionnaire": "sct-tthc",
            "criterion": {
                "code": "facilities",
                "name": {"vi": "Cơ sở vật chất, trang thiết bị", "en": "Facilities and equipment"},
            },
            "question": {
                "code": "q3",
                "name": {"vi": "Cơ sở vật chất nơi làm việc", "en": "Facilities of the office"},
            },
            "forms": 13,
            "options": [
                {
                    "code": str(score),
                    "label": {"vi": vi, "en": en},
                    "count": count,
                    "score": score,
                    "counted": True,
                    "satisfied": satisfied,
                    "points": int(satisfied),
                }
                for score, vi, en, count, satisfied in LEVELS
            ],
            "numerator": 10,
            "denominator": 13,
        }
    ],
    "parts": [],
    "dossiers": None,
    "earned": None,
    "sums": {"numerator": 10, "denominator": 13, "weighted_sum": None, "weight": None},
    "exact": "1000/13",
    "value": 76.92,
    "decimals": 2,
    "rounding": "half_up",
    "interval": {"n": 13, "z": float(Z), "ci_low": float(LOW), "ci_high": float(HIGH)},
    "steps": [
        {
            "vi": "Câu q3 (đợt khảo sát sct-2022-a): (3 + 7) / 13 = 10 / 13.",
            "en": "Question q3 (survey sct-2022-a): (3 + 7) / 13 = 10 / 13.",
        },
        {
            "vi": f"Kết quả: 10 / 13 {TIMES} 100 ≈ 76,92 %.",
            "en": f"Result: 10 / 13 {TIMES} 100 ≈ 76.92 %.",
        },
        {
            language: texts.say(language, "explain:interval", n=13, z=Z, low=LOW, high=HIGH)
            for language in texts.LANGUAGES
        },
    ],
}


class BothOut(Out):
    """A text in Vietnamese and in English; Vietnamese twice where there is no English."""

    vi: str
    en: str


class NamedOut(Out):
    """A criterion or a question, by its code and its words."""

    code: str
    name: BothOut


class CountedOut(Out):
    """An option, how often it was chosen, and what one such answer adds to the numerator."""

    code: str
    label: BothOut
    count: int
    score: int | None
    counted: bool
    satisfied: bool
    points: float | int


class InputOut(Out):
    """The counts of one question in one survey, and the ratio that the method makes of them."""

    survey: str
    questionnaire: str
    criterion: NamedOut
    question: NamedOut
    forms: int
    options: list[CountedOut]
    numerator: float | int
    denominator: float | int


class EarnedOut(Out):
    """How many dossiers or answers earned two points, one and none.

    `complained` dossiers are not among them and earn none; null where no complaint matters.
    """

    two: int
    one: int
    none: int
    complained: int | None


class PartOut(Out):
    """A figure that a mean or a total is made of; without counts where it was printed."""

    code: str
    name: BothOut
    weight: float | int
    numerator: float | int | None
    denominator: float | int | None
    exact: str
    value: float
    n: int | None
    ci_low: float | None
    ci_high: float | None
    inputs: list[InputOut]
    earned: EarnedOut | None = Field(description="Of an index of tt01 that counts")


class SubtractionOut(Out):
    """Dossiers returned, and those of them that were late or rated not satisfied, each once."""

    returned: int
    subtracted: int


class SumsOut(Out):
    """Numerators and denominators added up; of a mean, weight times value and the weights.

    A total of points is divided by nothing, so its `weight` is 1.
    """

    numerator: float | int | None
    denominator: float | int | None
    weighted_sum: float | int | None
    weight: float | int | None


class IntervalOut(Out):
    """The 95 % interval of a figure; see docs/methods.md."""

    n: int
    z: float
    ci_low: float
    ci_high: float


class ExplanationOut(Out):
    """A figure's inputs, weights, sums and formula, and the way from them to the value."""

    model_config = ConfigDict(json_schema_extra=example(TEN_OF_THIRTEEN))

    formula: BothOut
    note: BothOut | None = Field(description="Why inputs are left out, where they are")
    inputs: list[InputOut] = Field(description="What is pooled; of a mean, see its parts")
    parts: list[PartOut] = Field(
        description="What a mean or a total is made of, or the printed value"
    )
    dossiers: SubtractionOut | None = Field(description="Of qd766; what is left is the numerator")
    earned: EarnedOut | None = Field(description="Of an index of tt01 that counts, by itself")
    sums: SumsOut | None
    exact: str | None = Field(description="The value before rounding, in percent or points, as p/q")
    value: float
    decimals: int
    rounding: Rounding
    interval: IntervalOut | None
    steps: list[BothOut] = Field(description="The calculation, line by line")


def explanation_out(explanation: Explanation) -> ExplanationOut:
    """The explanation in both languages, whichever the reader prefers."""
    figure, dossiers = explanation.figure, explanation.dossiers
    option = figure.measure.level is Level.OPTION
    formula = "explain:formula-of-option" if option else f"method:{explanation.method}:formula"
    value = Decimal() if figure.value is None else figure.value
    return ExplanationOut(
        formula=texts.both(formula),
        note=_note(explanation),
        inputs=[_input_out(one) for one in explanation.inputs],
        parts=[_part_out(part) for part in explanation.parts],
        dossiers=SubtractionOut.model_validate(dossiers) if dossiers else None,
        earned=_earned_out(explanation.earned),
        sums=_sums_out(figure.measure.ratio, explanation.weighted),
        exact=None if explanation.exact is None else str(explanation.exact),
        value=float(value),
        decimals=-int(value.as_tuple().exponent),
        rounding=explanation.rounding,
        interval=_interval_out(figure),
        steps=list(steps(explanation)),
    )


def _input_out(one: Input) -> InputOut:
    tally = one.tally
    rows = zip(tally.question.options, tally.counts, one.points, strict=True)
    return InputOut(
        survey=tally.survey,
        questionnaire=tally.questionnaire,
        criterion=NamedOut(code=tally.criterion.code, name=both(tally.criterion.name)),
        question=NamedOut(code=tally.question.code, name=both(tally.question.text)),
        forms=tally.forms,
        options=[
            CountedOut(
                code=option.code,
                label=both(option.label),
                count=count,
                score=option.score,
                counted=option.counted,
                satisfied=option.satisfied,
                points=plain(points),
            )
            for option, count, points in rows
        ],
        numerator=plain(one.ratio.numerator),
        denominator=plain(one.ratio.denominator),
    )


def _part_out(part: ExplainedPart) -> PartOut:
    figure, measure = part.figure, part.figure.measure
    return PartOut(
        code=measure.code,
        name=both(measure.name),
        weight=plain(part.weight),
        numerator=plain(measure.ratio.numerator) if measure.ratio else None,
        denominator=plain(measure.ratio.denominator) if measure.ratio else None,
        exact=str(part.exact),
        value=float(figure.value or 0),
        n=measure.n or None,
        ci_low=None if figure.low is None else float(figure.low),
        ci_high=None if figure.high is None else float(figure.high),
        inputs=[_input_out(one) for one in part.inputs],
        earned=_earned_out(part.earned),
    )


def _note(explanation: Explanation) -> BothOut | None:
    if not explanation.withheld:
        return None
    why = "of-slices" if explanation.figure.measure.level in FACETS else "withheld"
    return BothOut(**texts.both(f"explain:inputs-{why}"))


def _earned_out(earned: Earned | None) -> EarnedOut | None:
    return EarnedOut.model_validate(earned) if earned else None


def _sums_out(pooled: Ratio | None, weighted: Ratio | None) -> SumsOut | None:
    if not pooled and not weighted:
        return None
    return SumsOut(
        numerator=plain(pooled.numerator) if pooled else None,
        denominator=plain(pooled.denominator) if pooled else None,
        weighted_sum=plain(weighted.numerator) if weighted else None,
        weight=plain(weighted.denominator) if weighted else None,
    )


def _interval_out(figure: Figure) -> IntervalOut | None:
    if figure.low is None or figure.high is None:
        return None
    n, low, high = figure.measure.n, float(figure.low), float(figure.high)
    return IntervalOut(n=n, z=float(Z), ci_low=low, ci_high=high)
