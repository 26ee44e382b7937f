"""How sure a rank is: between which ranks an agency may truly stand among its peers.

Rivals are compared two by two, in the manner of Mogstad, Romano, Shaikh and Wilhelm, Review of
Economic Studies 91 (2024) 476-518. A difference has the deviation of Newcombe's hybrid score
method, Statistics in Medicine 17 (1998) 873-890: the lower arm of the better index and the upper
arm of the worse one, squared and added. How many deviations it must have grows with the crowd.
"""

from collections.abc import Iterator, Sequence
from math import hypot
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from app.domain.interval import Z_95, Leaf, wilson

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
ERROR = 0.05  # shared among the crowd
LEAST_CROWD = 2  # 2.5 %, which is the error above Z_95
MOST_FREE = 3
APART_FOR_ONE_FREE = 3


def rank_sets(shares: Sequence[Sequence[Leaf]]) -> list[tuple[int, int]]:
    """The lowest and the highest true rank that each agency's answers allow, in the order given.

    An agency is its leaves: one of weight 1, or several whose weights add up to 1, each of at least
    one person. The rank by the indices themselves always lies within.

    Guaranteed, as far as the normal distribution holds: of n agencies that hardly differ and have
    equally many answers, at least 95 % on average have their true rank within. At 1.96 deviations
    a claim errs in 2.5 %; the chance that more are claimed above an agency than stand there, added
    up over the ranks 1 to n, is the number of claims expected, (n - 1) x 2.5 %; likewise below.
    Simulated, not proven: 95 % on average wherever the agencies stand and however the answers are
    spread, if no two are exactly equal. Not guaranteed: 95 % for each agency by itself. The first
    and the last of a cluster of four to ten, clearly apart from the others, have about 90 %.
    """
    if not shares:
        return []
    index, lower, upper = np.array([_arms(leaves) for leaves in shares]).T
    order = np.argsort(index)
    index, lower, upper = index[order], lower[order], upper[order]
    needed = _needed(index, _close(index, lower, upper))
    above = np.zeros(len(index), dtype=np.int64)
    below = np.zeros(len(index), dtype=np.int64)
    for place, differences in _differences(index, lower, upper):
        claimed = differences > np.maximum.accumulate(needed[place:])[1:]
        above[place] = np.count_nonzero(claimed)
        below[place + 1 :] += claimed
    sets = np.empty((len(index), 2), dtype=np.int64)
    sets[order] = np.column_stack((1 + above, len(index) - below))
    return [(low, high) for low, high in sets.tolist()]


def _arms(leaves: Sequence[Leaf]) -> tuple[float, float, float]:
    """An index, and the squares of how far one deviation reaches below and above it, all of 1.

    As in `interval` the arms of the leaves are added as if the same people had given them alike.
    One answer is a step of 1/n; without it a handful of answers would seem surer than they are.
    """
    index = lower = upper = 0.0
    for share, n, weight in leaves:
        low, high = wilson(share, n)
        index += weight * share
        lower += weight * hypot((share - low / 100) / Z_95, 1 / n)
        upper += weight * hypot((high / 100 - share) / Z_95, 1 / n)
    return index, lower * lower, upper * upper


def _differences(index: Floats, lower: Floats, upper: Floats) -> Iterator[tuple[int, Floats]]:
    """For each place, worst first: its differences to all better ones, in squared deviations."""
    for place in range(len(index) - 1):
        gaps = index[place + 1 :] - index[place]
        yield place, gaps * gaps / (lower[place + 1 :] + upper[place])


def _close(index: Floats, lower: Floats, upper: Floats) -> Counts:
    """How many rivals each agency has within one deviation of the difference."""
    close = np.zeros(len(index), dtype=np.int64)
    for place, differences in _differences(index, lower, upper):
        near = differences < 1
        close[place] += np.count_nonzero(near)
        close[place + 1 :] += near
    return close


def _needed(index: Floats, close: Counts) -> Floats:
    """The squared deviations that a claim across each agency needs; the highest of equal ones.

    Bonferroni over the crowd: the close rivals, but for each three that stand apart one is free, up
    to three. Agencies spread over many deviations have some close rivals too, and what is wrongly
    claimed of those makes up for what is rightly left unclaimed of the others.
    """
    free = np.minimum(MOST_FREE, (len(index) - 1 - close) // APART_FOR_ONE_FREE)
    crowd = np.maximum(LEAST_CROWD, close - free).tolist()
    needed = np.array([NormalDist().inv_cdf(1 - ERROR / rivals) ** 2 for rivals in crowd])
    _, first, equal = np.unique(index, return_index=True, return_inverse=True)
    return np.asarray(np.maximum.reduceat(needed, first)[equal])
