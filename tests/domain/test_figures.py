"""Rounding, targets, intervals and ranks."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import period, ranking
from app.domain.figure import Target, Terms, half_up, judge, target_for
from app.domain.interval import wilson
from app.domain.measure import Level, Measure, Status
from app.domain.period import Period

YEAR = period.parse("2022")
TERMS = Terms(YEAR, minimum_n=5)


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        (Fraction(40, 3), "13.33"),
        (Fraction(81745, 1000), "81.75"),
        (Fraction(5, 1000), "0.01"),
        (Fraction(-125, 1000), "-0.13"),
        (Fraction(99995, 1000), "100.00"),
    ],
)
def test_halves_are_rounded_up(exact, shown):
    assert half_up(exact) == Decimal(shown)


@given(st.fractions(-200, 200), st.integers(0, 4))
def test_rounding_moves_a_value_by_at_most_half_a_unit(exact, decimals):
    shown = half_up(exact, decimals)
    assert abs(Fraction(shown) - exact) <= Fraction(1, 2 * 10**decimals)
    assert shown == 0 or (shown > 0) == (exact > 0)


def test_wilson_of_35_in_38_is_79_to_97_percent():
    low, high = wilson(Fraction(35, 38), 38)
    assert (round(low), round(high)) == (79, 97)


def test_wilson_of_30_in_30_begins_at_88_65():
    low, high = wilson(Fraction(1), 30)
    assert (half_up(low), half_up(high)) == (Decimal("88.65"), Decimal("100.00"))


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_narrows_with_n(drawn):
    satisfied, n = drawn
    share = Fraction(satisfied, n)
    low, high = wilson(share, n)
    assert 0 <= low <= float(100 * share) + 1e-9
    assert float(100 * share) - 1e-9 <= high <= 100
    narrow_low, narrow_high = wilson(share, 4 * n)
    assert narrow_high - narrow_low < high - low


def measure(value: Fraction | None, n: int = 100) -> Measure:
    status = Status.OK if value is not None else Status.PENDING
    return Measure(Level.OVERALL, "overall", {"vi": "x"}, status, n, value)


OVERALL = measure(Fraction(90))


def target(value: str, span: str = "2022", *, own: bool = False) -> Target:
    return Target("overall", period.parse(span), Decimal(value), own)


def test_a_target_is_met_by_the_exact_value_not_the_rounded_one():
    figure = judge(measure(Fraction(829_951, 10_000)), TERMS, [target("83")], [])
    assert (figure.value, figure.gap, figure.met) == (Decimal("83.00"), Decimal("0.00"), False)


def test_a_figure_on_too_few_answers_is_withheld_with_its_gap():
    figure = judge(measure(Fraction(90), n=4), TERMS, [target("83")], [])
    assert (figure.status, figure.value, figure.gap, figure.met) == (
        Status.TOO_FEW,
        None,
        None,
        None,
    )
    assert figure.measure.low is None


def test_a_target_of_nought_is_a_target():
    figure = judge(measure(Fraction(1)), TERMS, [target("0")], [])
    assert (figure.gap, figure.met) == (Decimal("1.00"), True)


def test_an_agencys_own_target_comes_before_its_groups():
    aims = [target("83"), target("90", own=True)]
    assert target_for(aims, OVERALL, YEAR).value == 90


def test_the_target_of_the_shortest_period_around_holds():
    aims = [target("83"), target("80", "2022-Q3")]
    assert target_for(aims, OVERALL, period.parse("2022-07")).value == 80
    assert target_for(aims, OVERALL, YEAR).value == 83
    assert target_for(aims, OVERALL, period.parse("2023")) is None
    assert target_for(aims, replace(OVERALL, code="access"), YEAR) is None
    assert target_for(aims, replace(OVERALL, level=Level.QUESTION), YEAR) is None


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2022", date(2022, 1, 1), date(2022, 12, 31)),
        ("2022-Q3", date(2022, 7, 1), date(2022, 9, 30)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
    ],
)
def test_periods_are_whole_months(text, first, last):
    assert period.parse(text) == Period(first, last)


@pytest.mark.parametrize(
    "text", ["", "22", "2022-Q5", "2022-13", "2022-7", "1999", "2100", "２０２２"]
)
def test_what_is_no_period_is_refused(text):
    with pytest.raises(ValueError, match="not a period"):
        period.parse(text)


def test_equal_exact_values_share_a_rank_and_the_next_is_skipped():
    values = {"a": Fraction(90), "b": Fraction(85), "c": Fraction(85), "d": Fraction(80)}
    assert [(row.rank, row.agency, row.tied_with) for row in ranking.rank(values)] == [
        (1, "a", ()),
        (2, "b", ("c",)),
        (2, "c", ("b",)),
        (4, "d", ()),
    ]


def test_values_that_only_look_equal_do_not_share_a_rank():
    values = {"a": Fraction(2, 3), "b": Fraction(66667, 100_000)}
    assert [row.agency for row in ranking.rank(values)] == ["b", "a"]


@given(st.dictionaries(st.text("abc", min_size=1), st.fractions(0, 100), max_size=30))
def test_a_rank_is_one_more_than_the_number_of_better_agencies(values):
    for row in ranking.rank(values):
        assert row.rank == 1 + sum(other > row.value for other in values.values())


def test_printed_ranks_stand_as_printed_and_no_rank_is_invented_beside_them():
    values = {"a": Fraction(90), "b": Fraction(85)}
    assert [(row.rank, row.agency) for row in ranking.printed(values, {"b": 13})] == [
        (13, "b"),
        (None, "a"),
    ]
