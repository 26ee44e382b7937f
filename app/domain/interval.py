"""How sure an index is."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

Z_95 = 1.959963984540054  # the 97.5 % point of the normal distribution


class Leaf(NamedTuple):
    """A mean of people's values between 0 and 1, of which an index is made with this weight."""

    share: float
    n: int
    weight: float


def wilson(share: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval, in percent, of a share seen in n independent answers; 95 % unless said.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209-212.
    """
    if share in {0, 1}:  # one limit is exact, and must not be cut to 99.99 for a float's sake
        edge = 100 * n / (n + z * z)
        return (edge, 100.0) if share else (0.0, 100 - edge)
    z2 = z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


def interval(leaves: Sequence[Leaf], z: float = Z_95) -> tuple[float, float]:
    """The interval, in percent, of a weighted mean of shares that the same people may have given.

    Tallies do not hold how the answers of one person go together, so the widths are added as if
    they went together wholly: the deviation of a sum is at most the sum of the deviations
    (Minkowski). Of values between 0 and 1 a yes or no varies most, so points fit in as well.
    """
    limits = [(leaf.weight, *wilson(leaf.share, leaf.n, z)) for leaf in leaves]
    return (
        sum(weight * low for weight, low, _ in limits),
        sum(weight * high for weight, _, high in limits),
    )
