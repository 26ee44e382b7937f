"""How many answers a survey needs: by Yamane's formula, and exactly."""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, sqrt

import numpy as np

SIDE = 0.025  # an interval of 95 % leaves out this much on either side
DUST = 1e-12  # far more than floats err by; what is this close to SIDE is not left out
REACH = 9  # deviations of the binomial, and answers, beyond which less than 1e-15 lies


@dataclass(frozen=True, slots=True)
class Size:
    """A number of answers, and how far the limits of their exact 95 % interval then lie.

    `error` is a share (0.05 is five percentage points), where half of those who answer are
    satisfied, or next below half where their number is odd.
    """

    n: int
    error: Fraction


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How many answers an error asks for, by the rule of thumb and exactly."""

    yamane: Size
    exact: Size


def sample_size(population: int, error: Fraction) -> SampleSize:
    """The answers needed of a population for an index within the error, a share, at 95 %.

    Both are for a simple random sample without replacement, and at most the population.
    """
    yamane, exact = _yamane(population, error), _exact(population, error)
    return SampleSize(
        Size(yamane, _error(population, yamane)), Size(exact, _error(population, exact))
    )


def forms_to_send(n: int, population: int, response_rate: Fraction) -> int | None:
    """The forms of which n come back; None where asking everybody would not bring n back.

    The rate is a share of the forms sent, more than 0.
    """
    forms = ceil(n / response_rate)
    return forms if forms <= population else None


def _yamane(population: int, error: Fraction) -> int:
    """N / (1 + N e²), rounded up.

    It takes a share of one half and z = 2. Source: T. Yamane, Statistics: An Introductory
    Analysis, 2nd edition, 1967; also known as Slovin's formula.
    """
    return ceil(population / (1 + population * error**2))


def _exact(population: int, error: Fraction) -> int:
    """The smallest n from which on the upper limit is no further than the error from the share."""
    # From n to n + 2 the limit never moves out: the chance to see half or fewer falls when the
    # satisfied that it is asked for are at least half of the population, and while they are less
    # it is a half or more. From an even n to n + 1 it can move out. So even and odd numbers can
    # be bisected, each for itself.
    firsts = []
    for least in (1, 2):
        sizes = range(least, population + 1, 2)
        place = bisect_left(sizes, x=True, key=lambda n: _within(population, n, error))
        firsts.append(least + 2 * place)
    return max(firsts) - 1


def _within(population: int, n: int, error: Fraction) -> bool:
    """Whether the upper limit is no further than the error from the share seen."""
    beyond = floor(population * (Fraction(n // 2, n) + error)) + 1
    return beyond > population or _refuted(population, n, beyond)


def _error(population: int, n: int) -> Fraction:
    """How far the upper limit lies from the share seen, next below or at one half.

    It is the further one: the lower limit lies as far for an even n, and for an odd n nearer,
    or further by less than one person of the population.
    """
    seen = n // 2
    possible = range(seen, population + 1)
    held = bisect_left(possible, x=True, key=lambda satisfied: _refuted(population, n, satisfied))
    return Fraction(seen + held - 1, population) - Fraction(seen, n)


def _refuted(population: int, n: int, satisfied: int) -> bool:
    """Whether half of n being satisfied rules out that so many of the population are.

    It does when a sample would show so few, or fewer, with less than 2.5 %. These are the exact
    limits of C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413, with the
    hypergeometric distribution in place of the binomial, which it nears in a large population.
    """
    return _at_most(n // 2, population, n, satisfied) < SIDE - DUST


def _at_most(seen: int, population: int, n: int, satisfied: int) -> float:
    """The chance of at most so many satisfied among n drawn without replacement.

    Neighbouring chances have simple ratios, so they are multiplied up around the most likely
    number, as logarithms, and divided by their sum.
    """
    others = population - satisfied
    spread = sqrt(n * satisfied * others) / population
    middle = (n + 1) * (satisfied + 1) // (population + 2)
    reach = ceil(REACH * (spread + 1))
    fewest = max(0, n - others, middle - reach)
    most = min(n, satisfied, middle + reach)
    if not fewest <= seen < most:
        return float(seen >= most)
    k = np.arange(fewest, most, dtype=float)
    ratios = (satisfied - k) * (n - k) / ((k + 1) * (others - n + k + 1))
    heights = np.concatenate(([0.0], np.cumsum(np.log(ratios))))
    chances = np.exp(heights - heights.max())
    return float(chances[: seen - fewest + 1].sum() / chances.sum())
