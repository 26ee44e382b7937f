"""What would help an agency: the criterion whose rise lifts its index the most."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain.formulas import Kernel
from app.domain.measure import Base, Level
from app.domain.methods import Method, measures
from app.domain.questionnaire import Text
from app.domain.tally import QuestionTally, SurveyTally


@dataclass(frozen=True, slots=True)
class Lever:
    """A criterion, its value in percent, and what the index would gain if it rose to 100 %.

    `lift` is in percentage points of the overall index, everything else as it is.
    """

    criterion: str
    name: Text
    value: Fraction
    lift: Fraction


def lever(
    method: Method, tallies: Sequence[SurveyTally], base: Base, hidden: Collection[str] = ()
) -> Lever | None:
    """The criterion that can lift the overall index the most; of equals, the form's first.

    None where the method has no criteria or the index no value, and where nothing is lost. The
    criteria in `hidden` are not named. Passed over as well is a criterion at which flawed sheets
    hide what is lost: with it at 100 % they would have more satisfied answers than forms.
    """
    if Level.CRITERION not in method.levels:
        return None
    index = _overall(method, tallies, base)
    if index is None:
        return None
    found = []
    for measure in measures(method, tallies, Level.CRITERION, base):
        lifted = _overall(method, _risen(method.kernel, tallies, measure.code, base), base)
        if measure.value is None or lifted is None or lifted <= index or measure.code in hidden:
            continue
        found.append(Lever(measure.code, measure.name, measure.value, lifted - index))
    return max(found, key=lambda one: one.lift, default=None)


def _overall(method: Method, tallies: Sequence[SurveyTally], base: Base) -> Fraction | None:
    return measures(method, tallies, Level.OVERALL, base)[0].value


def _risen(
    kernel: Kernel, tallies: Sequence[SurveyTally], criterion: str, base: Base
) -> list[SurveyTally]:
    """The tallies as they would be if nothing were lost at the criterion."""
    return [
        replace(
            tally,
            counts=tuple(
                _best(kernel, question, base)
                if question.criterion.code == criterion and kernel.applies(question)
                else question.counts
                for question in tally.questions()
            ),
        )
        for tally in tallies
    ]


def _best(kernel: Kernel, question: QuestionTally, base: Base) -> tuple[int, ...]:
    """The counts if all who answered (of forms: all) had chosen the option worth the most."""
    everyone = question.forms if base is Base.FORMS else question.answers
    options = question.question.options
    unanimous = [
        replace(question, counts=tuple(everyone if o is chosen else 0 for o in options))
        for chosen in options
    ]
    return max(unanimous, key=lambda way: kernel.ratio(way, base).numerator).counts
