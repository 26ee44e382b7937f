"""What changed against the period before, and whether the two can be compared at all."""

from collections.abc import Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from app.domain.measure import Measure
from app.domain.period import Period


@dataclass(frozen=True, slots=True)
class Side:
    """A ranking of one period: its peers, with a value or not, and what its values rest on.

    Peers may have a value and no rank, where a source printed none.
    """

    peers: AbstractSet[str]
    method: str
    asked: AbstractSet[Hashable]
    values: Mapping[str, Fraction]
    ranks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """What an agency gained, in percentage points, and how many places it fell (or rose: below 0).

    With one of the reasons `peers-differ`, `questionnaire-differs` and `method-differs` the numbers
    are given all the same, and say nothing of the agency by themselves.
    """

    value: Fraction
    rank: int | None
    reasons: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether the change says something about the agency."""
        return not self.reasons


def changes(now: Side, before: Side) -> dict[str, Change]:
    """The change of each agency that has a value on both sides."""
    differing = {
        "peers-differ": now.peers != before.peers,
        "questionnaire-differs": now.asked != before.asked,
        "method-differs": now.method != before.method,
    }
    reasons = tuple(reason for reason, differs in differing.items() if differs)
    return {
        agency: Change(value - before.values[agency], _fell(agency, now, before), reasons)
        for agency, value in now.values.items()
        if agency in before.values
    }


def _fell(agency: str, now: Side, before: Side) -> int | None:
    if agency not in now.ranks or agency not in before.ranks:
        return None
    return now.ranks[agency] - before.ranks[agency]


def asked(measures: Iterable[Measure]) -> frozenset[Hashable]:
    """The questions that the measures rest on: of which form and criterion, on which scale.

    Wordings may change with a version; a form of which none came in was not asked with.
    """
    return frozenset(
        (
            tally.questionnaire,
            tally.criterion.code,
            tally.criterion.weight,
            tally.question.code,
            tally.question.scale,
        )
        for measure in measures
        for tally in measure.questions
        if tally.forms
    )


def earlier(period: Period) -> Period:
    """The period of as many months just before."""
    months = period.first.year * 12 + period.first.month - 1 - period.months
    first = date(months // 12, months % 12 + 1, 1)
    return Period(first, period.first - timedelta(days=1))
