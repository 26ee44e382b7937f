"""How a figure was made: all that is needed to repeat it by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain.figure import Figure, Rounding, Terms, judge
from app.domain.formulas import ONE, Questions, Ratios
from app.domain.measure import Base, Level, Measure, Part, Ratio
from app.domain.methods import MEAN_OF_UNITS, METHODS
from app.domain.profile_figures import Index
from app.domain.profiles import QD766, TT01, Earned
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
    """A figure that a mean or a total is made of, and what it is pooled of if it is known.

    `exact` is its value before rounding.
    """

    figure: Figure
    exact: Fraction
    weight: Fraction
    inputs: tuple[Input, ...]

    @property
    def earned(self) -> Earned | None:
        """TT 01/2018: what an index counts; None of anything else."""
        return earned(self.figure)


@dataclass(frozen=True, slots=True)
class Subtraction:
    """QĐ 766: the dossiers returned, and those late or badly rated, as one number.

    Late ones and badly rated ones apart could give single ratings away.
    """

    returned: int
    subtracted: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A figure with what was pooled for it (`inputs`), or averaged or added up (`parts`).

    A printed value is its own single part. Where single questions are `withheld`, inputs are empty
    everywhere, and parts are unless they are figures of other agencies.
    """

    method: str
    figure: Figure
    rounding: Rounding
    inputs: tuple[Input, ...] = ()
    parts: tuple[ExplainedPart, ...] = ()
    withheld: bool = False

    @property
    def exact(self) -> Fraction | None:
        """The value before rounding, in percent or points.

        None for a mean with withheld parts: its digits could tell their values.
        """
        measure = self.figure.measure
        if self.withheld and not measure.ratio and not self.parts:
            return None
        return _exact(self.method, measure)

    @property
    def weighted(self) -> Ratio | None:
        """The parts' weights times values, added up, over what that is divided by; None if pooled.

        A mean is divided by the sum of the weights, a total by one.
        """
        if not self.parts:
            return None
        values = [part.weight * (part.figure.measure.value or 0) for part in self.parts]
        weights = [part.weight for part in self.parts]
        total = self.method == TT01
        return Ratio(sum(values, Fraction(0)), ONE if total else sum(weights, Fraction(0)))

    @property
    def earned(self) -> Earned | None:
        """TT 01/2018: what an index by itself counts; None of anything else."""
        return earned(self.figure)

    @property
    def dossiers(self) -> Subtraction | None:
        """What was subtracted from what; None unless whole dossiers are counted so."""
        ratio = self.figure.measure.ratio
        if self.method != QD766 or ratio is None:
            return None
        return Subtraction(int(ratio.denominator), int(ratio.denominator - ratio.numerator))


def earned(figure: Figure) -> Earned | None:
    """How many dossiers or answers earned how many points; None unless an index counts them."""
    return figure.measure.earned if isinstance(figure.measure, Index) else None


def explain(method_id: str, figure: Figure, terms: Terms, shown: Shown) -> Explanation | None:
    """How the method made the figure on these terms; None where the figure has no value.

    Where one of its tallies may not be shown, none is: it would follow from the others. Nor are
    the parts of a mean then, unless they are units, whose figures are shown by themselves.
    """
    measure = figure.measure
    if measure.value is None:
        return None
    withheld = not all(map(shown, measure.questions))
    itself = () if measure.ratio else (Part(measure, ONE),)
    parts = () if withheld and method_id != MEAN_OF_UNITS else measure.parts or itself

    def inputs(one: Measure) -> tuple[Input, ...]:
        return () if withheld else _inputs(method_id, one, terms.base)

    return Explanation(
        method_id,
        figure,
        terms.rounding,
        inputs(measure),
        tuple(
            ExplainedPart(
                # Enough people stand behind whatever a figure with a value is made of.
                judge(part.measure, replace(terms, minimum_n=0), (), ()),
                _exact(method_id, part.measure) or Fraction(0),
                part.weight,
                inputs(part.measure),
            )
            for part in parts
        ),
        withheld,
    )


def _exact(method_id: str, measure: Measure) -> Fraction | None:
    """The value before rounding; points are rounded as soon as they are made."""
    if method_id == TT01 and measure.ratio:
        return measure.ratio.numerator / measure.ratio.denominator
    return measure.value


def _inputs(method_id: str, measure: Measure, base: Base) -> tuple[Input, ...]:
    """What a pooled measure adds up; nothing of a mean, a printed value or counted dossiers."""
    if not measure.ratio or not measure.questions:
        return ()
    chosen = measure.level is Level.OPTION
    ratios = _of_option(measure.code) if chosen else METHODS[method_id].kernel.ratio
    return tuple(_input(tally, ratios, base) for tally in measure.questions)


def _input(tally: QuestionTally, ratios: Ratios, base: Base) -> Input:
    places = range(len(tally.counts))
    # Ratios add up, so a form with a single answer tells what each such answer adds.
    singles = [
        ratios((replace(tally, counts=tuple(int(o == place) for o in places), forms=1),), base)
        for place in places
    ]
    return Input(
        tally,
        ratios((tally,), base),
        tuple(single.numerator for single in singles),
        max(single.denominator for single in singles),
    )


def _of_option(code: str) -> Ratios:
    """The share of the option with this code (question:option) among the answers or forms."""
    wanted = code.partition(":")[2]

    def ratio(questions: Questions, base: Base) -> Ratio:
        (tally,) = questions
        codes = [option.code for option in tally.question.options]
        whole = tally.forms if base is Base.FORMS else tally.answers
        return Ratio(Fraction(tally.counts[codes.index(wanted)]), Fraction(whole))

    return ratio
