"""What would help an agency: the criterion whose rise lifts its index the most."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain import methods
from app.domain.formulas import Kernel
from app.domain.measure import Base, Level
from app.domain.methods import Method
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
    questions = [question for tally in tallies for question in tally.questions]
    index = methods.overall(method, questions, base).value
    if index is None:
        return None
    found = []
    for measure in methods.measures(method, tallies, Level.CRITERION, base):
        if measure.value is None or measure.code in hidden:
            continue
        risen = [
            _best(method.kernel, question, base)
            if question.criterion.code == measure.code and method.kernel.applies(question)
            else question
            for question in questions
        ]
        lifted = methods.overall(method, risen, base).value
        if lifted is not None and lifted > index:
            found.append(Lever(measure.code, measure.name, measure.value, lifted - index))
    return max(found, key=lambda one: one.lift, default=None)


def _best(kernel: Kernel, question: QuestionTally, base: Base) -> QuestionTally:
    """The question if all who answered (of forms: all) had chosen the option worth the most."""
    everyone = question.forms if base is Base.FORMS else question.answers
    options = question.question.options
    best = max((option for option in options if option.counted), key=kernel.worth)
    return replace(question, counts=tuple(everyone if option is best else 0 for option in options))
