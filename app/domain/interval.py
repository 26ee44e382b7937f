"""How sure a share is."""

from fractions import Fraction
from math import sqrt

Z_95 = 1.959963984540054  # the 97.5 % point of the normal distribution


def wilson(share: Fraction, n: int) -> tuple[float, float]:
    """The 95 % score interval, in percent, of a share seen in n independent answers.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209-212.
    """
    p = float(share)
    z2 = Z_95 * Z_95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)
