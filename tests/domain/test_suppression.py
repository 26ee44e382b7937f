"""What is withheld stays withheld: tried by hand, and by an attacker who can do linear algebra."""

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.measure import Key
from app.domain.suppression import complements

MONTHS = ("jan", "feb", "mar", "apr")


def year(*months: int, rest: int = 0, closed: Collection[Key] = ()) -> set[Key]:
    n = dict(zip(MONTHS, months, strict=True))
    return set(complements(n, rest, 5, frozenset(closed)))


@pytest.mark.parametrize(
    ("months", "taken"),
    [
        ((20, 3, 9, 12), {"mar"}),
        ((9, 3, 9, 9), {"jan"}),
        ((1, 2, 20, 30), {"mar"}),
        ((0, 3, 0, 12), {"apr"}),
    ],
)
def test_months_that_are_too_few_together_take_the_smallest_other_one_along(months, taken):
    assert year(*months) == taken


def test_two_months_of_2_and_3_hide_each_other_because_5_people_are_enough():
    assert year(2, 3, 20, 30) == set()


def test_a_month_of_exactly_the_minimum_is_shown():
    assert year(5, 20, 30, 40) == set()


def test_a_month_without_people_hides_nothing():
    assert year(0, 10, 20, 30) == set()


def test_where_every_month_is_few_there_is_no_other_to_take():
    assert year(1, 2, 0, 0) == set()


@pytest.mark.parametrize(("rest", "taken"), [(0, set()), (3, {"jan"}), (4, {"jan"}), (5, set())])
def test_people_in_no_part_follow_from_the_parts_and_must_be_enough(rest, taken):
    assert year(10, 20, 30, 40, rest=rest) == taken


@pytest.mark.parametrize(("rest", "taken"), [(0, {"feb"}), (1, {"feb"}), (2, set()), (20, set())])
def test_people_in_no_part_hide_a_month_of_3(rest, taken):
    assert year(3, 10, 20, 30, rest=rest) == taken


def test_a_month_that_is_closed_takes_one_along_however_many_people_it_has():
    assert year(10, 20, 30, 40, closed=["apr"]) == {"jan"}


def test_a_month_that_is_closed_is_not_taken_along_once_more():
    assert year(6, 9, 12, 20, closed=["jan"]) == {"feb"}


@pytest.mark.parametrize(("months", "rest"), [((10, 1, 30, 40), 0), ((10, 20, 30, 40), 1)])
def test_a_closed_month_and_somebody_else_hide_each_other(months, rest):
    assert year(*months, rest=rest, closed=["jan"]) == set()


def test_two_closed_months_hide_each_other():
    assert year(10, 20, 30, 40, closed=["jan", "apr"]) == set()


def test_a_closed_month_without_people_hides_nothing():
    assert year(0, 3, 20, 30, closed=["jan"]) == {"mar"}
    assert year(0, 10, 20, 30, closed=["jan"]) == set()


def test_where_only_one_month_is_there_and_closed_the_year_is_judged_by_itself():
    assert year(10, 0, 0, 0, closed=["jan"]) == set()


REST = "rest"
Row = list[Fraction]


@st.composite
def splits(draw: st.DrawFn) -> tuple[dict[Key, int], int, int, frozenset[Key]]:
    minimum_n = draw(st.integers(2, 7))
    sizes = st.integers(0, minimum_n + 2)
    n: dict[Key, int] = dict(enumerate(draw(st.lists(sizes, min_size=1, max_size=4))))
    return n, draw(sizes), minimum_n, draw(st.frozensets(st.sampled_from([*n])))


def rank(rows: Iterable[Row]) -> int:
    """How many of these say something that the others do not, by elimination."""
    left = [row for row in rows if any(row)]
    if not left:
        return 0
    first, *others = left
    at = next(place for place, value in enumerate(first) if value)
    return 1 + rank(
        [own - row[at] / first[at] * off for own, off in zip(row, first, strict=True)]
        for row in others
    )


def leaks(
    n: Mapping[Key, int], rest: int, minimum_n: int, closed: Collection[Key], taken: Collection[Key]
) -> list[tuple[Key, ...]]:
    """What follows from the whole and the parts that are shown, and should not.

    That is parts of few people together, or a closed one; the whole is judged by itself.
    """
    cells = {part: size for part, size in {**n, REST: rest}.items() if size}
    shown = [
        part for part in cells if n.get(part, 0) >= minimum_n and part not in {*closed, *taken}
    ]

    def row(wanted: Collection[Key]) -> Row:
        return [Fraction(cell in wanted) for cell in cells]

    known = [row(cells), *(row([part]) for part in shown)]
    secrets = [
        group
        for many in range(1, len(cells))
        for group in combinations(cells, many)
        if sum(map(cells.__getitem__, group)) < minimum_n or (many == 1 and group[0] in closed)
    ]
    return [group for group in secrets if rank([*known, row(group)]) == rank(known)]


@given(splits())
def test_no_part_and_no_parts_of_few_people_follow_from_what_is_shown(split):
    n, rest, minimum_n, closed = split
    taken = complements(n, rest, minimum_n, closed)
    assert leaks(n, rest, minimum_n, closed, taken) == []
    assert not taken or leaks(n, rest, minimum_n, closed, ())
    assert all(n[part] >= minimum_n and part not in closed for part in taken)
