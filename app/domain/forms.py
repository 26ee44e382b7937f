"""Forms issued, returned and valid, and the response rate that stands beside every figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from app.domain.figure import Finding, half_up


@dataclass(frozen=True, slots=True)
class Forms:
    """How many forms went out, came back, and are valid; None where nobody recorded it."""

    issued: int | None
    returned: int | None
    valid: int | None
    counted: int = 0

    @property
    def response_rate(self) -> Decimal | None:
        """Returned forms in percent of those issued."""
        if not self.issued or self.returned is None:
            return None
        return half_up(Fraction(100 * self.returned, self.issued))


def summary(distributions: Sequence[tuple[int, int, int]], counted: int) -> Forms:
    """The forms of (issued, returned, invalid) per channel; where none is given, the counted."""
    if not distributions:
        return Forms(None, None, counted, counted)
    issued, returned, invalid = (sum(column) for column in zip(*distributions, strict=True))
    return Forms(issued, returned, returned - invalid, counted)


def findings(forms: Forms) -> list[Finding]:
    """A note when the forms that were counted are not those that were reported as valid."""
    if forms.valid in {None, forms.counted}:
        return []
    params = {"valid": forms.valid, "counted": forms.counted}
    return [Finding("forms-differ-from-distribution", params)]
