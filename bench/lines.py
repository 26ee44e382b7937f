"""What a measurement says: a line of the table, from ratios that were taken pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


class BenchError(Exception):
    """A measurement that cannot be taken or trusted; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table. `here` holds what is true of this machine only.

    Its name begins with its measurement's; without a bar it has neither passed nor failed.
    """

    name: str
    what: str
    bar: str
    measured: str
    repeats: str
    passed: bool | None
    here: str


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what was measured, between the least and the most."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.middle:.2f} ({self.least:.2f}–{self.most:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Where the values lie."""
    return Spread(median(values), min(values), max(values))


def many(number: int, what: str) -> str:
    """How many there are of something, in words."""
    return f"{number} {what}{'s' * (number > 1)}"
