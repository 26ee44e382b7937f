"""Where agencies stand: their figures as shown, and their places among their peers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from app.domain import methods, ranking
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Finding, Target, Terms, judge
from app.domain.formulas import Kernel, by_criterion, by_question, components, pool
from app.domain.measure import Base, Key, Level, Measure, Status, people, question_key
from app.domain.methods import Method
from app.domain.questionnaire import Text
from app.domain.rank_interval import rank_sets
from app.domain.ranking import Ranked
from app.domain.suppression import Sum, complements
from app.domain.tally import QuestionTally, SurveyTally


@dataclass(frozen=True, slots=True)
class Standing:
    """An agency's figure and its place; `low` to `high` holds its true rank (rank_interval).

    `gap_to_next` is what it lacks, in percentage points, to the value of the next better rank.
    """

    place: Ranked
    figure: Figure
    low: int | None
    high: int | None
    gap_to_next: Fraction | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """A peer group ranked, and the peers without a value."""

    rows: tuple[Standing, ...]
    unranked: tuple[tuple[str, Figure], ...]
    printed: bool  # whether the ranks are a source's


@dataclass(frozen=True, slots=True)
class Slice:
    """A month, channel, counter or procedure of an agency, with the tallies of its forms."""

    code: str
    name: Text
    tallies: Sequence[SurveyTally]


def figures(method: Method, terms: Terms, evidence: Evidence, level: Level) -> list[Figure]:
    """An agency's figures at a level, in the order of the forms."""
    hidden = suppressed(method, terms, evidence.tallies)
    return [
        _judged(measure, terms, evidence.targets, evidence.findings, hidden)
        for measure in methods.measures(method, evidence.tallies, level, terms.base)
    ]


def figure(method: Method, terms: Terms, evidence: Evidence, criterion: str) -> Figure:
    """An agency's figure for one criterion, `overall` included."""
    hidden = suppressed(method, terms, evidence.tallies)
    measure = methods.criterion(method, evidence.tallies, criterion, terms.base)
    return _judged(measure, terms, evidence.targets, evidence.findings, hidden)


def _judged(
    measure: Measure,
    terms: Terms,
    targets: Sequence[Target],
    findings: Sequence[Finding],
    hidden: frozenset[Key],
) -> Figure:
    """The figure to show for a measure; a mean is withheld where one of its parts is.

    So is a share of all forms that few answered, as the same answers make it, and what has no value
    but would show the options of a question that is withheld.
    """
    behind = {measure.key, *(part.measure.key for part in measure.parts)}
    if measure.status is Status.EXEMPT:
        behind |= {question_key(one) for one in measure.questions}
    rests_on = (measure.questions, *(part.measure.questions for part in measure.parts))
    if behind & hidden or not all(_enough(terms, questions) for questions in rests_on):
        hidden = frozenset({measure.key})
    return judge(measure, terms, targets, findings, hidden)


def _enough(terms: Terms, questions: Sequence[QuestionTally]) -> bool:
    """Whether nobody answered, or as many people as may be shown."""
    return not 0 < people(questions, Base.ANSWERS) < terms.minimum_n


def suppressed(method: Method, terms: Terms, tallies: Sequence[SurveyTally]) -> frozenset[Key]:
    """The agency's criteria and questions that are withheld for the sake of others.

    Whatever the method, an overall share of all answers can be asked for, and the shares of the
    criteria and the questions, whose answers add up to it. A question that one method withholds all
    withhold, as the counts of its options tell the figure of each.
    """
    questions = [one for tally in tallies for one in tally.questions()]
    if all(_enough(terms, (one,)) for one in questions):
        return frozenset()  # together they are no fewer
    n: dict[Key, int] = {}
    sums = []
    for kernel in {known.kernel for known in methods.METHODS.values()}:
        for whole, *parts in _splits(kernel, questions):
            n |= {cell: people(own, Base.ANSWERS) for cell, own in (whole, *parts)}
            sums.append(Sum(whole[0], tuple(cell for cell, _ in parts), overlapping=True))
    hidden = complements(n, sums, terms.minimum_n)
    criteria = by_criterion(questions)
    return frozenset(
        {(Level.CRITERION, code) for code in criteria if (method.kernel, code) in hidden}
        | {question_key(one) for one in questions if question_key(one) in hidden}
    )


Cell = tuple[Key, Sequence[QuestionTally]]


def _splits(kernel: Kernel, questions: Sequence[QuestionTally]) -> Iterator[list[Cell]]:
    """How answers add up by a method: a whole and its parts, each with its questions."""
    used = components(kernel, questions)
    criteria = [((kernel, code), group) for code, group in by_criterion(used).items()]
    yield [(kernel, used), *criteria]
    for criterion, group in criteria:
        yield [(criterion, group), *((question_key(one[0]), one) for one in by_question(group))]


def shows(
    method: Method, terms: Terms, tallies: Sequence[SurveyTally]
) -> Callable[[QuestionTally], bool]:
    """Tells of a question's counts whether they may be shown by themselves."""
    hidden = suppressed(method, terms, tallies)
    return lambda tally: _enough(terms, (tally,)) and question_key(tally) not in hidden


def breakdown(
    method: Method, terms: Terms, whole: Evidence, level: Level, split: Sequence[Slice]
) -> list[Figure]:
    """The agency's overall figure for each month, channel, counter or procedure.

    None of few people follows from the others and the figure of the whole. That goes for methods
    whose figures do not add up as well, because a share of all answers can be asked for.
    """
    slices = [replace(one, tallies=_as_asked(whole.tallies, one.tallies)) for one in split]
    measures = [
        replace(
            methods.criterion(method, one.tallies, "overall", terms.base),
            level=level,
            code=one.code,
            name=one.name,
        )
        for one in slices
    ]
    adding = method if method.adds_up else replace(method, overall=pool)
    parts: dict[Key, Sequence[QuestionTally]] = {
        (level, one.code): _answered(adding, one.tallies) for one in slices
    }
    hidden = _suppressed_parts(_answered(adding, whole.tallies), parts, terms.minimum_n)
    return [
        _judged(measure, terms, (), _of_slice(whole.findings, measure), hidden)
        for measure in measures
    ]


def _as_asked(whole: Sequence[SurveyTally], part: Sequence[SurveyTally]) -> tuple[SurveyTally, ...]:
    """The tallies of a part, with empty ones of the surveys that were asked in other parts only."""
    held = {one.survey: one for one in part}
    return tuple(
        held.get(one.survey)
        or replace(one, forms=0, counts=tuple((0,) * len(row) for row in one.counts))
        for one in whole
    )


def _answered(method: Method, tallies: Sequence[SurveyTally]) -> Sequence[QuestionTally]:
    """The questions that the overall figure pools."""
    return methods.criterion(method, tallies, "overall", Base.ANSWERS).questions


def _suppressed_parts(
    whole: Sequence[QuestionTally], parts: Mapping[Key, Sequence[QuestionTally]], minimum_n: int
) -> frozenset[Key]:
    """The parts that are withheld for the sake of others; the whole is shown."""
    total, rest = "total", "rest"
    n = {part: people(questions, Base.ANSWERS) for part, questions in parts.items()}
    n[total] = people(whole, Base.ANSWERS)
    n[rest] = _people_elsewhere(whole, parts.values())
    return complements(n, [Sum(total, (*parts, rest))], minimum_n, frozenset({rest}))


def _people_elsewhere(
    whole: Sequence[QuestionTally], parts: Iterable[Sequence[QuestionTally]]
) -> int:
    """How many people the whole rests on beside those of its parts: no counter, for instance."""
    answers, forms = Counter[tuple[str, Key]](), Counter[tuple[str, Key]]()
    for sign, questions in ((1, whole), *((-1, part) for part in parts)):
        for one in questions:
            answers[one.survey, question_key(one)] += sign * one.answers
            forms[one.survey, question_key(one)] += sign * one.forms
    most: dict[str, int] = {}
    for (survey, question), left in answers.items():
        most[survey] = max(most.get(survey, 0), min(left, forms[survey, question]))
    return sum(most.values())


def _of_slice(findings: Sequence[Finding], measure: Measure) -> list[Finding]:
    """The findings that may concern a slice.

    A sheet is of a month and of some channel; of counters and procedures its forms say nothing.
    """
    if measure.level is Level.CHANNEL:
        return list(findings)
    return [
        finding
        for finding in findings
        if finding.month is None or (measure.level, measure.code) == (Level.MONTH, finding.month)
    ]


def rank(shown: Mapping[str, Figure], printed: Mapping[str, int] | None = None) -> Ranking:
    """The agencies' places by their exact values; where a source printed ranks, those instead."""
    values = {
        agency: one.measure.value for agency, one in shown.items() if one.measure.value is not None
    }
    places = ranking.printed(values, printed) if printed else ranking.rank(values)
    leaves = [shown[place.agency].measure.leaves for place in places]
    sets: Sequence[tuple[int | None, int | None]] = [(None, None)] * len(places)
    if not printed and all(leaves):
        sets = rank_sets(leaves)
    return Ranking(
        tuple(
            Standing(place, shown[place.agency], low, high, gap)
            for place, (low, high), gap in zip(places, sets, _gaps(places), strict=True)
        ),
        tuple((agency, one) for agency, one in shown.items() if agency not in values),
        printed=bool(printed),
    )


def _gaps(places: Sequence[Ranked]) -> list[Fraction | None]:
    """For each place what its value lacks to the least one that is better."""
    values = sorted({place.value for place in places})
    next_better = dict(pairwise(values))
    return [
        next_better[place.value] - place.value if place.value in next_better else None
        for place in places
    ]
