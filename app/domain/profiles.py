"""Profiles: what two official regimes make of dossiers, counted otherwise than a share of ratings.

Each number carries the regime it belongs to, and is never mixed with figures of the methods.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import chain

from app.domain.figure import Finding, half_up
from app.domain.measure import Base, Status, people
from app.domain.profile_names import GRADES, INDICES
from app.domain.questionnaire import Option, Question, Questionnaire, Text
from app.domain.tally import SurveyTally

QD766, TT01 = "qd766-dossier@1", "tt01-2018@1"

REGIMES: Mapping[str, Text] = {
    QD766: {
        "vi": "Hồ sơ theo Quyết định số 766/QĐ-TTg",
        "en": "Dossiers according to Decision No. 766/QĐ-TTg",
    },
    TT01: {
        "vi": "Chín chỉ số theo Thông tư số 01/2018/TT-VPCP (giai đoạn 2018–2025)",
        "en": "Nine indices according to Circular No. 01/2018/TT-VPCP (in use 2018–2025)",
    },
}

FEEDBACK_NOT_RECORDED = Finding("feedback-not-recorded", {})


@dataclass(frozen=True, slots=True)
class DossierCounts:
    """The dossiers returned in a period: all, late, badly rated, both of these, and rated."""

    returned: int
    late: int
    dissatisfied: int
    both: int
    rated: int

    @property
    def satisfied(self) -> int:
        """The dossiers that were neither late nor badly rated; unrated ones are among them."""
        return self.returned - self.late - self.dissatisfied + self.both

    @property
    def value(self) -> Fraction | None:
        """The satisfied ones in percent of the returned ones; None while nothing was returned."""
        return Fraction(100 * self.satisfied, self.returned) if self.returned else None


def dissatisfied(questionnaire: Questionnaire) -> Iterator[tuple[int, int]]:
    """The answers that mean "not satisfied", as the places of question and option from 1.

    They are those to the overall question, or to every question where there is none.
    """
    for q, question in enumerate(questionnaire.questions, 1):
        if questionnaire.overall_question in {None, question.code}:
            for o, option in enumerate(question.options, 1):
                if option.counted and _dissatisfied(question, option):
                    yield q, o


def _dissatisfied(question: Question, option: Option) -> bool:
    """Whether the option is below the middle of its scale; without scores, not marked satisfied."""
    if not question.scored:
        return question.rated and not option.satisfied
    scores = [other.score or 0 for other in question.options if other.counted]
    return 2 * (option.score or 0) < min(scores) + max(scores)


ASKED, SELF_SCORED = ("2", "3", "4"), ("5", "6", "8", "9")
POINTS = frozenset({0, 1, 2})


class Source(StrEnum):
    """Where the data of an index come from."""

    DOSSIERS = "dossiers"
    DOSSIERS_AND_COMPLAINTS = "dossiers_and_complaints"
    SURVEYS = "surveys"
    SELF_ASSESSMENT = "self_assessment"


@dataclass(frozen=True, slots=True)
class Timeliness:
    """Returned dossiers: before the day they were due in Vietnam, later but not late, and late."""

    early: int
    on_time: int
    late: int

    @property
    def dossiers(self) -> int:
        """All of them."""
        return self.early + self.on_time + self.late


@dataclass(frozen=True, slots=True)
class SelfAssessment:
    """What an agency enters itself for a period.

    `points` (0 to 2) are for the indices 5, 6, 8 and 9, `counts` for 2, 3 and 4 the numbers of
    dossiers with two, one and no points; `complaints` are the codes of the dossiers about whose
    handling a complaint was found justified.
    """

    points: Mapping[str, int]
    counts: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earned:
    """How many dossiers or answers earned two points, one and none.

    Dossiers complained of earn none either and are counted apart; None where no complaint matters.
    """

    two: int
    one: int
    none: int
    complained: int | None = None

    @property
    def points(self) -> int:
        """What they earned together."""
        return 2 * self.two + self.one

    @property
    def number(self) -> int:
        """All of them, those complained of too."""
        return self.two + self.one + self.none + (self.complained or 0)


@dataclass(frozen=True, slots=True)
class IndexScore:
    """One of the nine: its points are numerator / denominator, 0 to 2.

    The denominator counts dossiers, or answers, or is 1 where the agency is scored as a whole; it
    is 0 without data, and then `source` says where they should come from. `n` is the number of
    people, where the source is surveys. There is no numerator where it is withheld. `earned` is
    what both were counted from; None of an agency scored as a whole.
    """

    number: str
    source: Source
    numerator: int | None
    denominator: int
    n: int | None = None
    earned: Earned | None = None

    @property
    def name(self) -> Text:
        """What it is officially called."""
        return INDICES[self.number]

    @property
    def points(self) -> Decimal | None:
        """The points to one decimal, half up; None without data."""
        if self.numerator is None or not self.denominator:
            return None
        return half_up(Fraction(self.numerator, self.denominator), 1)

    @property
    def status(self) -> Status:
        """Why there are points, or none."""
        if self.points is not None:
            return Status.OK
        return Status.TOO_FEW if self.denominator else Status.PENDING


@dataclass(frozen=True, slots=True)
class Scorecard:
    """An agency's nine indices, and what they add up to once none is missing."""

    indices: tuple[IndexScore, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The numbers of the indices that have no points; never taken as zero."""
        return tuple(index.number for index in self.indices if index.points is None)

    @property
    def total(self) -> Decimal | None:
        """The sum of the nine rounded indices, 0 to 18; None while one is missing."""
        if self.missing:
            return None
        found = [points for index in self.indices if (points := index.points) is not None]
        return sum(found, Decimal(0))

    @property
    def grade(self) -> str | None:
        """The code of the class that the total earns; None without a total."""
        total = self.total
        if total is None:
            return None
        return next(code for code, grade in GRADES.items() if total >= grade.least)


def tt01(
    returned: Timeliness,
    complained: Timeliness,
    tallies: Sequence[SurveyTally],
    assessment: SelfAssessment | None,
) -> Scorecard:
    """The nine indices of TT 01/2018/TT-VPCP, from all returned dossiers and those complained of.

    Without a self-assessment nobody has said whether there were complaints: index 7 is missing.
    """
    said = assessment or SelfAssessment({})
    in_time = Earned(returned.early, returned.on_time, returned.late)
    uncomplained = Earned(
        returned.early - complained.early,
        returned.on_time - complained.on_time,
        returned.late - complained.late,
        complained.dossiers,
    )
    heard = uncomplained if assessment else Earned(0, 0, 0)
    scores = [
        _score("1", Source.DOSSIERS, in_time),
        *(_answered(number, tallies) or _counted(number, said) for number in ASKED),
        *(
            IndexScore(n, Source.SELF_ASSESSMENT, said.points.get(n, 0), int(n in said.points))
            for n in SELF_SCORED
        ),
        _score("7", Source.DOSSIERS_AND_COMPLAINTS, heard),
    ]
    return Scorecard(tuple(sorted(scores, key=lambda score: score.number)))


def _score(number: str, source: Source, earned: Earned, n: int | None = None) -> IndexScore:
    return IndexScore(number, source, earned.points, earned.number, n, earned)


def withhold(card: Scorecard, minimum_n: int) -> Scorecard:
    """The scorecard without the points that rest on fewer people than are ever shown."""
    return Scorecard(
        tuple(
            score if score.n is None or score.n >= minimum_n else replace(score, numerator=None)
            for score in card.indices
        )
    )


def _answered(number: str, tallies: Sequence[SurveyTally]) -> IndexScore | None:
    """The index from the answers to its questions on the scale 2/1/0; None where none is asked."""
    used = [
        question
        for tally in tallies
        for question in tally.questions
        if question.criterion.code == f"tt01-{number}"
        and {option.score for option in question.question.options if option.counted} == POINTS
    ]
    if not used:
        return None
    given = dict.fromkeys(POINTS, 0)
    for option, count in chain.from_iterable(
        zip(question.question.options, question.counts, strict=True) for question in used
    ):
        if option.counted:
            given[option.score or 0] += count
    earned = Earned(given[2], given[1], given[0])
    return _score(number, Source.SURVEYS, earned, people(used, Base.ANSWERS))


def _counted(number: str, said: SelfAssessment) -> IndexScore:
    return _score(number, Source.SELF_ASSESSMENT, Earned(*said.counts.get(number, (0, 0, 0))))
