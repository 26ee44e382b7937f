"""Tallies: how often each option was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.domain.questionnaire import Criterion, Question, Questionnaire

# The form itself is counted as the answer to question 0: its number is the number of forms.
FORM = (0, 0)


@dataclass(frozen=True)
class QuestionTally:
    """How often each option of one question was chosen on the forms of one survey.

    `counts` is aligned to the options of the question.
    """

    survey: str
    questionnaire: str
    criterion: Criterion
    question: Question
    overall: bool
    counts: tuple[int, ...]
    forms: int

    @cached_property
    def answers(self) -> int:
        """Answers that count; "does not apply" is none."""
        return sum(
            count
            for option, count in zip(self.question.options, self.counts, strict=True)
            if option.counted
        )

    @cached_property
    def satisfied(self) -> int:
        """Answers by an option that is marked as satisfied."""
        return sum(
            count
            for option, count in zip(self.question.options, self.counts, strict=True)
            if option.satisfied
        )


@dataclass(frozen=True)
class SurveyTally:
    """All counts of one survey: `counts[q][o]` follows the questionnaire's order."""

    survey: str
    questionnaire: Questionnaire
    forms: int
    counts: tuple[tuple[int, ...], ...]

    @cached_property
    def questions(self) -> tuple[QuestionTally, ...]:
        """Each question with its counts, in the order of the form."""
        counts, form = iter(self.counts), self.questionnaire
        return tuple(
            QuestionTally(
                self.survey,
                form.code,
                criterion,
                question,
                question.code == form.overall_question,
                next(counts),
                self.forms,
            )
            for criterion in form.criteria
            for question in criterion.questions
        )


def read(
    survey: str, questionnaire: Questionnaire, cells: Mapping[tuple[int, int], int]
) -> SurveyTally:
    """The tally of a survey from its cells: (question, option), both counted from 1."""
    return SurveyTally(
        survey,
        questionnaire,
        cells.get(FORM, 0),
        tuple(
            tuple(cells.get((q, o), 0) for o in range(1, len(question.options) + 1))
            for q, question in enumerate(questionnaire.questions, 1)
        ),
    )
