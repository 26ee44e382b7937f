from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.interval import Leaf
from app.domain.rank_interval import rank_sets

Chance = np.random.Generator
Truth = npt.NDArray[np.float64]
Agency = list[Leaf]

GROUPS = 2000
PEERS = 18
EVEN = np.linspace(0.90, 0.78, PEERS)
A_HAIR = np.arange(PEERS) * 1e-7
BY_TURNS = np.array([20, 3000] * (PEERS // 2))
CRITERIA = np.array([-0.06, -0.03, -0.01, 0.01, 0.03, 0.06])


def pooled(satisfied: int, people: int) -> Agency:
    return [Leaf(satisfied / people, people, 1.0)]


def asked(truth: Truth, people: int | npt.NDArray[np.int64], chance: Chance) -> list[Agency]:
    sizes = np.broadcast_to(people, truth.shape)
    satisfied = chance.binomial(sizes, truth)
    return [pooled(*pair) for pair in zip(satisfied.tolist(), sizes.tolist(), strict=True)]


def asked_six_questions(truth: Truth, people: int, chance: Chance) -> list[Agency]:
    levels = np.sort(truth[:, None] + CRITERIA, axis=1)
    moods = np.diff(levels, axis=1, prepend=0.0, append=1.0)
    happier_than = chance.multinomial(people, moods).cumsum(axis=1)[:, :-1]
    return [[Leaf(share, people, 1 / 6) for share in row] for row in (happier_than / people)]


def scattered(chance: Chance) -> Truth:
    return chance.uniform(0.60, 0.99, PEERS)


def sizes(chance: Chance) -> npt.NDArray[np.int64]:
    return chance.integers(20, 3001, PEERS)


SURVEYS: dict[str, Callable[[Chance], tuple[Truth, list[Agency]]]] = {
    "even": lambda chance: (EVEN, asked(EVEN, 1000, chance)),
    "even, few people": lambda chance: (EVEN, asked(EVEN, 100, chance)),
    "even, any number of people": lambda chance: (EVEN, asked(EVEN, sizes(chance), chance)),
    "anywhere": lambda chance: (
        truth := scattered(chance),
        asked(truth, sizes(chance), chance),
    ),
    "a hair apart": lambda chance: (
        truth := 0.85 - A_HAIR,
        asked(truth, 1000, chance),
    ),
    "a hair apart, few or many people": lambda chance: (
        truth := 0.85 - A_HAIR,
        asked(truth, BY_TURNS, chance),
    ),
    "a hair apart, almost all satisfied": lambda chance: (
        truth := 0.98 - A_HAIR,
        asked(truth, 50, chance),
    ),
    "exactly equal": lambda chance: (
        truth := np.full(PEERS, 0.85),
        asked(truth, 1000, chance),
    ),
    "two clusters": lambda chance: (
        truth := 0.85 - A_HAIR - 0.3 * (np.arange(PEERS) // 9),
        asked(truth, 1000, chance),
    ),
    "three clusters": lambda chance: (
        truth := 0.85 - A_HAIR - 0.2 * (np.arange(PEERS) // 6),
        asked(truth, 1000, chance),
    ),
    "means, even": lambda chance: (EVEN, asked_six_questions(EVEN, 1000, chance)),
    "means, a hair apart": lambda chance: (
        truth := 0.85 - A_HAIR,
        asked_six_questions(truth, 300, chance),
    ),
}


@cache
def simulated(survey: str) -> tuple[Truth, float]:
    chance = np.random.default_rng(2024)
    covered = np.zeros(PEERS)
    places = 0.0
    for _ in range(GROUPS):
        truth, agencies = SURVEYS[survey](chance)
        ranks = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
        low, high = np.array(rank_sets(agencies)).T
        covered += (low <= ranks) & (ranks <= high)
        places += float((high - low + 1).mean())
    return covered / GROUPS, places / GROUPS


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_true_rank_lies_within_in_95_of_100_cases_wherever_the_agencies_stand(
    survey: str,
) -> None:
    covered, _ = simulated(survey)

    assert covered.mean() >= 0.95


@pytest.mark.parametrize("survey", ["even", "anywhere", "a hair apart", "exactly equal"])
def test_each_agency_by_itself_is_covered_in_95_of_100_cases_but_for_chance(survey: str) -> None:
    covered, _ = simulated(survey)

    assert covered.min() >= 0.94


@pytest.mark.parametrize("survey", ["two clusters", "three clusters"])
def test_the_outermost_of_a_small_cluster_is_covered_in_about_90_of_100_cases(survey: str) -> None:
    covered, _ = simulated(survey)

    assert 0.89 <= covered.min() < 0.94


@pytest.mark.parametrize("survey", ["even", "means, even"])
def test_a_thousand_people_narrow_eighteen_evenly_spread_ranks_to_eight_places(
    survey: str,
) -> None:
    _, places = simulated(survey)

    assert places <= 8


def test_a_handful_of_people_says_nothing_of_ranks() -> None:
    answers = [pooled(satisfied, 5) for satisfied in (5, 5, 4, 4, 3, 3)]

    assert rank_sets(answers) == [(1, 6)] * 6


def test_agencies_with_equal_answers_may_have_any_rank() -> None:
    assert rank_sets([pooled(850, 1000)] * 18) == [(1, 18)] * 18


def test_agencies_far_apart_have_their_rank_for_sure() -> None:
    answers = [pooled(satisfied, 1000) for satisfied in (600, 950, 800, 700)]

    assert rank_sets(answers) == [(4, 4), (1, 1), (2, 2), (3, 3)]


def test_all_of_a_few_people_satisfied_does_not_beat_most_of_many() -> None:
    assert rank_sets([pooled(6, 6), pooled(900, 1000)]) == [(1, 2), (1, 2)]
    assert rank_sets([pooled(50, 50), pooled(2790, 3000)]) == [(1, 2), (1, 2)]
    assert rank_sets([pooled(200, 200), pooled(2790, 3000)]) == [(1, 1), (2, 2)]


def test_one_answer_among_few_makes_no_difference() -> None:
    assert rank_sets([pooled(11, 12), pooled(2970, 3000)]) == [(1, 2), (1, 2)]
    assert rank_sets([pooled(1, 12), pooled(30, 3000)]) == [(1, 2), (1, 2)]


def test_a_difference_that_counts_between_two_may_be_chance_in_a_crowd() -> None:
    best, worst, middle = pooled(870, 1000), pooled(835, 1000), pooled(853, 1000)

    assert rank_sets([best, worst]) == [(1, 1), (2, 2)]
    assert rank_sets([best, *[middle] * 16, worst]) == [(1, 18)] * 18


def test_far_agencies_do_not_make_a_crowd() -> None:
    best, worst, far = pooled(870, 1000), pooled(835, 1000), pooled(500, 1000)

    assert rank_sets([best, worst, *[far] * 5]) == [(1, 1), (2, 2), *[(3, 7)] * 5]


@pytest.mark.parametrize(
    ("worst", "far_agencies", "lowest_of_the_best"),
    [(831, 6, 12), (831, 7, 11), (832, 7, 12), (832, 30, 12)],
)
def test_nine_agencies_that_stand_apart_free_three_of_a_crowd_and_more_free_no_more(
    worst: int, far_agencies: int, lowest_of_the_best: int
) -> None:
    crowd = [pooled(870, 1000), *[pooled(852, 1000)] * 10, pooled(worst, 1000)]
    sets = rank_sets(crowd + [pooled(500, 1000)] * far_agencies)

    assert sets[0] == (1, lowest_of_the_best)


def test_six_criteria_of_the_same_people_say_no_more_than_one() -> None:
    counts = (870, 850, 840, 820, 800)
    means = [[Leaf(count / 1000, 1000, 1 / 6)] * 6 for count in counts]

    assert rank_sets(means) == rank_sets([pooled(count, 1000) for count in counts])


def test_a_criterion_of_few_people_makes_the_whole_mean_unsure() -> None:
    sure = [[Leaf(share, 1000, 0.5), Leaf(share, 1000, 0.5)] for share in (0.9, 0.8)]
    unsure = [[Leaf(share, 1000, 0.5), Leaf(share, 10, 0.5)] for share in (0.9, 0.8)]

    assert rank_sets(sure) == [(1, 1), (2, 2)]
    assert rank_sets(unsure) == [(1, 2), (1, 2)]


def test_a_group_of_one_is_first_and_a_group_of_none_has_no_ranks() -> None:
    assert rank_sets([pooled(3, 7)]) == [(1, 1)]
    assert rank_sets([]) == []


def test_ten_thousand_agencies_are_ranked_too() -> None:
    chance = np.random.default_rng(7)
    truth = np.linspace(0.99, 0.60, 10_000)
    sets = rank_sets(asked(truth, chance.integers(5, 3000, 10_000), chance))

    covered = [low <= place <= high for place, (low, high) in enumerate(sets, 1)]
    assert sum(covered) >= 9_500
    assert sum(high - low for low, high in sets) < 10_000 * 5_000


people = st.integers(1, 5000)
shares = people.flatmap(lambda n: st.builds(pooled, st.integers(0, n), st.just(n)))
groups = st.lists(shares, min_size=1, max_size=12)


def ranks(group: Sequence[Agency]) -> list[int]:
    values = [agency[0].share for agency in group]
    return [1 + sum(other > value for other in values) for value in values]


@given(groups)
def test_the_rank_that_is_shown_lies_between_its_limits(group: list[Agency]) -> None:
    for rank, (low, high) in zip(ranks(group), rank_sets(group), strict=True):
        assert 1 <= low <= rank <= high <= len(group)


@given(groups, st.randoms(use_true_random=False))
def test_the_order_in_which_agencies_are_named_does_not_matter(group, random) -> None:
    order = list(range(len(group)))
    random.shuffle(order)
    sets = rank_sets(group)

    assert rank_sets([group[i] for i in order]) == [sets[i] for i in order]


@given(groups)
def test_whoever_is_surely_above_has_somebody_surely_below(group: list[Agency]) -> None:
    sets = rank_sets(group)

    assert sum(low - 1 for low, _ in sets) == sum(len(group) - high for _, high in sets)


@given(groups)
def test_equal_answers_have_equal_limits(group: list[Agency]) -> None:
    sets = rank_sets(group + group)

    assert sets[: len(group)] == sets[len(group) :]


@given(st.lists(st.tuples(people, people).map(sorted), min_size=1, max_size=12))
def test_counting_the_dissatisfied_turns_the_ranks_upside_down(counts) -> None:
    satisfied = rank_sets([pooled(some, every) for some, every in counts])
    dissatisfied = rank_sets([pooled(every - some, every) for some, every in counts])

    size = len(counts)
    assert dissatisfied == [(size + 1 - high, size + 1 - low) for low, high in satisfied]
