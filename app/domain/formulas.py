"""From tallies to an index: what one question gives, and how questions are brought together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain.interval import interval
from app.domain.measure import (
    Base,
    Key,
    Level,
    Measure,
    Part,
    Ratio,
    Status,
    label,
    people,
    question_key,
)
from app.domain.questionnaire import Option, Text
from app.domain.tally import QuestionTally

OVERALL: Text = {"vi": "Chỉ số hài lòng chung", "en": "Overall satisfaction index"}

ONE = Fraction(1)

Questions = Sequence[QuestionTally]
Applies = Callable[[QuestionTally], bool]
Ratios = Callable[[Questions, Base], Ratio]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How questions become a ratio, and which ones can; `worth` orders a question's options."""

    applies: Applies
    ratio: Ratios
    share: bool  # a share of people, so it has a binomial interval
    worth: Callable[[Option], int]


def _satisfied(questions: Questions, base: Base) -> Ratio:
    # Added up as whole numbers: fractions take several times as long.
    whole = sum(one.forms if base is Base.FORMS else one.answers for one in questions)
    return Ratio(Fraction(sum(one.satisfied for one in questions)), Fraction(whole))


def _points(question: QuestionTally, floor: int) -> Ratio:
    highest = max(_scores(question)) - floor
    earned = sum(
        count * ((option.score or 0) - floor)
        for option, count in zip(question.question.options, question.counts, strict=True)
        if option.counted
    )
    return Ratio(Fraction(earned, highest), Fraction(question.answers))


def _scores(question: QuestionTally) -> list[int]:
    return [option.score or 0 for option in question.question.options if option.counted]


def _level(questions: Questions, _base: Base) -> Ratio:
    return sum((_points(one, min(_scores(one))) for one in questions), Ratio())


def _of_maximum(questions: Questions, _base: Base) -> Ratio:
    ratios = [(_points(one, 0), max(_scores(one))) for one in questions]
    return sum(
        (Ratio(one.numerator * most, one.denominator * most) for one, most in ratios), Ratio()
    )


def _score(option: Option) -> int:
    return option.score or 0


SATISFIED = Kernel(
    lambda tally: tally.question.rated, _satisfied, share=True, worth=lambda one: one.satisfied
)
LEVEL = Kernel(lambda tally: tally.question.scored, _level, share=False, worth=_score)
OF_MAXIMUM = Kernel(lambda tally: tally.question.scored, _of_maximum, share=False, worth=_score)


def components(kernel: Kernel, questions: Questions) -> Questions:
    """The questions that make an index: those the kernel applies to.

    The overall question sums the others up, so it stands apart, unless nothing else was asked.
    """
    usable = [question for question in questions if kernel.applies(question)]
    return [question for question in usable if not question.overall] or usable


def by_criterion(questions: Questions) -> Mapping[str, list[QuestionTally]]:
    """The questions under the code of their criterion, in the order of the forms."""
    groups: dict[str, list[QuestionTally]] = {}
    for question in questions:
        groups.setdefault(question.criterion.code, []).append(question)
    return groups


def by_question(questions: Questions) -> Iterable[list[QuestionTally]]:
    """The questions that are the same: of one questionnaire, under one code, with one scale.

    Surveys with the same form pool theirs, and so do versions of it that did not change the scale.
    """
    groups: dict[Key, list[QuestionTally]] = {}
    for tally in questions:
        groups.setdefault(question_key(tally), []).append(tally)
    return groups.values()


@dataclass(frozen=True, slots=True)
class Labelled:
    """What is measured: its level, code and name."""

    level: Level
    code: str
    name: Text


def pool(kernel: Kernel, what: Labelled, questions: Questions, base: Base) -> Measure:
    """All answers to the questions together, as one ratio."""
    used = tuple(components(kernel, questions))
    labelled = label(what.level, what.code, what.name)
    if not questions:
        return labelled
    if not used:
        n = people(questions, base)
        return Measure(
            what.level, what.code, what.name, Status.EXEMPT, n, questions=tuple(questions)
        )
    ratio = kernel.ratio(used, base)
    n = people(used, base)
    if not n:
        return Measure(what.level, what.code, what.name, Status.PENDING, questions=used)
    if ratio.numerator > ratio.denominator:
        # More satisfied answers than forms: a flawed sheet gives no share of its forms.
        return Measure(what.level, what.code, what.name, Status.EXEMPT, n, questions=used)
    value = 100 * ratio.numerator / ratio.denominator
    made = Measure(what.level, what.code, what.name, Status.OK, n, value, ratio, questions=used)
    return with_interval(made)


def with_interval(measure: Measure) -> Measure:
    """The measure with the limits of its 95 % interval, where n is known."""
    if not measure.leaves:
        return measure
    low, high = interval(measure.leaves)
    return replace(measure, low=low, high=high)


def mean(what: Labelled, weighted: Iterable[Part]) -> Measure:
    """The weighted mean of measures; a part without a value leaves the mean without one."""
    parts = tuple(part for part in weighted if part.weight)
    measures = [part.measure for part in parts]
    used = tuple(question for measure in measures for question in measure.questions)
    whole = sum((part.weight for part in parts), Fraction(0))
    statuses = {measure.status for measure in measures} or {Status.NOT_ASKED}
    missing = statuses - {Status.OK}
    if missing or not whole:
        status = missing.pop() if missing and len(statuses) == 1 else Status.PENDING
        return Measure(what.level, what.code, what.name, status, questions=used, parts=parts)
    total = sum((part.weight * (part.measure.value or 0) for part in parts), Fraction(0))
    n, value = min(measure.n for measure in measures), total / whole
    return Measure(
        what.level, what.code, what.name, Status.OK, n, value, questions=used, parts=parts
    )


def mean_of(measures: Iterable[Measure]) -> Measure:
    """The unweighted mean of those measures that have a value; without an interval.

    They are of different people, so widths do not add up as those of one person's answers do.
    """
    what = Labelled(Level.OVERALL, "overall", OVERALL)
    return mean(what, [Part(one, ONE) for one in measures if one.status is Status.OK])


Summary = Callable[[Kernel, Labelled, Questions, Base], Measure]


def of_questions(kernel: Kernel, what: Labelled, questions: Questions, base: Base) -> Measure:
    """The unweighted mean of the questions."""
    used = components(kernel, questions)
    if not used:
        return pool(kernel, what, questions, base)
    parts = [
        Part(pool(kernel, _of_question(group), group, base), ONE) for group in by_question(used)
    ]
    return with_interval(mean(what, parts))


def _of_question(group: Questions) -> Labelled:
    return Labelled(Level.QUESTION, group[0].question.code, group[0].question.text)


def _of_criteria(weigh: Callable[[QuestionTally], Fraction]) -> Summary:
    def summary(kernel: Kernel, what: Labelled, questions: Questions, base: Base) -> Measure:
        used = components(kernel, questions)
        if not used:
            return pool(kernel, what, questions, base)
        parts = []
        for code, group in by_criterion(used).items():
            part = pool(
                kernel, Labelled(Level.CRITERION, code, group[0].criterion.name), group, base
            )
            parts.append(Part(part, weigh(group[0])))
        return with_interval(mean(what, parts))

    return summary


of_criteria = _of_criteria(lambda _question: ONE)
of_weighted_criteria = _of_criteria(lambda question: question.criterion.weight)


def of_overall_question(
    kernel: Kernel, what: Labelled, questions: Questions, base: Base
) -> Measure:
    """The one overall question, pooled over the surveys."""
    return pool(kernel, what, [question for question in questions if question.overall], base)
