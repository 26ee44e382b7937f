"""How a figure was made: all that is needed to repeat it by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain.figure import Figure, Rounding, Terms, judge
from app.domain.formulas import ONE, Ratios
from app.domain.measure import Base, Level, Measure, Part, Ratio
from app.domain.methods import METHODS
from app.domain.tally import QuestionTally

Shown = Callable[[QuestionTally], bool]


@dataclass(frozen=True, slots=True)
class Input:
    """The tally of one question, and the ratio that the method makes of it.

    `points` says, for each option, what one answer adds to the numerator; `most` what one answer
    that counts (or one form) adds to the denominator.
    """

    tally: QuestionTally
    ratio: Ratio
    points: tuple[Fraction, ...]
    most: Fraction


@dataclass(frozen=True, slots=True)
class ExplainedPart:
    """A figure that a mean is made of, its weight, and what it is pooled of if not printed."""

    figure: Figure
    weight: Fraction
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A figure with what was pooled for it (`inputs`), or averaged (`parts`).

    A printed value is its own single part. Both are empty where they are withheld.
    """

    method: str
    figure: Figure
    rounding: Rounding
    inputs: tuple[Input, ...] = ()
    parts: tuple[ExplainedPart, ...] = ()
    withheld: bool = False

    @property
    def exact(self) -> Fraction | None:
        """The value before rounding, in percent.

        None for a mean with withheld parts: its digits could tell their values.
        """
        measure = self.figure.measure
        return None if self.withheld and not measure.ratio else measure.value

    @property
    def weighted(self) -> Ratio | None:
        """The sum of weight times value, in percent, over the sum of weights; None if pooled."""
        if not self.parts:
            return None
        values = [part.weight * (part.figure.measure.value or 0) for part in self.parts]
        weights = [part.weight for part in self.parts]
        return Ratio(sum(values, Fraction(0)), sum(weights, Fraction(0)))


def explain(method_id: str, figure: Figure, terms: Terms, shown: Shown) -> Explanation | None:
    """How the method made the figure on these terms; None where the figure has no value.

    Where one of its tallies may not be shown, none is: it would follow from the others.
    """
    measure = figure.measure
    if measure.value is None:
        return None
    if not all(shown(tally) for tally in measure.questions):
        return Explanation(method_id, figure, terms.rounding, withheld=True)
    itself = () if measure.ratio else (Part(measure, ONE),)
    parts = tuple(
        ExplainedPart(
            judge(part.measure, terms, (), ()),
            part.weight,
            _inputs(method_id, part.measure, terms.base),
        )
        for part in measure.parts or itself
    )
    inputs = _inputs(method_id, measure, terms.base)
    return Explanation(method_id, figure, terms.rounding, inputs, parts)


def _inputs(method_id: str, measure: Measure, base: Base) -> tuple[Input, ...]:
    """What a pooled measure adds up; nothing of a mean or a printed value."""
    if not measure.ratio:
        return ()
    chosen = measure.level is Level.OPTION
    ratios = _of_option(measure.code) if chosen else METHODS[method_id].kernel.ratio
    return tuple(_input(tally, ratios, base) for tally in measure.questions)


def _input(tally: QuestionTally, ratios: Ratios, base: Base) -> Input:
    places = range(len(tally.counts))
    # Ratios add up, so a form with a single answer tells what each such answer adds.
    singles = [
        ratios(replace(tally, counts=tuple(int(o == place) for o in places), forms=1), base)
        for place in places
    ]
    return Input(
        tally,
        ratios(tally, base),
        tuple(single.numerator for single in singles),
        max(single.denominator for single in singles),
    )


def _of_option(code: str) -> Ratios:
    """The share of the option with this code (question:option) among the answers or forms."""
    wanted = code.partition(":")[2]

    def ratio(tally: QuestionTally, base: Base) -> Ratio:
        codes = [option.code for option in tally.question.options]
        whole = tally.forms if base is Base.FORMS else tally.answers
        return Ratio(Fraction(tally.counts[codes.index(wanted)]), Fraction(whole))

    return ratio
