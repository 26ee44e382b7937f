"""Ranks within a peer group: by the exact value, equal values share a rank (1, 2, 2, 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Ranked:
    """An agency's place among its peers."""

    rank: int
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


def places(values: Mapping[str, Fraction], printed: Mapping[str, int]) -> list[Ranked]:
    """Places by value, except that ranks printed by a source stand as printed.

    A source ranks among all its peers, of which we may know only some.
    """
    ranked = [
        Ranked(printed.get(place.agency, place.rank), place.agency, place.value, place.tied_with)
        for place in rank(values)
    ]
    return sorted(ranked, key=lambda place: (place.rank, place.agency))
