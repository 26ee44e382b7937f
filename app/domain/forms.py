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

    def __add__(self, other: "Forms") -> "Forms":
        return Forms(
            _sum(self.issued, other.issued),
            _sum(self.returned, other.returned),
            _sum(self.valid, other.valid),
        )

    @property
    def response_rate(self) -> Decimal | None:
        """Returned forms in percent of those issued."""
        if not self.issued or self.returned is None:
            return None
        return half_up(Fraction(100 * self.returned, self.issued))


def _sum(one: int | None, other: int | None) -> int | None:
    """Nobody knows the sum where nobody knows one of the two."""
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of the whole a figure speaks for, in percent; None where nobody knows."""

    response_rate: Decimal | None = None  # of the forms issued
    share_rated: Decimal | None = None  # of the dossiers returned


@dataclass(frozen=True, slots=True)
class Issued:
    """What an agency said of its forms in one survey, added over the channels."""

    survey: str
    issued: int
    returned: int
    invalid: int


@dataclass(frozen=True, slots=True)
class Part:
    """The forms that were counted of an agency in a survey, and what the agency said of them.

    A distribution is of the whole survey: `said` is None where there is none, or where the period
    holds only a part of the survey.
    """

    survey: str
    counted: int
    said: Issued | None


def summary(parts: Sequence[Part]) -> Forms:
    """The forms of all parts; only the counted ones unless every part has its distribution."""
    said = [part.said for part in parts if part.said is not None]
    if not said or len(said) < len(parts):
        return Forms(None, None, sum(part.counted for part in parts))
    returned = sum(one.returned for one in said)
    return Forms(sum(one.issued for one in said), returned, returned - sum(o.invalid for o in said))


def findings(parts: Sequence[Part]) -> list[Finding]:
    """A note for each survey whose counted forms are not those that were reported as valid."""
    return [
        Finding(
            "forms-differ-from-distribution",
            {"valid": part.said.returned - part.said.invalid, "counted": part.counted},
            survey=part.survey,
        )
        for part in parts
        if part.said is not None and part.said.returned - part.said.invalid != part.counted
    ]
