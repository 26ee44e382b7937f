"""What a method finds: an exact value, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from app.domain.interval import wilson
from app.domain.questionnaire import Option, Text
from app.domain.tally import QuestionTally


class Level(StrEnum):
    """What a figure speaks of."""

    OVERALL = "overall"
    CRITERION = "criterion"
    QUESTION = "question"
    OPTION = "option"


class Base(StrEnum):
    """What a share is a share of: the answers given, or all forms."""

    ANSWERS = "answers"
    FORMS = "forms"


class Status(StrEnum):
    """Why there is a value, or none."""

    OK = "ok"
    TOO_FEW = "too_few"  # fewer answers than the smallest number that is shown
    SUPPRESSED = "suppressed"  # would give away a figure that is too few
    NOT_ASKED = "not_asked"  # no survey asks it of this agency
    PENDING = "pending"  # asked, nothing counted yet
    EXEMPT = "exempt"  # counted, but without a scale for this method


@dataclass(frozen=True, slots=True)
class Ratio:
    """Points over the most points possible; ratios of the same kind add up."""

    numerator: Fraction = Fraction(0)
    denominator: Fraction = Fraction(0)

    def __add__(self, other: "Ratio") -> "Ratio":
        return Ratio(self.numerator + other.numerator, self.denominator + other.denominator)


@dataclass(frozen=True, slots=True)
class Measure:
    """An index by a method: `value` is exact, in percent, and there only when status is ok.

    `n` is the number of people it rests on, as far as tallies can tell: the most answers that one
    of its questions has; for a mean, the smallest n of its parts.
    """

    level: Level
    code: str
    name: Text
    status: Status
    n: int = 0
    value: Fraction | None = None
    ratio: Ratio | None = None
    low: float | None = None
    high: float | None = None
    questions: tuple[QuestionTally, ...] = field(default=())
    decimals: int = 2  # to be shown


def label(level: Level, code: str, name: Text) -> Measure:
    """A figure that nothing was asked for."""
    return Measure(level, code, name, Status.NOT_ASKED)


def people(questions: Sequence[QuestionTally], base: Base) -> int:
    """The most answers, or forms, of one question, added over the surveys.

    Answers of one person hang together, so a share pooled over nine questions of a hundred forms
    is no surer than a hundred answers; the interval uses this number (docs/methods.md). A flawed
    sheet with more answers than forms speaks for no more people than it has forms.
    """
    most: dict[str, int] = {}
    for question in questions:
        answered = min(question.answers, question.forms)
        size = question.forms if base is Base.FORMS else answered
        most[question.survey] = max(most.get(question.survey, 0), size)
    return sum(most.values())


def share_interval(ratio: Ratio, n: int) -> tuple[float, float]:
    """The Wilson interval of a share of n people."""
    return wilson(ratio.numerator / ratio.denominator, n)


def options(questions: Sequence[QuestionTally]) -> list[tuple[Option, int]]:
    """Each option with its count, pooled by option code; empty when the scales differ.

    Wordings may differ between questionnaires; the first one's stand.
    """
    if len({tally.question.scale for tally in questions}) != 1:
        return []
    return [
        (option, sum(tally.counts[place] for tally in questions))
        for place, option in enumerate(questions[0].question.options)
    ]
