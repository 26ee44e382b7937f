"""Where agencies stand: their figures as shown, and their places among their peers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from app.domain import methods, ranking, withholding
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Finding, Terms, judge
from app.domain.formulas import pool
from app.domain.measure import Base, Key, Level, Measure, Status, people, question_key
from app.domain.methods import Method
from app.domain.questionnaire import Text
from app.domain.rank_interval import rank_sets
from app.domain.ranking import Ranked
from app.domain.suppression import complements
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
    evidence: Evidence
    withheld: Withheld


def judging(method: Method, terms: Terms, evidence: Evidence) -> Judging:
    """How an agency is judged; worth keeping for all its figures."""
    withheld = withholding.of(evidence.tallies, terms.minimum_n)
    return Judging(method, terms, evidence, withheld)


def figures(by: Judging, level: Level) -> list[Figure]:
    """An agency's figures at a level, in the order of the forms."""
    measures = methods.measures(by.method, by.evidence.tallies, level, by.terms.base)
    return [_judged(measure, by) for measure in measures]


def figure(by: Judging, criterion: str) -> Figure:
    """An agency's figure for one criterion, `overall` included."""
    return _judged(methods.criterion(by.method, by.evidence.tallies, criterion, by.terms.base), by)


def _judged(measure: Measure, by: Judging) -> Figure:
    """The figure to show for a measure."""
    hidden = () if _allowed(measure, by) else {measure.key}
    return judge(measure, by.terms, by.evidence.targets, by.evidence.findings, hidden)


def _allowed(measure: Measure, by: Judging) -> bool:
    """Whether it gives nothing away: of all forms a share may be, and yet be of few answers."""
    rests_on = (measure.questions, *(part.measure.questions for part in measure.parts))
    return all(_enough(by.terms, own) for own in rests_on) and by.withheld.allows(
        by.method.kernel, measure
    )


def withheld_criteria(by: Judging) -> list[str]:
    """The criteria whose figures are withheld."""
    shown = figures(by, Level.CRITERION)
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
    pairs = [_of_slice(method, terms, whole, level, one) for one in split]
    # What goes along is the same by every method, or one would show what another withholds.
    adding = method if method.adds_up else replace(method, overall=pool)
    pooled = {measure.key: _pooled(adding, by.evidence) for measure, by in pairs}
    closed = {measure.key for measure, by in pairs if not _allowed(pooled[measure.key], by)}
    parts = {part: own.questions for part, own in pooled.items()}
    total = _pooled(adding, whole).questions
    groups = _apart(parts.values(), judging(method, terms, whole).withheld.together[method.kernel])
    for asked in [*groups, {question_key(one) for one in total}]:
        own = {part: _of(asked, questions) for part, questions in parts.items()}
        n = {part: people(questions, Base.ANSWERS) for part, questions in own.items()}
        rest = _people_elsewhere(_of(asked, total), own.values())
        closed |= complements(n, rest, terms.minimum_n, closed)
    closed |= {measure.key for measure, by in pairs if not _allowed(measure, by)}
    return [
        judge(measure, terms, (), by.evidence.findings, closed & {measure.key})
        for measure, by in pairs
    ]


def _of_slice(
    method: Method, terms: Terms, whole: Evidence, level: Level, own: Slice
) -> tuple[Measure, Judging]:
    """The overall measure of a slice, and by what it is judged."""
    tallies = _as_asked(whole.tallies, own.tallies)
    measure = methods.criterion(method, tallies, "overall", terms.base)
    measure = replace(measure, level=level, code=own.code, name=own.name)
    findings = tuple(one for one in whole.findings if _may_concern(one, measure))
    return measure, judging(method, terms, replace(whole, tallies=tallies, findings=findings))


def _as_asked(whole: Sequence[SurveyTally], part: Sequence[SurveyTally]) -> tuple[SurveyTally, ...]:
    """The tallies of a part, with empty ones of the surveys that were asked in other parts only."""
    held = {one.survey: one for one in part}
    return tuple(
        held.get(one.survey)
        or replace(one, forms=0, counts=tuple((0,) * len(row) for row in one.counts))
        for one in whole
    )


def _pooled(method: Method, evidence: Evidence) -> Measure:
    """The overall figure of the answers."""
    return methods.criterion(method, evidence.tallies, "overall", Base.ANSWERS)


def _apart(
    parts: Iterable[Sequence[QuestionTally]], together: Iterable[AbstractSet[Key]]
) -> list[set[Key]]:
    """The questions in groups, so that no part has answers to questions of two of them.

    The figures of the whole tell each group by itself, as single questions are shown, too; except
    where some are shown only `together`. So parts of different groups do not hide one another.
    """
    groups: list[set[Key]] = []
    answered = [{question_key(one) for one in part if one.answers} for part in parts]
    for linked in [*map(set, together), *answered]:
        near = [group for group in groups if group & linked]
        groups = [group for group in groups if group not in near] + [linked.union(*near)]
    return groups


def _of(asked: AbstractSet[Key], questions: Sequence[QuestionTally]) -> list[QuestionTally]:
    return [one for one in questions if question_key(one) in asked]


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


def _may_concern(finding: Finding, measure: Measure) -> bool:
    """Whether a finding may concern a slice.

    A sheet is of a month and of some channel; of counters and procedures its forms say nothing.
    """
    return (
        measure.level is Level.CHANNEL
        or finding.month is None
        or (measure.level, measure.code) == (Level.MONTH, finding.month)
    )


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
