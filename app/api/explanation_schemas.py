"""How a figure was made, as it is shown."""

from decimal import Decimal

from pydantic import ConfigDict, Field

from app.api import texts
from app.api.explanation_steps import TIMES, Z
from app.api.schemas import Out, example
from app.domain.figure import Rounding

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

    vi: str = Field(description="In Vietnamese")
    en: str = Field(description="In English; in Vietnamese where there is no English")


class NamedOut(Out):
    """A criterion or a question, by its code and its words."""

    code: str = Field(description="Code of the criterion or of the question")
    name: BothOut


class CountedOut(Out):
    """An option, how often it was chosen, and what one such answer adds to the numerator."""

    code: str = Field(description="Unique within its question")
    label: BothOut
    count: int
    score: int | None
    counted: bool
    satisfied: bool
    points: float | int = Field(description="What one answer adds to the numerator")


class InputOut(Out):
    """The counts of one question in one survey, and the ratio that the method makes of them."""

    survey: str
    questionnaire: str
    criterion: NamedOut = Field(description="The criterion that the question belongs to")
    question: NamedOut = Field(description="The question that was asked")
    forms: int = Field(description="Number of forms counted in the survey")
    options: list[CountedOut] = Field(description="In the order of the form")
    numerator: float | int
    denominator: float | int


class EarnedOut(Out):
    """How many dossiers or answers earned two points, one and none.

    `complained` dossiers are not among them and earn none; null where no complaint matters.
    """

    two: int = Field(description="How many earned two points")
    one: int = Field(description="How many earned one point")
    none: int = Field(description="How many earned no point")
    complained: int | None = Field(
        description="Complained about, with reason; null: it does not matter"
    )


class PartOut(Out):
    """A figure that a mean or a total is made of; without counts where it was printed."""

    code: str = Field(description="Code of the criterion, the question or the unit")
    name: BothOut
    weight: float | int = Field(description="What its value is multiplied by")
    numerator: float | int | None
    denominator: float | int | None
    exact: str
    value: float
    n: int | None
    ci_low: float | None
    ci_high: float | None
    inputs: list[InputOut] = Field(description="What is pooled in it; empty where it was printed")
    earned: EarnedOut | None = Field(
        description="Of an index of tt01 that counts; null: of any other"
    )


class SubtractionOut(Out):
    """Dossiers returned, and those of them that were late or rated not satisfied, each once."""

    returned: int = Field(description="Dossiers whose result was returned")
    subtracted: int = Field(description="Those of them that were late or rated not satisfied")


class SumsOut(Out):
    """Numerators and denominators added up; of a mean, weight times value and the weights.

    A total of points is divided by nothing, so its `weight` is 1.
    """

    numerator: float | int | None
    denominator: float | int | None
    weighted_sum: float | int | None = Field(
        description="Sum of weight times value; null: not a mean"
    )
    weight: float | int | None = Field(description="Sum of the weights; null: not a mean")


class IntervalOut(Out):
    """The 95 % interval of a figure; see docs/methods.md."""

    n: int
    z: float = Field(description="Quantile of the normal distribution for 95 %")
    ci_low: float
    ci_high: float


class ExplanationOut(Out):
    """A figure's inputs, weights, sums and formula, and the way from them to the value."""

    model_config = ConfigDict(json_schema_extra=example(TEN_OF_THIRTEEN))

    formula: BothOut
    note: BothOut | None = Field(description="Why inputs are left out; null: none are")
    inputs: list[InputOut] = Field(description="What is pooled; of a mean, see its parts")
    parts: list[PartOut] = Field(
        description="What a mean or a total is made of, or the printed value"
    )
    dossiers: SubtractionOut | None = Field(
        description="Of qd766; what is left is the numerator; null: of others"
    )
    earned: EarnedOut | None = Field(description="Of an index of tt01 that counts; null: of others")
    sums: SumsOut | None = Field(description="What is divided; null: nothing is")
    exact: str | None = Field(
        description="Before rounding, in percent or points, as p/q; null: no value"
    )
    value: float
    decimals: int
    rounding: Rounding
    interval: IntervalOut | None = Field(
        description="The 95 % interval of the value; null: it has none"
    )
    steps: list[BothOut] = Field(description="The calculation, line by line")
