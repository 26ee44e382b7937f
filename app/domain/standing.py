"""Where agencies stand: their figures as shown, and their places among their peers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from app.domain import methods, ranking, withholding
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Terms, judge
from app.domain.measure import Base, Level, Measure, Ratio, Status, people, question_key
from app.domain.methods import Method
from app.domain.questionnaire import Text
from app.domain.rank_interval import rank_sets
from app.domain.ranking import Ranked
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
    hidden = () if allowed(measure, by) else {measure.key}
    return judge(measure, by.terms, by.evidence.targets, by.evidence.findings, hidden)


def allowed(measure: Measure, by: Judging) -> bool:
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
    """Tells of a question's counts in one survey whether they may be shown by themselves.

    Where few answered it in another survey, they would follow from the question over all surveys.
    """
    asked = [question for tally in tallies for question in tally.questions]
    hidden = withholding.of(tallies, terms.minimum_n).questions
    hidden |= {question_key(one) for one in asked if not _enough(terms, (one,))}
    return lambda tally: question_key(tally) not in hidden


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


def added_up(ranking: Ranking, criterion: str, name: Text) -> Measure | None:
    """The ranked rows together, so that nothing follows but what they say; None of means."""
    measures = [row.figure.measure for row in ranking.rows]
    ratios = [measure.ratio for measure in measures if measure.ratio is not None]
    if not measures or len(ratios) < len(measures):
        return None
    ratio = sum(ratios, Ratio())
    level = Level.OVERALL if criterion == "overall" else Level.CRITERION
    n = sum(measure.n for measure in measures)
    value = 100 * ratio.numerator / ratio.denominator
    return Measure(level, criterion, name, Status.OK, n, value, ratio)


def _gaps(places: Sequence[Ranked]) -> list[Fraction | None]:
    """For each place what its value lacks to the least one that is better."""
    values = sorted({place.value for place in places})
    next_better = dict(pairwise(values))
    return [
        next_better[place.value] - place.value if place.value in next_better else None
        for place in places
    ]
