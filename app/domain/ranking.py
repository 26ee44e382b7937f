"""Ranks within a peer group: by the exact value, equal values share a rank (1, 2, 2, 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Ranked:
    """An agency's place among its peers; no rank where a source printed none."""

    rank: int | None
    agency: str
    value: Fraction
    tied_with: tuple[str, ...]


def rank(values: Mapping[str, Fraction]) -> list[Ranked]:
    """Agencies best first; equal exact values share a rank and the next is skipped."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    first_place: dict[Fraction, int] = {}
    holders: dict[Fraction, list[str]] = {}
    for place, (agency, value) in enumerate(ordered, 1):
        first_place.setdefault(value, place)
        holders.setdefault(value, []).append(agency)
    return [
        Ranked(
            first_place[value],
            agency,
            value,
            tuple(other for other in holders[value] if other != agency),
        )
        for agency, value in ordered
    ]


def printed(values: Mapping[str, Fraction], ranks: Mapping[str, int]) -> list[Ranked]:
    """Agencies with the ranks that a source printed, and None where it printed none.

    A source ranks among all its peers, of which we may know only some: no rank of ours can stand
    beside its own.
    """
    holders: dict[int, list[str]] = {}
    for agency in sorted(ranks.keys() & values.keys()):
        holders.setdefault(ranks[agency], []).append(agency)
    rows = []
    for place in rank(values):
        known = ranks.get(place.agency)
        tied = holders.get(known, []) if known else []
        others = tuple(other for other in tied if other != place.agency)
        rows.append(replace(place, rank=known, tied_with=others))
    # Sorting keeps the order by value among those without a rank.
    return sorted(rows, key=lambda row: (row.rank is None, row.rank or 0))
