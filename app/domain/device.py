"""Devices number their ratings 1, 2, 3, …: what has arrived says what has not."""

from collections.abc import Sequence
from dataclasses import dataclass

KEY_PREFIX = "hld_"

# A device that made its numbers up could have as many gaps as ratings.
MOST_GAPS = 1000


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that have not arrived, from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many of a device's numbers have arrived, each once: accepted, or only ever refused."""

    last_seq: int = 0
    accepted: int = 0
    refused: int = 0

    @property
    def received(self) -> int:
        """The numbers that have arrived, whatever became of their ratings."""
        return self.accepted + self.refused

    @property
    def missing(self) -> int:
        """The numbers up to the greatest that have not arrived."""
        return self.last_seq - self.received


@dataclass(frozen=True, slots=True)
class SequenceReport:
    """What has arrived from a device, and its first gaps, ascending."""

    device: str
    agency: str
    counter: str
    arrivals: Arrivals
    gaps: Sequence[Gap]

    @property
    def truncated(self) -> bool:
        """Whether there are more gaps than are named."""
        return sum(gap.last - gap.first + 1 for gap in self.gaps) < self.arrivals.missing
