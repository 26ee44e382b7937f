"""Which questions of an agency are withheld, and which of its figures still may be shown.

A question of few people is withheld, and with it one of enough people on the same scale. Where a
figure rests on both, only the sum of their counts can follow from it, whatever the method: the two
are as one question of enough people. A figure that rests on some of the withheld questions and not
on all is withheld itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.formulas import LEVEL, OF_MAXIMUM, SATISFIED, Kernel, by_question, components
from app.domain.measure import Base, Key, Measure, people, question_key
from app.domain.questionnaire import Question
from app.domain.tally import QuestionTally, SurveyTally

KERNELS = (SATISFIED, LEVEL, OF_MAXIMUM)

Scale = tuple[tuple[int | None, bool], ...]


class Asked(NamedTuple):
    """A question of a form, pooled over the surveys that share it."""

    key: Key
    n: int
    scale: Scale
    criterion: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """The withheld questions, and for each kernel the sets that its figures may hold as a whole."""

    questions: frozenset[Key]
    together: Mapping[Kernel, Sequence[frozenset[Key]]]

    def allows(self, kernel: Kernel, measure: Measure) -> bool:
        """Whether the figure gives no withheld question away."""
        if measure.parts:
            return all(self.allows(kernel, part.measure) for part in measure.parts)
        within = self.questions & {question_key(one) for one in measure.questions}
        if not within:
            return True
        whole = [lump for lump in self.together[kernel] if lump <= within]
        return measure.ratio is not None and within == frozenset().union(*whole)


def of(tallies: Sequence[SurveyTally], minimum_n: int) -> Withheld:
    """What is withheld of an agency's answers."""
    questions = [one for tally in tallies for one in tally.questions]
    asked = {one.key: one for one in map(_asked, by_question(questions)) if one.n}
    few = {key for key, one in asked.items() if one.n < minimum_n}
    if not few:
        return Withheld(frozenset(), dict.fromkeys(KERNELS, ()))
    pools = [
        (kernel, [asked[key] for key in keys if key in asked]) for kernel, keys in _pools(questions)
    ]
    taken: set[Key] = set()
    for _, pool in pools:
        for scale in dict.fromkeys(one.scale for one in pool if one.key in few):
            same = [one for one in pool if one.scale == scale]
            if not taken & {one.key for one in same}:
                taken |= _companion(same, few)
    hidden = frozenset(few | taken)
    together: dict[Kernel, list[frozenset[Key]]] = {kernel: [] for kernel in KERNELS}
    for kernel, pool in pools:
        lump = [one for one in pool if one.key in hidden]
        for scale in {one.scale for one in lump}:
            alike = frozenset(one.key for one in lump if one.scale == scale)
            if len(alike) > 1 and alike - few:
                together[kernel].append(alike)
    return Withheld(hidden, together)


def _asked(same: Sequence[QuestionTally]) -> Asked:
    first = same[0]
    n = people(same, Base.ANSWERS)
    return Asked(question_key(first), n, _scale(first.question), first.criterion.code)


def _scale(question: Question) -> Scale:
    """What the options that count mean to any method, whatever they are called."""
    return tuple((one.score, one.satisfied) for one in question.options if one.counted)


def _pools(questions: Sequence[QuestionTally]) -> Iterator[tuple[Kernel, list[Key]]]:
    """For each kernel the questions that are added up, and the overall questions by themselves."""
    for kernel in KERNELS:
        used = [question_key(one) for one in components(kernel, questions)]
        apart = [
            question_key(one)
            for one in questions
            if one.overall and kernel.applies(one) and question_key(one) not in used
        ]
        yield kernel, used
        yield kernel, apart


def _companion(same: Sequence[Asked], few: set[Key]) -> set[Key]:
    """The question to withhold beside the few: of their criterion if there is one, the smallest."""
    criteria = {one.criterion for one in same if one.key in few}
    enough = [one for one in same if one.key not in few]
    if not enough:
        return set()
    return {min(enough, key=lambda one: (one.criterion not in criteria, one.n)).key}
