"""Complementary suppression: a withheld figure must not follow from the figures that are shown.

Cells and sums form trees: a whole may be split in several ways, a part may be split again, and
each cell is a part of one sum at most. Then no withheld cell follows from the others where every
sum has none or at least two withheld members. What does follow is the withheld parts of a split
together; so these must rest on enough people. (Source: Handbook on Statistical Disclosure Control,
chapter 4, Magnitude tabular data: secondary cell suppression.)
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

Key = Hashable


@dataclass(frozen=True, slots=True)
class Sum:
    """A cell that is the sum (or a weighted mean with non-zero weights) of its parts.

    Parts overlap where the same people may stand in several of them, as in criteria and questions;
    months, channels, counters and procedures have their own.
    """

    whole: Key
    parts: tuple[Key, ...]
    overlapping: bool = False


def complements(
    n: Mapping[Key, int],
    sums: Sequence[Sum],
    minimum_n: int,
    always_hidden: AbstractSet[Key] = frozenset(),
) -> frozenset[Key]:
    """The further cells to withhold, so that nothing on fewer than `minimum_n` people follows.

    `n` is the people of every cell, public even where the cell is not; a part without people is a
    known zero, a whole without people tells nothing. `always_hidden` are members of sums that are
    never shown, whatever their n: a remainder, say. Of the parts of a sum the smallest is taken,
    of equal ones the first.
    """
    few = {cell for cell, people in n.items() if people < minimum_n}
    filled = [
        replace(split, parts=tuple(part for part in split.parts if n[part]))
        for split in sums
        if n[split.whole]
    ]
    taken: set[Key] = set()
    while True:
        hidden = _undetermined(few | taken, always_hidden, filled)
        needed = {cell for split in filled for cell in _needed(split, n, hidden, minimum_n)}
        if not needed:
            return frozenset(taken - always_hidden)
        taken |= needed


def _undetermined(
    protected: AbstractSet[Key], unpublished: AbstractSet[Key], sums: Iterable[Sum]
) -> AbstractSet[Key]:
    """The protected cells, and the unpublished ones that do not follow from what is shown."""
    hidden = protected | unpublished
    while True:
        members = [{split.whole, *split.parts} & hidden for split in sums]
        known = {cell for lone in members if len(lone) == 1 for cell in lone - protected}
        if not known:
            return hidden
        hidden -= known


def _needed(
    split: Sum, n: Mapping[Key, int], hidden: AbstractSet[Key], minimum_n: int
) -> Iterator[Key]:
    """The cell that must be withheld besides for the sake of this sum, if any."""
    shown = [part for part in split.parts if part not in hidden]
    sizes = [n[part] for part in split.parts if part in hidden]
    people = max(sizes, default=0) if split.overlapping else sum(sizes)
    whole_shown = split.whole not in hidden
    if not sizes:
        safe = whole_shown
    elif whole_shown:
        safe = len(sizes) > 1 and people >= minimum_n
    else:
        # The whole may follow together with others, so what it leaves must be enough by itself.
        safe = n[split.whole] < minimum_n or people >= minimum_n
    if not safe and shown:
        yield min(shown, key=n.__getitem__)
    elif len(sizes) == 1 and whole_shown:
        yield split.whole  # of several parts, all withheld, nothing follows but the whole
