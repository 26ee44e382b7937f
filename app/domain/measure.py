"""What a method finds: an exact value, or the reason why there is none."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from app.domain.interval import Leaf
from app.domain.questionnaire import Option, Text
from app.domain.tally import QuestionTally

Key = Hashable


class Level(StrEnum):
    """What a figure speaks of."""

    OVERALL = "overall"
    CRITERION = "criterion"
    QUESTION = "question"
    OPTION = "option"
    MONTH = "month"
    CHANNEL = "channel"
    COUNTER = "counter"
    PROCEDURE = "procedure"


# Levels that split an agency's forms, where the others split what a form asks.
FACETS = (Level.MONTH, Level.CHANNEL, Level.COUNTER, Level.PROCEDURE)


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
    of its questions has; for a mean, the smallest n of its parts. `low` and `high` are the limits
    of its 95 % interval.
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
    parts: tuple["Part", ...] = field(default=())
    decimals: int | None = None  # that it was printed with
    sampled: bool = True  # by those who answered; else counted of all, and no surer than it is

    @property
    def key(self) -> Key:
        """What tells it from the agency's other figures; an option goes with its question."""
        if self.level in {Level.QUESTION, Level.OPTION}:
            return question_key(self.questions[0])
        return (self.level, self.code)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The shares it is made of, with weights that add up to 1; none where n is not known."""
        if self.value is None:
            return ()
        if self.parts:
            whole = sum((part.weight for part in self.parts), Fraction(0))
            return tuple(
                leaf._replace(weight=leaf.weight * float(part.weight / whole))
                for part in self.parts
                for leaf in part.measure.leaves
            )
        if not self.n or not self.sampled:
            return ()
        return (Leaf(float(self.value / 100), self.n, 1.0),)


@dataclass(frozen=True, slots=True)
class Part:
    """A measure that a mean is made of, and its weight."""

    measure: Measure
    weight: Fraction


def question_key(tally: QuestionTally) -> Key:
    """What makes questions the same: of one questionnaire, under one code, with one scale."""
    return (Level.QUESTION, tally.questionnaire, tally.question.code, tally.question.scale)


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
