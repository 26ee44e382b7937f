"""An agency's overall figure by month, channel, counter or procedure; few are not given away.

Whoever asks for everything, by every method, may learn of a shown part how each question was
answered, but for questions of few people, which are told only together with another one. So this
is taken as known, and what is left must not follow. (Source for the graph: Gusfield, A graph
theoretic approach to data security, SIAM Journal on Computing 17 (1988): a cell of a table whose
sums are known follows from them if and only if its edge is a bridge.)
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from app.domain import methods, withholding
from app.domain.bridges import Edge, Node, bridges, connected
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Finding, Terms, judge
from app.domain.measure import Base, Key, Level, Measure, people, question_key
from app.domain.methods import Method
from app.domain.questionnaire import Text
from app.domain.standing import Judging, allowed, judging
from app.domain.tally import QuestionTally, SurveyTally
from app.domain.withholding import Withheld

Questions = Sequence[QuestionTally]

# Whatever is not shown, of all parts together, and of the forms that belong to none.
HIDDEN: Node = ("hidden",)


@dataclass(frozen=True, slots=True)
class Slice:
    """A month, channel, counter or procedure of an agency, with the tallies of its forms."""

    code: str
    name: Text
    tallies: Sequence[SurveyTally]


def breakdown(
    method: Method, terms: Terms, whole: Evidence, level: Level, split: Sequence[Slice]
) -> list[Figure]:
    """The agency's overall figure for each slice; none of few people follows from all the others.

    Which are withheld for the sake of others is the same by every method.
    """
    pairs = [_of_slice(method, terms, whole, level, one) for one in split]
    closed = _closed(whole, {measure.key: by for measure, by in pairs}, terms.minimum_n)
    closed |= {measure.key for measure, by in pairs if not allowed(measure, by)}
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


def _may_concern(finding: Finding, measure: Measure) -> bool:
    """Whether a finding may concern a slice.

    A sheet is of a month and of some channel; of counters and procedures its forms say nothing.
    """
    return (
        measure.level is Level.CHANNEL
        or finding.month is None
        or (measure.level, measure.code) == (Level.MONTH, finding.month)
    )


Place = tuple[str, Key]  # a question of a survey


@dataclass(frozen=True, slots=True)
class _Part:
    """A part's questions that somebody answered, and how they may be told."""

    answered: Mapping[Place, QuestionTally]
    alone: frozenset[Key]  # of few people, and hidden by no sum: never told
    sums: Sequence[tuple[Place, ...]]  # told together only

    @classmethod
    def of(cls, tallies: Sequence[SurveyTally], withheld: Withheld, minimum_n: int) -> "_Part":
        asked = {
            (one.survey, question_key(one)): one
            for tally in tallies
            for one in tally.questions
            if one.answers
        }
        lumps = [lump for held in withheld.together.values() for lump in held]
        alone = withheld.questions.difference(*lumps)
        # Where surveys share a question, few of one are told with the others of it.
        few = dict.fromkeys(key for (_, key), one in asked.items() if _size([one]) < minimum_n)
        lumps += [frozenset({key}) for key in few if key not in withheld.questions]
        sums = dict.fromkeys(tuple(place for place in asked if place[1] in one) for one in lumps)
        order = {place: number for number, place in enumerate(asked)}
        return cls(asked, alone, sorted(sums, key=lambda told: [order[one] for one in told]))

    def told(self) -> dict[Place, QuestionTally]:
        """The questions that figures of the part rest on."""
        return {place: one for place, one in self.answered.items() if place[1] not in self.alone}


def _size(asked: Questions) -> int:
    return people(asked, Base.ANSWERS)


def _closed(whole: Evidence, found: Mapping[Key, Judging], minimum_n: int) -> set[Key]:
    """The parts that no method may show for the sake of others."""
    total = _Part.of(whole.tallies, withholding.of(whole.tallies, minimum_n), minimum_n)
    shown = {
        part: _Part.of(by.evidence.tallies, by.withheld, minimum_n) for part, by in found.items()
    }
    while (part := _next(total, shown, minimum_n)) is not None:
        del shown[part]
    return set(found) - set(shown)


def _next(total: _Part, shown: Mapping[Key, _Part], minimum_n: int) -> Key | None:
    """The part to withhold next: the smallest that was asked what is given away, if any is."""
    for places in _given_away(total, shown, minimum_n):
        near = {
            part: [one for place, one in own.told().items() if place in places]
            for part, own in shown.items()
        }
        hiding = [part for part, asked in near.items() if asked]
        if hiding:
            return min(hiding, key=lambda part: _size(near[part]))  # of equals the first
    return None


def _given_away(
    total: _Part, shown: Mapping[Key, _Part], minimum_n: int
) -> Iterator[AbstractSet[Place]]:
    """Questions of which the answers of few people follow."""
    hidden = _hidden(total, shown)
    # Over all surveys, and by survey: what is vague in the one sum may be clear in the other.
    for columns in (_columns(total), _columns(total, by_survey=True)):
        edges = list(_edges(columns, shown, hidden))
        for edge in bridges(edges):
            if edge.weight < minimum_n:
                yield {place for place, column in columns.items() if column in edge.ends}
        for group in connected({*edge.ends} - {HIDDEN} for edge in edges):
            left = {place: n for place, n in hidden.items() if columns[place] in group}
            if 0 < _people(left) < minimum_n:
                yield left.keys()


def _hidden(total: _Part, shown: Mapping[Key, _Part]) -> dict[Place, int]:
    """How many people answered each question of each survey who are in no shown part."""
    answers, forms = Counter[Place](), Counter[Place]()
    for sign, told in ((1, total.answered), *((-1, part.told()) for part in shown.values())):
        for place, one in told.items():
            answers[place] += sign * one.answers
            forms[place] += sign * one.forms
    return {place: min(n, forms[place]) for place, n in answers.items() if n}


def _people(answers: Mapping[Place, int]) -> int:
    """How many people gave them: one person answers several questions of a survey."""
    most: dict[str, int] = {}
    for (survey, _), n in answers.items():
        most[survey] = max(most.get(survey, 0), n)
    return sum(most.values())


def _columns(total: _Part, *, by_survey: bool = False) -> dict[Place, Node]:
    """In which sum over all parts a question is told."""
    columns: dict[Place, Node] = {
        place: ("question", place if by_survey else place[1]) for place in total.answered
    }
    columns |= {place: ("sum", lump) for lump in total.sums for place in lump}
    return columns | {place: HIDDEN for place in columns if place[1] in total.alone}


def _edges(
    columns: Mapping[Place, Node], shown: Mapping[Key, _Part], hidden: Mapping[Place, int]
) -> Iterator[Edge]:
    """The answers that are not known by themselves, each between the two sums that hold them."""
    cells: dict[tuple[Node, Node], dict[Place, int]] = {}
    for place, n in hidden.items():
        cells.setdefault((HIDDEN, columns[place]), {})[place] = n
    for part, own in shown.items():
        for told in own.sums:
            for place in told:
                n = _size([own.answered[place]])
                cells.setdefault(((part, told), columns[place]), {})[place] = n
    for ends, answers in cells.items():
        yield Edge(ends, _people(answers))
