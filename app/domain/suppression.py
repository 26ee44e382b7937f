"""Complementary suppression: a withheld part must not follow from the whole and the other parts.

Whoever subtracts the parts that are shown from their whole has all the rest of it together, and
nothing more. So this must rest on nobody, or on enough people. (Source: Handbook on Statistical
Disclosure Control, chapter 4, Magnitude tabular data: secondary cell suppression.)
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from app.domain.measure import Key


def complements(
    n: Mapping[Key, int], rest: int, minimum_n: int, closed: AbstractSet[Key] = frozenset()
) -> frozenset[Key]:
    """The further part of a sum to withhold, the smallest, so that nothing on too few follows.

    `n` is the people of every part, public even where the part is not; `rest` are those in no part.
    The parts in `closed` are withheld whatever their people, and count as few: none may follow by
    itself. One part more is always enough. Where none is shown, there is only the whole to follow
    from, and it is shown or withheld by its own right.
    """
    shown = [part for part, size in n.items() if size >= minimum_n and part not in closed]
    hidden = rest + sum(min(size, minimum_n - 1) for part, size in n.items() if part not in shown)
    if shown and 0 < hidden < minimum_n:
        return frozenset({min(shown, key=n.__getitem__)})
    return frozenset()
