"""Sample sizes, held against sums over all samples that could be drawn."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sample_size import forms_to_send, sample_size

FIVE_POINTS = Fraction(5, 100)
LEFT_OUT = Fraction(1, 40)
COUNTRY = 100_000_000

populations = st.integers(1, 100_000)
errors = st.integers(10, 5000).map(lambda drawn: Fraction(drawn, 10_000))


def at_most(seen, population, n, satisfied):
    """The chance of at most so many satisfied: the samples that show it, of all samples."""
    others = population - satisfied
    samples = sum(comb(satisfied, k) * comb(others, n - k) for k in range(seen + 1))
    return Fraction(samples, comb(population, n))


def limits(population, n, seen):
    """How far the exact limits lie below and above the share seen."""
    possible = range(seen, population - n + seen + 1)
    not_too_many = [k for k in possible if at_most(seen, population, n, k) >= LEFT_OUT]
    not_too_few = [
        k for k in possible if at_most(n - seen, population, n, population - k) >= LEFT_OUT
    ]
    share = Fraction(seen, n)
    return share - Fraction(not_too_few[0], population), Fraction(
        not_too_many[-1], population
    ) - share


@pytest.mark.parametrize(
    ("population", "error", "expected"),
    [
        (2000, FIVE_POINTS, 334),  # 2000 / (1 + 2000 x 0.0025) = 333.33
        (10_000, FIVE_POINTS, 385),  # 10000 / 26 = 384.6
        (1200, FIVE_POINTS, 300),  # 1200 / 4, to the full
        (1, FIVE_POINTS, 1),
        (COUNTRY, Fraction(1, 1000), 990_100),  # 10^8 / 101 = 990099.01
    ],
)
def test_yamanes_formula_by_hand(population, error, expected):
    assert sample_size(population, error).yamane.n == expected


@pytest.mark.parametrize("population", [*range(1, 25), 40, 61])
def test_from_the_exact_size_on_every_size_keeps_within_the_error(population):
    upper = {n: limits(population, n, n // 2)[1] for n in range(1, population + 1)}
    for hundredths in (Fraction(1, 10), 1, 2, 5, 8, 10, 15, 20, 30, 40, 50):
        error = Fraction(hundredths) / 100
        too_small = [n for n, distance in upper.items() if distance > error]
        found = sample_size(population, error)
        assert found.exact.n == max(too_small, default=0) + 1
        assert found.exact.error == upper[found.exact.n]
        assert found.yamane.error == upper[found.yamane.n]


def test_no_limit_is_further_than_the_upper_one_by_a_whole_person():
    for population in (7, 20, 33):
        for n in range(1, population + 1):
            below, above = limits(population, n, n // 2)
            assert below - above < Fraction(1, population)
            assert n % 2 or below == above


def test_a_step_from_even_to_odd_can_widen_the_interval():
    assert sample_size(COUNTRY, Fraction(1, 2)).exact.n == 4  # 2 would do, 3 would not


def test_of_a_whole_country_the_exact_size_is_clopper_and_pearsons():
    def chance(n):
        share = Fraction(n // 2, n) + FIVE_POINTS
        return sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n // 2 + 1))

    assert sample_size(COUNTRY, FIVE_POINTS).exact.n == 402
    assert [n for n in range(395, 412) if chance(n) >= LEFT_OUT] == list(range(395, 402))


def test_of_a_large_share_of_a_country_it_is_what_the_normal_distribution_says():
    found = sample_size(COUNTRY, Fraction(1, 1000)).exact.n
    endless = 1.959964**2 / 4 / 0.001**2 + 1 / 0.001  # the last for whole answers
    assert found == pytest.approx(endless / (1 + endless / COUNTRY), rel=1e-5)


def test_whoever_asks_everybody_is_sure():
    found = sample_size(50, Fraction(1, 1000))
    assert (found.yamane.n, found.yamane.error) == (50, 0)
    assert (found.exact.n, found.exact.error) == (50, 0)


@given(populations, errors)
def test_the_exact_size_keeps_the_error_and_no_sample_is_larger_than_the_population(
    population, error
):
    found = sample_size(population, error)
    assert 1 <= found.yamane.n <= population
    assert 1 <= found.exact.n <= population
    assert 0 <= found.exact.error <= error


@given(populations, errors, errors)
def test_a_smaller_error_never_needs_a_smaller_sample(population, one, other):
    fine, coarse = (sample_size(population, error) for error in sorted((one, other)))
    assert fine.yamane.n >= coarse.yamane.n
    assert fine.exact.n >= coarse.exact.n


@given(populations, populations, errors)
def test_a_larger_population_never_needs_a_smaller_sample(one, other, error):
    small, large = (sample_size(population, error) for population in sorted((one, other)))
    assert small.yamane.n <= large.yamane.n
    assert small.exact.n <= sample_size(COUNTRY, error).exact.n


@pytest.mark.parametrize(
    ("n", "rate", "expected"),
    [
        (334, Fraction(60, 100), 557),  # 556.67
        (300, Fraction(1, 2), 600),
        (334, Fraction(1), 334),
        (1000, Fraction(1, 2), 2000),
        (1001, Fraction(1, 2), None),
    ],
)
def test_enough_forms_are_sent_out_for_the_answers_to_come_back(n, rate, expected):
    assert forms_to_send(n, 2000, rate) == expected
