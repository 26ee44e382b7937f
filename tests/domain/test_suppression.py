"""What is withheld stays withheld: tried by hand, and by an attacker who can do linear algebra."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.suppression import Key, Sum, complements

MONTHS = ("jan", "feb", "mar", "apr")
YEAR = Sum("year", MONTHS)


def year(*months: int, minimum_n: int = 5) -> set[Key]:
    n = dict(zip(MONTHS, months, strict=True))
    return set(complements({"year": sum(months), **n}, [YEAR], minimum_n))


def test_a_month_of_3_takes_the_smallest_other_month_along():
    assert year(20, 3, 9, 12) == {"mar"}


def test_of_equal_months_the_first_goes_along():
    assert year(9, 3, 9, 9) == {"jan"}


def test_two_months_of_3_hide_each_other_because_6_people_are_enough():
    assert year(3, 3, 20, 30) == set()


def test_months_of_1_and_2_need_one_more():
    assert year(1, 2, 20, 30) == {"mar"}


def test_months_of_2_and_3_are_just_enough():
    assert year(2, 3, 20, 30) == set()


def test_a_month_of_exactly_the_minimum_is_shown():
    assert year(5, 20, 30, 40) == set()


def test_a_month_without_people_hides_nothing():
    assert year(0, 3, 0, 12) == {"apr"}


def test_where_nothing_is_few_nothing_is_suppressed():
    assert year(0, 10, 20, 30) == set()


def test_a_year_that_is_few_itself_needs_no_help():
    assert year(1, 3, 0, 0) == set()


def test_a_criterion_of_3_takes_another_one_along():
    n = {"overall": 40, "access": 40, "staff": 3, "result": 38}
    criteria = Sum("overall", ("access", "staff", "result"), overlapping=True)
    assert complements(n, [criteria], 5) == {"result"}


def test_two_criteria_of_3_may_be_the_same_three_people():
    n = {"overall": 40, "access": 40, "staff": 3, "result": 3}
    criteria = Sum("overall", ("access", "staff", "result"), overlapping=True)
    assert complements(n, [criteria], 5) == {"access"}


def test_where_all_criteria_are_few_nothing_follows_but_the_overall():
    n = {"overall": 7, "access": 4, "staff": 3}
    criteria = Sum("overall", ("access", "staff"), overlapping=True)
    assert complements(n, [criteria], 5) == set()


CRITERIA = Sum("overall", ("access", "staff"), overlapping=True)
QUESTIONS = Sum("access", ("q1", "q2", "q3"), overlapping=True)


def test_a_criterion_that_goes_along_takes_its_smallest_question_along():
    n = {"overall": 40, "access": 40, "staff": 3, "q1": 40, "q2": 39, "q3": 0}
    assert complements(n, [CRITERIA, QUESTIONS], 5) == {"access", "q2"}


def test_the_order_of_the_sums_does_not_matter():
    n = {"overall": 40, "access": 40, "staff": 3, "q1": 40, "q2": 39, "q3": 0}
    assert complements(n, [QUESTIONS, CRITERIA], 5) == {"access", "q2"}


def test_a_question_of_3_leaves_its_criterion_shown():
    n = {"overall": 40, "access": 40, "staff": 39, "q1": 40, "q2": 3, "q3": 38}
    assert complements(n, [CRITERIA, QUESTIONS], 5) == {"q3"}


def test_a_few_criterion_and_a_few_question_of_another_stay_apart():
    n = {"overall": 40, "access": 40, "staff": 3, "q1": 40, "q2": 3, "q3": 38}
    assert complements(n, [CRITERIA, QUESTIONS], 5) == {"access", "q3"}


def test_a_mean_that_is_as_few_as_its_smallest_part_needs_no_help():
    n = {"overall": 3, "access": 40, "staff": 3, "q1": 40, "q2": 39, "q3": 38}
    assert complements(n, [CRITERIA, QUESTIONS], 5) == set()


def test_a_mean_that_is_not_there_yet_tells_nothing():
    n = {"overall": 0, "access": 40, "staff": 0}
    assert complements(n, [CRITERIA], 5) == set()


def test_a_lone_part_takes_its_whole_along_and_the_whole_a_part_of_each_other_split():
    n = {"overall": 8, "staff": 3, "access": 0, "jan": 8, "feb": 0, "mar": 0, "apr": 0}
    assert complements(n, [CRITERIA, Sum("overall", MONTHS)], 5) == {"overall", "jan"}


def test_a_criterion_that_goes_along_with_its_lone_question_needs_another_criterion():
    n = {"overall": 40, "access": 8, "staff": 40, "q1": 3, "q2": 0, "q3": 0}
    assert complements(n, [CRITERIA, QUESTIONS], 5) == {"access", "staff"}


def test_a_month_that_goes_along_needs_no_more_where_its_counters_are_withheld_already():
    n = {"year": 34, "jan": 3, "feb": 11, "mar": 20, "apr": 0, "a": 2, "b": 3, "c": 6}
    assert complements(n, [YEAR, Sum("feb", ("a", "b", "c"))], 5) == {"feb"}


COUNTERS = Sum("overall", ("desk 1", "desk 2", "no desk"))
NO_DESK = frozenset({"no desk"})


def test_a_large_remainder_hides_a_counter():
    n = {"overall": 22, "desk 1": 3, "desk 2": 9, "no desk": 10}
    assert complements(n, [COUNTERS], 5, NO_DESK) == set()


def test_a_remainder_of_enough_people_may_follow():
    n = {"overall": 50, "desk 1": 10, "desk 2": 30, "no desk": 10}
    assert complements(n, [COUNTERS], 5, NO_DESK) == set()


def test_a_remainder_of_3_takes_a_counter_along():
    n = {"overall": 43, "desk 1": 10, "desk 2": 30, "no desk": 3}
    assert complements(n, [COUNTERS], 5, NO_DESK) == {"desk 1"}


def test_an_empty_remainder_hides_nothing():
    n = {"overall": 33, "desk 1": 3, "desk 2": 30, "no desk": 0}
    assert complements(n, [COUNTERS], 5, NO_DESK) == {"desk 2"}


def test_an_unpublished_year_may_follow_from_its_months():
    n = {"year": 50, "jan": 10, "feb": 10, "mar": 10, "apr": 20}
    assert complements(n, [YEAR], 5, frozenset({"year"})) == set()


UNPUBLISHED = frozenset({"access", "q3"})


def test_an_unpublished_criterion_may_follow_from_its_questions():
    n = {"overall": 40, "access": 40, "staff": 38, "q1": 40, "q2": 39, "q3": 0}
    assert complements(n, [CRITERIA, QUESTIONS], 5, UNPUBLISHED) == set()


def test_an_unpublished_criterion_hides_another_once_its_questions_do_not_tell_it():
    n = {"overall": 40, "access": 40, "staff": 3, "q1": 40, "q2": 39, "q3": 0}
    assert complements(n, [CRITERIA, QUESTIONS], 5, UNPUBLISHED) == {"q2"}


def test_a_few_criterion_and_a_few_question_of_an_unpublished_one_stay_apart():
    n = {"overall": 40, "access": 5, "staff": 3, "q1": 5, "q2": 3, "q3": 0}
    assert complements(n, [CRITERIA, QUESTIONS], 5, UNPUBLISHED) == {"q1"}


@dataclass
class Agency:
    """Cells in trees, with their people and numerators, as a random agency may have them."""

    n: dict[Key, int] = field(default_factory=dict)
    numerators: dict[Key, int] = field(default_factory=dict)
    sums: list[Sum] = field(default_factory=list)
    always_hidden: set[Key] = field(default_factory=set)
    minimum_n: int = 5

    def few(self) -> set[Key]:
        return {cell for cell, people in self.n.items() if 0 < people < self.minimum_n}

    def suppressed(self) -> frozenset[Key]:
        return complements(self.n, self.sums, self.minimum_n, self.always_hidden)

    def hidden(self) -> AbstractSet[Key]:
        return self.few() | self.suppressed() | self.always_hidden

    def splits(self, cell: Key) -> list[Sum]:
        return [split for split in self.sums if split.whole == cell]

    def covers(self, cells: AbstractSet[Key], cell: Key) -> bool:
        """Whether these cells together are the whole of this one."""
        return (
            not self.n[cell]
            or cell in cells
            or any(all(self.covers(cells, p) for p in s.parts) for s in self.splits(cell))
        )

    def people(self, cells: AbstractSet[Key], within: Key = ()) -> int:
        """How many people these cells together rest on, at least."""
        if self.covers(cells, within):
            return self.n[within]
        sizes = [
            (max if split.overlapping else sum)(self.people(cells, part) for part in split.parts)
            for split in self.splits(within)
        ]
        return max(sizes, default=0)

    def leaks(self, hidden: AbstractSet[Key]) -> list[AbstractSet[Key]]:
        """The figures on fewer people than are ever shown that follow when these are withheld."""
        return [cells for cells in derived(self, hidden) if self.people(cells) < self.minimum_n]


def composition(draw: st.DrawFn, total: int, parts: int) -> list[int]:
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=parts - 1, max_size=parts - 1)))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


def grow(draw: st.DrawFn, agency: Agency, cell: tuple[int, ...], splits: int) -> None:
    """Split the cell, and its parts again, in ways in which all sums come out."""
    size, numerator = agency.n[cell], agency.numerators[cell]
    for way in range(splits):
        parts = tuple((*cell, way, place) for place in range(draw(st.integers(1, 4))))
        split = Sum(cell, parts, draw(st.booleans()))
        sizes = composition(draw, size, len(parts))
        if split.overlapping:
            sizes = [draw(st.integers(own, size)) for own in sizes]
        filled = [part for part, people in zip(parts, sizes, strict=True) if people]
        agency.n |= zip(parts, sizes, strict=True)
        agency.numerators |= dict.fromkeys(parts, 0)
        if filled:
            points = composition(draw, numerator, len(filled))
            agency.numerators |= zip(filled, points, strict=True)
        agency.sums.append(split)
        if draw(st.booleans()):
            agency.always_hidden.add(parts[-1])
        for part in parts if not cell else ():
            grow(draw, agency, part, draw(st.integers(0, 1)))


@st.composite
def agencies(draw: st.DrawFn) -> Agency:
    size = draw(st.integers(0, 80))
    numerator = draw(st.integers(0, 4 * size))
    agency = Agency({(): size}, {(): numerator}, minimum_n=draw(st.integers(2, 10)))
    grow(draw, agency, (), draw(st.integers(1, 3)))
    return agency


many = settings(max_examples=200, deadline=None)

Row = list[Fraction]


def less(row: Row, other: Row, times: Fraction) -> Row:
    return [a - times * b for a, b in zip(row, other, strict=True)]


def eliminate(rows: list[Row], unknowns: int) -> list[Row]:
    """The reduced echelon form."""
    form: list[Row] = []
    for place in range(unknowns):
        pivot = next((row for row in rows if row[place]), None)
        if pivot is not None:
            one = [value / pivot[place] for value in pivot]
            rows = [less(row, one, row[place]) for row in rows if row is not pivot]
            form = [*(less(row, one, row[place]) for row in form), one]
    return form


def solved(agency: Agency, hidden: AbstractSet[Key], weights: Mapping[Key, int]) -> list[Row]:
    """All that follows about the few, in their order, and the numerators that come out."""
    few = sorted(agency.few())
    others = sorted(cell for cell in hidden if agency.n[cell] >= agency.minimum_n)
    unknowns = [*others, *few]
    rows = []
    for split in agency.sums:
        terms = {split.whole: 1} | {part: -weights.get(part, 1) for part in split.parts}
        told = sum(
            -factor * agency.numerators[cell]
            for cell, factor in terms.items()
            if cell not in unknowns
        )
        rows.append([Fraction(terms.get(cell, 0)) for cell in unknowns] + [Fraction(told)])
    reduced = eliminate(rows, len(unknowns))
    return [row[len(others) :] for row in reduced if not any(row[: len(others)])]


def derived(agency: Agency, hidden: AbstractSet[Key]) -> dict[AbstractSet[Key], Fraction]:
    """Every group of few cells whose numerators' sum follows from what is shown, and that sum."""
    few = sorted(agency.few())
    rows = solved(agency, hidden, {})
    groups: list[Row] = [[Fraction(0)] * (len(few) + 1)]
    for number, row in enumerate(rows, 1):
        final = [place for place in range(len(few)) if not any(r[place] for r in rows[number:])]
        groups += [less(group, row, Fraction(-1)) for group in groups]
        groups = [group for group in groups if {group[place] for place in final} <= {0, 1}]
    return {
        frozenset(cell for cell, factor in zip(few, group, strict=False) if factor): group[-1]
        for group in groups
        if any(group[:-1])
    }


@many
@given(agencies())
def test_nothing_on_few_people_follows_from_what_is_shown(agency: Agency):
    assert agency.leaks(agency.hidden()) == []


@many
@given(agencies())
def test_the_attacker_finds_true_numbers_where_nothing_is_suppressed(agency: Agency):
    for cells, value in derived(agency, agency.few()).items():
        assert value == sum(agency.numerators[cell] for cell in cells)


@many
@given(agencies(), st.data())
def test_no_few_cell_follows_from_weighted_means(agency: Agency, data: st.DataObject):
    weights = {cell: data.draw(st.integers(1, 3)) for cell in agency.n}
    for row in solved(agency, agency.hidden(), weights):
        assert sum(map(bool, row[:-1])) > 1


@many
@given(agencies())
def test_each_suppressed_cell_is_needed(agency: Agency):
    for cell in agency.suppressed():
        [split] = [split for split in agency.sums if cell in split.parts]
        shown = {cell, split.whole} if agency.few() & {*split.parts} else {cell}
        assert agency.leaks(agency.hidden() - shown)


@many
@given(agencies())
def test_only_what_would_be_shown_is_suppressed(agency: Agency):
    assert not agency.suppressed() & (agency.few() | agency.always_hidden)
    assert all(agency.n[cell] for cell in agency.suppressed())


@many
@given(agencies())
def test_of_each_split_one_part_at_most_is_suppressed_and_never_the_total(agency: Agency):
    assert () not in agency.suppressed()
    for split in agency.sums:
        assert len(agency.suppressed() & {*split.parts}) <= 1


@many
@given(agencies())
def test_the_same_cells_are_suppressed_in_whatever_order_the_sums_come(agency: Agency):
    assert agency.suppressed() == complements(
        agency.n, agency.sums[::-1], agency.minimum_n, agency.always_hidden
    )
