"""Where agencies stand: their figures as shown, and their places among their peers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from app.domain import methods, ranking, withholding
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Finding, Target, Terms, judge
from app.domain.formulas import pool
from app.domain.measure import Base, Key, Level, Measure, Status, people, question_key
from app.domain.methods import Method
from app.domain.questionnaire import Text
from app.domain.rank_interval import rank_sets
from app.domain.ranking import Ranked
from app.domain.suppression import Sum, complements
from app.domain.tally import QuestionTally, SurveyTally
from app.domain.withholding import Withheld


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

    @property
    def figures(self) -> dict[str, Figure]:
        """Each peer's figure, ranked or not."""
        return {row.place.agency: row.figure for row in self.rows} | dict(self.unranked)


@dataclass(frozen=True, slots=True)
class Slice:
    """A month, channel, counter or procedure of an agency, with the tallies of its forms."""

    code: str
    name: Text
    tallies: Sequence[SurveyTally]


@dataclass(frozen=True, slots=True)
class Judging:
    """By what the measures of an agency, or of a slice of it, are judged."""

    method: Method
    terms: Terms
    withheld: Withheld
    findings: Sequence[Finding]


def figures(method: Method, terms: Terms, evidence: Evidence, level: Level) -> list[Figure]:
    """An agency's figures at a level, in the order of the forms."""
    withheld = withholding.of(evidence.tallies, terms.minimum_n)
    judging = Judging(method, terms, withheld, evidence.findings)
    return [
        _judged(measure, judging, evidence.targets)
        for measure in methods.measures(method, evidence.tallies, level, terms.base)
    ]


def figure(method: Method, terms: Terms, evidence: Evidence, criterion: str) -> Figure:
    """An agency's figure for one criterion, `overall` included."""
    withheld = withholding.of(evidence.tallies, terms.minimum_n)
    measure = methods.criterion(method, evidence.tallies, criterion, terms.base)
    return _judged(measure, Judging(method, terms, withheld, evidence.findings), evidence.targets)


def _judged(measure: Measure, found: Judging, targets: Sequence[Target]) -> Figure:
    """The figure to show for a measure."""
    hidden = () if _allowed(measure, found) else {measure.key}
    return judge(measure, found.terms, targets, found.findings, hidden)


def _allowed(measure: Measure, found: Judging) -> bool:
    """Whether it gives nothing away: of all forms a share may be, and yet be of few answers."""
    rests_on = (measure.questions, *(part.measure.questions for part in measure.parts))
    return all(_enough(found.terms, own) for own in rests_on) and found.withheld.allows(
        found.method.kernel, measure
    )


def withheld_criteria(method: Method, terms: Terms, evidence: Evidence) -> list[str]:
    """The criteria whose figures are withheld."""
    shown = figures(method, terms, evidence, Level.CRITERION)
    return [one.measure.code for one in shown if one.status in {Status.TOO_FEW, Status.SUPPRESSED}]


def _enough(terms: Terms, questions: Sequence[QuestionTally]) -> bool:
    """Whether nobody answered, or as many people as may be shown."""
    return not 0 < people(questions, Base.ANSWERS) < terms.minimum_n


def shows(terms: Terms, tallies: Sequence[SurveyTally]) -> Callable[[QuestionTally], bool]:
    """Tells of a question's counts whether they may be shown by themselves."""
    hidden = withholding.of(tallies, terms.minimum_n).questions
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
    judgings = [
        Judging(
            method,
            terms,
            withholding.of(one.tallies, terms.minimum_n),
            _of_slice(whole.findings, measure),
        )
        for one, measure in zip(slices, measures, strict=True)
    ]
    pairs = list(zip(measures, judgings, strict=True))
    closed = {measure.key for measure, judging in pairs if not _allowed(measure, judging)}
    total = _answered(adding, whole.tallies)
    closed |= _suppressed_parts(total, parts, closed, terms.minimum_n)
    return [
        judge(measure, terms, (), judging.findings, closed & {measure.key})
        for measure, judging in pairs
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
    whole: Sequence[QuestionTally],
    parts: Mapping[Key, Sequence[QuestionTally]],
    closed: AbstractSet[Key],
    minimum_n: int,
) -> frozenset[Key]:
    """The parts that are withheld for the sake of others; the whole is shown.

    Those in `closed` are withheld already: they must follow no more than if they were of few.
    """
    total, rest = "total", "rest"
    n = {part: people(questions, Base.ANSWERS) for part, questions in parts.items()}
    n |= {part: min(n[part], minimum_n - 1) for part in closed}
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
