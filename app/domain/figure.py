"""A figure as it is shown: rounded once, beside its target, its findings and its options."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from app.domain.measure import Base, Level, Measure, Status, options
from app.domain.period import Period
from app.domain.questionnaire import Option


def half_up(value: Fraction | float, decimals: int = 2) -> Decimal:
    """The value rounded half up (away from zero), as Vietnamese offices round."""
    exact = Fraction(value)
    scale = 10**decimals
    doubled = 2 * abs(exact) * scale + 1
    units = doubled.numerator // (2 * doubled.denominator)
    return Decimal(units if exact >= 0 else -units).scaleb(-decimals)


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
class Figure:
    """A measure, judged: shown or withheld, against its target, with its findings."""

    measure: Measure
    status: Status
    value: Decimal | None
    target: Decimal | None
    gap: Decimal | None
    met: bool | None
    options: tuple[OptionShare, ...]
    findings: tuple[Finding, ...]


def withhold(measure: Measure, minimum_n: int) -> Measure:
    """The measure, without its value where it rests on fewer answers than are ever shown."""
    if measure.status not in {Status.OK, Status.EXEMPT} or measure.n >= minimum_n:
        return measure
    status = Status.TOO_FEW if measure.n else Status.PENDING
    return replace(measure, status=status, value=None, ratio=None, low=None, high=None)


def judge(
    measure: Measure, base: Base, minimum_n: int, target: Target | None, found: Sequence[Finding]
) -> Figure:
    """The figure to show for a measure. `met` compares the exact value, not the rounded one."""
    shown = withhold(measure, minimum_n)
    goal = target.value if target else None
    exact_gap = None if shown.value is None or goal is None else shown.value - Fraction(goal)
    return Figure(
        shown,
        shown.status,
        None if shown.value is None else half_up(shown.value, shown.decimals),
        goal,
        None if exact_gap is None else half_up(exact_gap, shown.decimals),
        None if exact_gap is None else exact_gap >= 0,
        _option_shares(shown, base),
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


def _option_shares(measure: Measure, base: Base) -> tuple[OptionShare, ...]:
    """The options when the figure rests on one question in each survey, else nothing."""
    surveys = {tally.survey for tally in measure.questions}
    if measure.status not in {Status.OK, Status.EXEMPT} or len(surveys) != len(measure.questions):
        return ()
    counted = options(measure.questions)
    if base is Base.FORMS:
        whole = sum(tally.forms for tally in measure.questions)
    else:
        whole = sum(count for option, count in counted if option.counted)
    return tuple(
        OptionShare(
            option,
            count,
            half_up(Fraction(100 * count, whole))
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
