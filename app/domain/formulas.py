"""From tallies to an index: what one question gives, and how questions are brought together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.domain.measure import Base, Level, Measure, Ratio, Status, label, people, share_interval
from app.domain.questionnaire import Text
from app.domain.tally import QuestionTally

OVERALL: Text = {"vi": "Chỉ số hài lòng chung", "en": "Overall satisfaction index"}

ONE = Fraction(1)

Questions = Sequence[QuestionTally]
Applies = Callable[[QuestionTally], bool]
Ratios = Callable[[QuestionTally, Base], Ratio]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How one question becomes a ratio, and which questions can."""

    applies: Applies
    ratio: Ratios
    share: bool  # a share of people, so it has a binomial interval


def _satisfied(question: QuestionTally, base: Base) -> Ratio:
    whole = question.forms if base is Base.FORMS else question.answers
    return Ratio(Fraction(question.satisfied), Fraction(whole))


def _points(question: QuestionTally, floor: int) -> Ratio:
    scores = [option.score or 0 for option in question.question.options if option.counted]
    highest = max(scores) - floor
    earned = sum(
        count * ((option.score or 0) - floor)
        for option, count in zip(question.question.options, question.counts, strict=True)
        if option.counted
    )
    return Ratio(Fraction(earned, highest), Fraction(question.answers))


def _level(question: QuestionTally, _base: Base) -> Ratio:
    lowest = min(option.score or 0 for option in question.question.options if option.counted)
    return _points(question, lowest)


def _of_maximum(question: QuestionTally, _base: Base) -> Ratio:
    highest = max(option.score or 0 for option in question.question.options if option.counted)
    ratio = _points(question, 0)
    return Ratio(ratio.numerator * highest, ratio.denominator * highest)


SATISFIED = Kernel(lambda tally: tally.question.rated, _satisfied, share=True)
LEVEL = Kernel(lambda tally: tally.question.scored, _level, share=False)
OF_MAXIMUM = Kernel(lambda tally: tally.question.scored, _of_maximum, share=False)


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
    groups: dict[tuple[object, ...], list[QuestionTally]] = {}
    for tally in questions:
        key = (tally.questionnaire, tally.question.code, tally.question.scale)
        groups.setdefault(key, []).append(tally)
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
    ratio = sum((kernel.ratio(question, base) for question in used), Ratio())
    n = people(used, base)
    if not n:
        return Measure(what.level, what.code, what.name, Status.PENDING, questions=used)
    if ratio.numerator > ratio.denominator:
        # More satisfied answers than forms: a flawed sheet gives no share of its forms.
        return Measure(what.level, what.code, what.name, Status.EXEMPT, n, questions=used)
    low, high = share_interval(ratio, n) if kernel.share else (None, None)
    value = 100 * ratio.numerator / ratio.denominator
    return Measure(
        what.level, what.code, what.name, Status.OK, n, value, ratio, low, high, questions=used
    )


def mean(what: Labelled, parts: Sequence[tuple[Measure, Fraction]]) -> Measure:
    """The weighted mean of measures; a part without a value leaves the mean without one."""
    parts = [(part, weight) for part, weight in parts if weight]
    used = tuple(question for part, _ in parts for question in part.questions)
    whole = sum((weight for _, weight in parts), Fraction(0))
    statuses = {part.status for part, _ in parts} or {Status.NOT_ASKED}
    missing = statuses - {Status.OK}
    if missing or not whole:
        status = missing.pop() if missing and len(statuses) == 1 else Status.PENDING
        return Measure(what.level, what.code, what.name, status, questions=used)
    total = sum((weight * (part.value or Fraction(0)) for part, weight in parts), Fraction(0))
    n = min(part.n for part, _ in parts)
    return Measure(what.level, what.code, what.name, Status.OK, n, total / whole, questions=used)


def mean_of(parts: Iterable[Measure]) -> Measure:
    """The unweighted mean of those measures that have a value."""
    what = Labelled(Level.OVERALL, "overall", OVERALL)
    return mean(what, [(part, ONE) for part in parts if part.status is Status.OK])


Summary = Callable[[Kernel, Labelled, Questions, Base], Measure]


def of_questions(kernel: Kernel, what: Labelled, questions: Questions, base: Base) -> Measure:
    """The unweighted mean of the questions."""
    used = components(kernel, questions)
    if not used:
        return pool(kernel, what, questions, base)
    groups = by_question(used)
    return mean(what, [(pool(kernel, what, group, base), ONE) for group in groups])


def _of_criteria(weigh: Callable[[QuestionTally], Fraction]) -> Summary:
    def summary(kernel: Kernel, what: Labelled, questions: Questions, base: Base) -> Measure:
        used = components(kernel, questions)
        if not used:
            return pool(kernel, what, questions, base)
        groups = by_criterion(used).values()
        return mean(what, [(pool(kernel, what, group, base), weigh(group[0])) for group in groups])

    return summary


of_criteria = _of_criteria(lambda _question: ONE)
of_weighted_criteria = _of_criteria(lambda question: question.criterion.weight)


def of_overall_question(
    kernel: Kernel, what: Labelled, questions: Questions, base: Base
) -> Measure:
    """The one overall question, pooled over the surveys."""
    return pool(kernel, what, [question for question in questions if question.overall], base)
