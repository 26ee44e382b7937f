"""Questionnaires: criteria > questions > options, and whether answers fit them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any

from app.domain.errors import AnswersInvalidError, Fault, InvalidError

FIVE_LEVELS = {1, 2, 3, 4, 5}
BEST_TWO = {4, 5}
FEWEST_OPTIONS = 2

Text = Mapping[str, str]  # {"vi": …, "en": …}, Vietnamese always there


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that can be ticked. An option not `counted` stays out of every denominator."""

    code: str
    label: Text
    score: int | None
    satisfied: bool
    counted: bool


@dataclass(frozen=True)
class Question:
    """A question and its options, in the order printed on the form."""

    code: str
    text: Text
    options: tuple[Option, ...]

    @cached_property
    def scale(self) -> tuple[tuple[str, int | None, bool, bool], ...]:
        """What the options mean, whatever their wording; only equal scales can be pooled."""
        return tuple((o.code, o.score, o.satisfied, o.counted) for o in self.options)

    @cached_property
    def rated(self) -> bool:
        """Whether the options say what counts as satisfied; a number of visits does not."""
        return any(option.satisfied for option in self.options)

    @cached_property
    def scored(self) -> bool:
        """Whether every counted option has points, and not all the same."""
        scores = {option.score for option in self.options if option.counted}
        return None not in scores and len(scores) >= FEWEST_OPTIONS


@dataclass(frozen=True, slots=True)
class Criterion:
    """A group of questions for which one index is published."""

    code: str
    name: Text
    weight: Fraction
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """One immutable version of a form."""

    code: str
    version: int
    title: Text
    criteria: tuple[Criterion, ...]
    overall_question: str | None

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions in the order of the form; answers and tallies are aligned to it."""
        return tuple(question for criterion in self.criteria for question in criterion.questions)

    @property
    def layout(self) -> tuple[int, ...]:
        """Where a tally's counts of each question begin, and at last how many counts there are.

        The first count is of the forms; the one of question q's option o, both from 1, is at
        layout[q] + o, all counted from 1.
        """
        return tuple(accumulate((len(q.options) for q in self.questions), initial=1))

    @property
    def places(self) -> dict[str, dict[str, int]]:
        """For each question, in the order of the form, the place of each option from 1."""
        return {
            question.code: {option.code: place for place, option in enumerate(question.options, 1)}
            for question in self.questions
        }


def positions(
    places: Mapping[str, Mapping[str, int]], answers: Mapping[str, str]
) -> tuple[int, ...]:
    """For each question the place of the ticked option from 1, or 0 where none is ticked.

    `places` is a questionnaire's. Raises AnswersInvalidError naming every answer that does not fit.
    """
    ticked = tuple([options.get(answers.get(code, ""), 0) for code, options in places.items()])
    if answers and len(ticked) - ticked.count(0) == len(answers):
        return ticked  # every answer has found its place
    faults = [
        Fault(f"/answers/{question}", "unknown-question")
        if question not in places
        else Fault(f"/answers/{question}", "unknown-option")
        for question, option in answers.items()
        if option not in places.get(question, {})
    ]
    if not answers:
        faults.append(Fault("/answers", "no-answers"))
    raise AnswersInvalidError(*faults)


def read(code: str, version: int, document: Mapping[str, Any]) -> Questionnaire:
    """The questionnaire that a document describes; raises InvalidError naming every fault."""
    questionnaire = Questionnaire(
        code,
        version,
        document["title"],
        tuple(_criterion(criterion) for criterion in document["criteria"]),
        document.get("overall_question"),
    )
    if faults := list(_faults(questionnaire)):
        raise InvalidError(*faults)
    return questionnaire


def _criterion(document: Mapping[str, Any]) -> Criterion:
    return Criterion(
        document["code"],
        document["name"],
        Fraction(str(document.get("weight", 1))),
        tuple(
            Question(question["code"], question["text"], _options(question["options"]))
            for question in document["questions"]
        ),
    )


def _options(documents: Sequence[Mapping[str, Any]]) -> tuple[Option, ...]:
    """The options; on a 5-level scale that marks none as satisfied, the best two are."""
    counted = [document for document in documents if document.get("counted", True)]
    five_levels = sorted(document.get("score") or 0 for document in counted) == sorted(FIVE_LEVELS)
    unmarked = all(document.get("satisfied") is None for document in documents)
    best = BEST_TWO if five_levels and unmarked else set()
    return tuple(
        Option(
            document["code"],
            document["label"],
            document.get("score"),
            bool(document.get("satisfied")) or document.get("score") in best,
            document.get("counted", True),
        )
        for document in documents
    )


def _faults(questionnaire: Questionnaire) -> Iterator[Fault]:
    questions = Counter(question.code for question in questionnaire.questions)
    criteria = Counter(criterion.code for criterion in questionnaire.criteria)
    for c, criterion in enumerate(questionnaire.criteria):
        at = f"/criteria/{c}"
        if criteria[criterion.code] > 1:
            yield Fault(f"{at}/code", "duplicate-code", {"value": criterion.code})
        for q, question in enumerate(criterion.questions):
            if questions[question.code] > 1:
                yield Fault(f"{at}/questions/{q}/code", "duplicate-code", {"value": question.code})
            yield from _option_faults(f"{at}/questions/{q}/options", question)
    if questionnaire.overall_question is not None:
        yield from _overall_faults(questionnaire)


def _option_faults(at: str, question: Question) -> Iterator[Fault]:
    codes = Counter(option.code for option in question.options)
    for place, option in enumerate(question.options):
        if codes[option.code] > 1:
            yield Fault(f"{at}/{place}/code", "duplicate-code", {"value": option.code})
        if option.satisfied and not option.counted:
            yield Fault(f"{at}/{place}/satisfied", "satisfied-but-not-counted")
    if sum(option.counted for option in question.options) < FEWEST_OPTIONS:
        yield Fault(at, "too-few-options")


def _overall_faults(questionnaire: Questionnaire) -> Iterator[Fault]:
    found = [q for q in questionnaire.questions if q.code == questionnaire.overall_question]
    if not found:
        yield Fault("/overall_question", "unknown-question")
    elif not found[0].rated:
        yield Fault("/overall_question", "overall-question-not-rated")
