"""Peers compared: whose forms make the total, what may be said to help, and what changed."""

from decimal import Decimal
from fractions import Fraction

import pytest
from factories import five_levels, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.domain import methods, period, tally
from app.domain import questionnaire as forms
from app.domain.change import Change
from app.domain.comparison import Counted, Printed, changes
from app.domain.evidence import Evidence, Funnel
from app.domain.figure import Target, Terms
from app.domain.measure import Status
from app.domain.profile_figures import Profiled, of_dossiers, of_scorecard
from app.domain.profiles import QD766, TT01, DossierCounts, Timeliness, tt01
from app.domain.published import PublishedFigure

YEAR, BEFORE = period.parse("2026"), period.parse("2025")
TERMS = Terms(YEAR, minimum_n=5)
FORM = forms.read(
    "form",
    1,
    questionnaire(("access", [five_levels("q1")]), ("staff", [five_levels("q2")])),
)
OTHER = forms.read("other", 1, questionnaire(("cost", [five_levels("q1")])))


def counted(asked=FORM, method="top2-share@1", terms=TERMS, **satisfied):
    """Agencies by how many of how many were satisfied with each question."""
    evidence = {}
    for code, shares in satisfied.items():
        rows = tuple((best, 0, 0, 0, of - best) for best, of in shares)
        tallies = (tally.SurveyTally("s", asked, max(of for _, of in shares), rows),)
        evidence[code] = Evidence(code, tallies, (), (), (), Funnel())
    return Counted(methods.METHODS[method], terms, evidence)


def places(ranking):
    return [(row.place.rank, row.place.agency) for row in ranking.rows]


def statuses(ranking):
    return {code: figure.status.value for code, figure in ranking.figures.items()}


answers = st.integers(0, 12).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))
groups = st.dictionaries(st.sampled_from("ABCDEF"), st.tuples(answers, answers)).map(
    lambda drawn: counted(**drawn)
)


@given(groups, st.sampled_from(["overall", "access", "staff", "cost"]))
def test_the_total_is_what_the_ranked_agencies_show_together(group, criterion):
    ranking = group.ranking(criterion)
    total = group.total(criterion, ranking)
    if not ranking.rows:
        assert total is None
        return
    ratios = [row.figure.measure.ratio for row in ranking.rows]
    assert total.measure.ratio.numerator == sum(ratio.numerator for ratio in ratios)
    assert total.measure.ratio.denominator == sum(ratio.denominator for ratio in ratios)
    assert total.measure.n == sum(row.figure.measure.n for row in ranking.rows)


@given(groups, st.sampled_from(["overall", "access", "staff"]))
def test_every_peer_is_ranked_or_said_why_not(group, criterion):
    ranking = group.ranking(criterion)
    assert set(statuses(ranking)) == set(group.evidence)
    assert statuses(ranking) == {
        code: figure.status.value for code, figure in group.figures(criterion).items()
    }
    for row in ranking.rows:
        assert row.figure.status is Status.OK
        assert row.low <= row.place.rank <= row.high
    better = {row.place.value for row in ranking.rows}
    for row in ranking.rows:
        above = [value for value in better if value > row.place.value]
        assert row.gap_to_next == (min(above) - row.place.value if above else None)


@given(groups)
def test_what_would_help_is_a_criterion_that_is_shown(group):
    for code in group.evidence:
        lever = group.lever(code)
        if lever is not None:
            shown = group.figures(lever.criterion)[code]
            assert (shown.status, shown.measure.value) == (Status.OK, lever.value)


def test_a_criterion_withheld_for_anothers_sake_is_not_named_either():
    three = forms.read("t", 1, questionnaire(*((c, [five_levels(c)]) for c in ("a", "b", "c"))))
    group = counted(three, A=((9, 10), (0, 3), (0, 9)))
    assert {c: group.figures(c)["A"].status.value for c in "abc"} == {
        "a": "ok",
        "b": "too_few",
        "c": "suppressed",
    }
    assert group.lever("A").criterion == "a"


def test_criteria_are_those_of_every_form_with_overall_first():
    group = counted(A=((1, 9), (1, 9)))
    both = {**group.evidence, **counted(OTHER, B=((1, 9),)).evidence}
    assert list(Counted(group.formula, TERMS, both).criteria()) == [
        "overall",
        "access",
        "staff",
        "cost",
    ]
    of_overall = Counted(methods.METHODS["overall-question@1"], TERMS, both)
    assert list(of_overall.criteria()) == ["overall"]


def test_changes_are_told_of_those_who_have_a_value_in_both_periods():
    now = counted(A=((8, 10), (6, 10)), B=((9, 10), (9, 10)), C=((1, 2), (1, 2)))
    before = counted(A=((7, 10), (6, 10)), B=((1, 3), (1, 3)), C=((5, 10), (5, 10)))
    found = changes(now, now.ranking("overall"), before, "overall")
    assert found == {"A": Change(Fraction(5), 1, ())}


def test_a_withheld_peer_was_asked_all_the_same():
    now = counted(A=((8, 10), (6, 10)))
    mixed = {**now.evidence, **counted(OTHER, B=((1, 2),)).evidence}
    together = Counted(now.formula, TERMS, mixed)
    found = changes(together, together.ranking("overall"), together, "overall")
    assert found["A"].comparable
    without = Counted(now.formula, TERMS, {**now.evidence, **counted(OTHER, B=((0, 0),)).evidence})
    found = changes(together, together.ranking("overall"), without, "overall")
    assert found["A"].reasons == ("questionnaire-differs",)


def figure(criterion, value, rank=None, peers=None):
    return PublishedFigure(criterion, {"vi": criterion}, Decimal(value), rank, peers)


PRINTED = Printed(
    Terms(YEAR),
    {
        "A": [figure("access", "70.69", 17, 18), figure("overall", "81.75", 13, 18)],
        "B": [figure("overall", "82.00", 12, 18)],
        "C": [],
    },
    {"A": [Target("overall", YEAR, Decimal(83), own=True)]},
)


def test_printed_places_stand_as_printed_and_are_no_sample():
    ranking = PRINTED.ranking("overall")
    assert (places(ranking), ranking.printed) == ([(12, "B"), (13, "A")], True)
    assert {(row.low, row.high) for row in ranking.rows} == {(None, None)}
    assert [row.gap_to_next for row in ranking.rows] == [None, Fraction(1, 4)]
    assert statuses(ranking)["C"] == "not_asked"
    assert (PRINTED.peer_count("overall"), PRINTED.peer_count("staff")) == (18, 3)
    assert list(PRINTED.criteria()) == ["overall", "access"]
    assert PRINTED.figures("overall")["A"].gap == Decimal("-1.25")
    assert (PRINTED.total("overall", ranking), PRINTED.lever("A")) == (None, None)


def test_without_a_printed_rank_only_the_value_changed():
    bodies = {"A": [figure("overall", "80.0")], "B": [figure("overall", "82.0", 12, 18)]}
    found = changes(
        PRINTED, PRINTED.ranking("overall"), Printed(Terms(BEFORE), bodies, {}), "overall"
    )
    assert (found["A"].value, found["A"].rank, found["B"].rank) == (Fraction(7, 4), None, 0)
    unranked = Printed(Terms(YEAR), bodies, {})
    found = changes(unranked, unranked.ranking("overall"), unranked, "overall")
    assert (found["A"].rank, found["B"].rank) == (None, 0)


def test_a_printed_criterion_more_is_another_questionnaire():
    fewer = Printed(Terms(BEFORE), {**PRINTED.bodies, "A": PRINTED.bodies["A"][1:]}, {})
    found = changes(PRINTED, PRINTED.ranking("overall"), fewer, "overall")
    assert found["A"] == Change(Fraction(0), 0, ("questionnaire-differs",))


NO_DOSSIERS = Timeliness(0, 0, 0)


@pytest.mark.parametrize(
    ("method", "profiles", "expected"),
    [
        (
            QD766,
            {
                "A": of_dossiers(DossierCounts(10, 2, 2, 1, 9), 5),
                "B": of_dossiers(DossierCounts(10, 0, 1, 0, 9), 5),
                "C": of_dossiers(DossierCounts(0, 0, 0, 0, 0), 5),
                "D": of_dossiers(DossierCounts(4, 0, 0, 0, 0), 5),
            },
            {"A": "ok", "B": "ok", "C": "pending", "D": "too_few"},
        ),
        (TT01, {"A": of_scorecard(tt01(NO_DOSSIERS, NO_DOSSIERS, [], None))}, {"A": "pending"}),
    ],
)
def test_a_profile_counts_everything_so_its_ranks_are_sure(method, profiles, expected):
    group = Profiled(method, TERMS, profiles)
    ranking = group.ranking("overall")
    assert statuses(ranking) == expected
    assert places(ranking) == [(1, "B"), (2, "A")][: len(profiles) // 2]
    assert {(row.low, row.high) for row in ranking.rows} <= {(None, None)}
    assert group.peer_count("overall") == len(profiles)
    assert {one.status for one in group.figures("parking").values()} == {Status.NOT_ASKED}
    assert group.lever("A") is None
    assert next(iter(group.criteria())) == "overall"


def test_a_changed_method_is_a_reason_and_other_peers_are_another():
    now = counted(A=((8, 10), (6, 10)), B=((8, 10), (6, 10)))
    before = counted(method="mean-score@1", A=((7, 10), (6, 10)))
    found = changes(now, now.ranking("overall"), before, "overall")
    assert found["A"].reasons == ("peers-differ", "method-differs")
