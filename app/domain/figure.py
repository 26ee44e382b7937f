"""A figure as it is shown: rounded once, beside its target, its findings and its options."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from app.domain.measure import Base, Key, Level, Measure, Status, options
from app.domain.period import Period
from app.domain.questionnaire import Option


class Rounding(StrEnum):
    """How the shown decimals come about; offices differ."""

    HALF_UP = "half_up"
    TRUNCATE = "truncate"


def half_up(value: Fraction | float, decimals: int = 2) -> Decimal:
    """The value rounded half up (away from zero), as Vietnamese offices round."""
    numerator, denominator = value.as_integer_ratio()
    units = (2 * abs(numerator) * 10**decimals + denominator) // (2 * denominator)
    return Decimal(units if numerator >= 0 else -units).scaleb(-decimals)


def truncate(value: Fraction | float, decimals: int = 2) -> Decimal:
    """The value with its further decimals cut off, as one office is known to do."""
    return Decimal(int(Fraction(value) * 10**decimals)).scaleb(-decimals)


ROUND: Mapping[Rounding, Callable[[Fraction | float, int], Decimal]] = {
    Rounding.HALF_UP: half_up,
    Rounding.TRUNCATE: truncate,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reader must know about a figure: a flaw that was accepted, or a note."""

    code: str
    params: Mapping[str, object]
    reason: str | None = None  # given by whoever accepted the flaw
    agency: str | None = None  # where the figure is of several
    survey: str | None = None
    question: str | None = None
    month: str | None = None  # of the sheet that has the flaw


@dataclass(frozen=True, slots=True)
class Target:
    """A value to reach in a period, set for an agency or for its peer group."""

    criterion: str
    period: Period
    value: Decimal
    own: bool  # set for the agency itself


@dataclass(frozen=True, slots=True)
class OptionShare:
    """An option of the one question behind a figure; no share where it does not count."""

    option: Option
    count: int
    share: Decimal | None


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms measures are shown: for which months, from how many people on, how rounded."""

    period: Period
    base: Base = Base.ANSWERS
    minimum_n: int = 0
    decimals: int = 2
    rounding: Rounding = Rounding.HALF_UP

    def shown(self, value: Fraction | float) -> Decimal:
        """The value as it is shown."""
        return ROUND[self.rounding](value, self.decimals)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure, judged: shown or withheld, against its target, with its findings."""

    measure: Measure
    status: Status
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    target: Decimal | None
    gap: Decimal | None
    met: bool | None
    options: tuple[OptionShare, ...]
    findings: tuple[Finding, ...]


def withhold(measure: Measure, minimum_n: int, hidden: Collection[Key] = ()) -> Measure:
    """The measure, without its value where it rests on fewer people than are ever shown.

    So is one of the hidden ones, from which such a measure would follow.
    """
    if measure.status not in {Status.OK, Status.EXEMPT}:
        return measure
    few = measure.n < minimum_n
    if not few and measure.key not in hidden:
        return measure
    status = Status.SUPPRESSED
    if few:
        status = Status.TOO_FEW if measure.n else Status.PENDING
    return replace(measure, status=status, value=None, ratio=None, low=None, high=None, parts=())


def judge(
    measure: Measure,
    terms: Terms,
    targets: Iterable[Target],
    found: Sequence[Finding],
    hidden: Collection[Key] = (),
) -> Figure:
    """The figure to show for a measure. `met` compares the exact value, not the rounded one."""
    shown = withhold(measure, terms.minimum_n, hidden)
    # Printed values keep the decimals that they were printed with.
    terms = replace(terms, decimals=measure.decimals) if measure.decimals is not None else terms
    target = target_for(targets, shown, terms.period)
    goal = target.value if target else None
    exact_gap = None if shown.value is None or goal is None else shown.value - Fraction(goal)
    return Figure(
        shown,
        shown.status,
        None if shown.value is None else terms.shown(shown.value),
        None if shown.low is None else terms.shown(shown.low),
        None if shown.high is None else terms.shown(shown.high),
        goal,
        None if exact_gap is None else terms.shown(exact_gap),
        None if exact_gap is None else exact_gap >= 0,
        _option_shares(shown, terms),
        tuple(finding for finding in found if _concerns(finding, shown)),
    )


def target_for(targets: Iterable[Target], measure: Measure, period: Period) -> Target | None:
    """The target of an overall or a criterion's measure.

    The agency's own comes first, then the one of the shortest period around. Of several peer
    groups' targets the highest holds.
    """
    if measure.level not in {Level.OVERALL, Level.CRITERION}:
        return None
    fitting = [
        target
        for target in targets
        if target.criterion == measure.code and target.period.contains(period)
    ]
    return min(
        fitting,
        key=lambda target: (not target.own, target.period.months, -target.value),
        default=None,
    )


def _option_shares(measure: Measure, terms: Terms) -> tuple[OptionShare, ...]:
    """The options when the figure rests on one question in each survey, else nothing."""
    surveys = {tally.survey for tally in measure.questions}
    if measure.status not in {Status.OK, Status.EXEMPT} or len(surveys) != len(measure.questions):
        return ()
    counted = options(measure.questions)
    if terms.base is Base.FORMS:
        whole = sum(tally.forms for tally in measure.questions)
    else:
        whole = sum(count for option, count in counted if option.counted)
    return tuple(
        OptionShare(
            option,
            count,
            terms.shown(Fraction(100 * count, whole))
            if option.counted and 0 < whole >= count
            else None,
        )
        for option, count in counted
    )


def _concerns(finding: Finding, measure: Measure) -> bool:
    """Whether the figure rests on the survey, and the question, that the finding speaks of."""
    return finding.survey is None or any(
        finding.survey == tally.survey and finding.question in {None, tally.question.code}
        for tally in measure.questions
    )
