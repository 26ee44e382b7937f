"""What an agency's figures rest on."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from app.domain.figure import Finding, Target, half_up
from app.domain.forms import Forms, Part, Reach, summary
from app.domain.tally import SurveyTally


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many dossiers came how far; `received` in the period, the others returned in it."""

    received: int = 0
    returned: int = 0
    late: int = 0
    invited: int = 0
    opened: int = 0
    rated: int = 0

    def __add__(self, other: "Funnel") -> "Funnel":
        return Funnel(
            self.received + other.received,
            self.returned + other.returned,
            self.late + other.late,
            self.invited + other.invited,
            self.opened + other.opened,
            self.rated + other.rated,
        )

    @property
    def share_rated(self) -> Decimal | None:
        """Rated dossiers in percent of those returned; None where none was."""
        if not self.returned:
            return None
        return half_up(Fraction(100 * self.rated, self.returned))


Reached = tuple[Forms, Funnel]


def together(agencies: Iterable[Reached]) -> Reach:
    """How much of all these agencies' forms and dossiers, added up, their total speaks for."""
    forms, funnel = Forms(0, 0, 0), Funnel()
    for own, came in agencies:
        forms, funnel = forms + own, funnel + came
    return Reach(forms.response_rate, funnel.share_rated)


@dataclass(frozen=True, slots=True)
class Evidence:
    """An agency's tallies in the surveys that cover it, and what must be known beside them."""

    agency: str
    tallies: tuple[SurveyTally, ...]
    parts: tuple[Part, ...] = ()
    findings: tuple[Finding, ...] = ()
    targets: tuple[Target, ...] = ()
    funnel: Funnel = Funnel()

    @property
    def reach(self) -> Reach:
        """How much of the agency's forms and dossiers its figures speak for."""
        return Reach(summary(self.parts).response_rate, self.funnel.share_rated)
