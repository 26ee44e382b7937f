"""Where agencies stand: their figures as shown, and their places among their peers."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from app.domain import methods, ranking
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Finding, Terms, judge
from app.domain.formulas import by_criterion, by_question, components
from app.domain.measure import Base, Key, Level, Measure, people, question_key
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
        judge(measure, terms, evidence.targets, evidence.findings, hidden)
        for measure in methods.measures(method, evidence.tallies, level, terms.base)
    ]


def figure(method: Method, terms: Terms, evidence: Evidence, criterion: str) -> Figure:
    """An agency's figure for one criterion, `overall` included."""
    hidden = suppressed(method, terms, evidence.tallies)
    measure = methods.criterion(method, evidence.tallies, criterion, terms.base)
    return judge(measure, terms, evidence.targets, evidence.findings, hidden)


def suppressed(method: Method, terms: Terms, tallies: Sequence[SurveyTally]) -> frozenset[Key]:
    """The agency's criteria and questions that are withheld for the sake of others.

    Whatever the method, an overall share of all answers can be asked for, and the shares of the
    criteria and the questions, whose answers add up to it.
    """
    used = components(method.kernel, [one for tally in tallies for one in tally.questions()])
    whole: Key = (Level.OVERALL, "overall")
    n, sums = {whole: people(used, terms.base)}, []
    criteria = by_criterion(used)
    for code, group in criteria.items():
        parts = {question_key(same[0]): people(same, terms.base) for same in by_question(group)}
        n |= parts | {(Level.CRITERION, code): people(group, terms.base)}
        sums.append(Sum((Level.CRITERION, code), tuple(parts), overlapping=True))
    if not any(0 < size < terms.minimum_n for size in n.values()):
        return frozenset()
    sums.insert(
        0, Sum(whole, tuple((Level.CRITERION, code) for code in criteria), overlapping=True)
    )
    return complements(n, sums, terms.minimum_n)


def shows(
    method: Method, terms: Terms, tallies: Sequence[SurveyTally]
) -> Callable[[QuestionTally], bool]:
    """Tells of a question's counts whether they may be shown by themselves."""
    hidden = suppressed(method, terms, tallies)
    return lambda tally: enough(terms, tally) and question_key(tally) not in hidden


def enough(terms: Terms, tally: QuestionTally) -> bool:
    """Whether the counts are of nobody, or of as many people as may be shown."""
    return not 0 < people((tally,), terms.base) < terms.minimum_n


def breakdown(
    method: Method, terms: Terms, whole: Evidence, level: Level, split: Sequence[Slice]
) -> list[Figure]:
    """The agency's overall figure for each month, channel, counter or procedure.

    Where such figures add up to the one of the whole, none of few people follows from the others.
    """
    measures = [
        replace(
            methods.criterion(method, part.tallies, "overall", terms.base),
            level=level,
            code=part.code,
            name=part.name,
        )
        for part in split
    ]
    hidden: Collection[Key] = ()
    if method.adds_up:
        total = methods.criterion(method, whole.tallies, "overall", terms.base)
        rest: Key = ("rest",)
        n = {one.key: one.n for one in (total, *measures)}
        n[rest] = _people_elsewhere(total, measures, terms.base)
        sums = [Sum(total.key, (*(one.key for one in measures), rest))]
        hidden = complements(n, sums, terms.minimum_n, frozenset({rest}))
    return [
        judge(measure, terms, (), _of_month(whole.findings, measure), hidden)
        for measure in measures
    ]


def _people_elsewhere(total: Measure, parts: Sequence[Measure], base: Base) -> int:
    """How many people the whole rests on beside those of its parts: no counter, for instance."""
    left: Counter[tuple[str, Key]] = Counter()
    for sign, measure in ((1, total), *((-1, part) for part in parts)):
        for one in measure.questions:
            size = one.forms if base is Base.FORMS else one.answers
            left[one.survey, question_key(one)] += sign * size
    most: dict[str, int] = {}
    for (survey, _), size in left.items():
        most[survey] = max(most.get(survey, 0), size)
    return sum(most.values())


def _of_month(findings: Sequence[Finding], measure: Measure) -> list[Finding]:
    """The findings that concern the month; of other slices nothing is known, so all do."""
    return [
        finding
        for finding in findings
        if measure.level is not Level.MONTH or finding.month in {None, measure.code}
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
