"""The criterion whose rise helps most, by hand and by rules that every method keeps."""

from dataclasses import replace
from fractions import Fraction

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.domain import questionnaire as forms
from app.domain.advice import lever
from app.domain.measure import Base, Level
from app.domain.methods import METHODS, measures
from app.domain.tally import SurveyTally

TIMELINESS = {
    "code": "q4",
    "text": {"vi": "Thời gian trả kết quả"},
    "options": [option("early"), option("on_time"), option("late")],
}
FORM = forms.read(
    "form",
    1,
    questionnaire(
        ("access", [five_levels("q1")]),
        ("attitude", [five_levels("q2"), five_levels("q3", na=True)]),
        ("return_time", [TIMELINESS]),
        ("general", [five_levels("q5")]),
        overall="q5",
        weights={"access": 3},
    ),
)
BEST, WORST = (10, 0, 0, 0, 0), (0, 0, 0, 0, 10)
FOUND = SurveyTally(
    "s", FORM, 10, ((6, 2, 1, 1, 0), (5, 5, 0, 0, 0), (4, 2, 2, 1, 1, 0), (0, 0, 10), WORST)
)
WITH_CRITERIA = [method for method in METHODS.values() if Level.CRITERION in method.levels]

counts = st.integers(0, 30)
tallies = st.tuples(*[st.tuples(*[counts] * size) for size in (5, 5, 6, 3, 5)]).map(
    lambda drawn: SurveyTally("s", FORM, max(sum(row) for row in drawn), drawn)
)
ways = st.sampled_from([(method, base) for method in WITH_CRITERIA for base in method.bases])


def advised(method, *found, base=Base.ANSWERS, hidden=()):
    return lever(METHODS[method], found, base, hidden)


def named(method, *found, **more):
    found = advised(method, *found, **more)
    return found and (found.criterion, found.value, found.lift)


@pytest.mark.parametrize(
    ("method", "criterion", "value", "lift"),
    [
        # satisfied 8, 10 and 6 of 10 each; attitude lost 4 of 30
        ("top2-share@1", "attitude", 80, Fraction(400, 30)),
        # 80 and 80: the first of the form; (100 - 80) / 2
        ("mean-of-criteria@1", "access", 80, 10),
        # 80 with weight 3 and 80 with weight 1: 3 x 20 / 4
        ("weighted-criteria@1", "access", 80, 15),
        # 80, 100 and 60: attitude lost 0 + 40 of 3 x 100
        ("mean-of-questions@1", "attitude", 80, Fraction(40, 3)),
        # steps 33, 35 and 27 of 40: attitude has 62 of 80 and lost 18 of 120
        ("mean-score@1", "attitude", Fraction(6200, 80), 15),
        # points 43, 45 and 37 of 50: attitude has 82 of 100 and lost 18 of 150
        ("share-of-maximum@1", "attitude", 82, 12),
    ],
)
def test_each_method_by_hand(method, criterion, value, lift):
    assert named(method, FOUND) == (criterion, value, lift)


def test_the_criterion_has_the_name_of_the_form():
    assert advised("top2-share@1", FOUND).name == {"vi": "Tiêu chí attitude"}


def test_surveys_count_together():
    other = replace(FOUND, survey="s2", counts=(WORST, *FOUND.counts[1:]))
    # access has 8 of 20 and lost 12 of 60, attitude lost 8
    assert named("top2-share@1", FOUND, other) == ("access", 40, 20)


def test_a_withheld_criterion_is_never_named():
    assert named("top2-share@1", FOUND, hidden={"attitude"}) == ("access", 80, Fraction(200, 30))
    assert named("top2-share@1", FOUND, hidden={"attitude", "access"}) is None


@pytest.mark.parametrize("method", ["overall-question@1", "mean-of-units@1"])
def test_an_index_without_criteria_has_no_lever(method):
    assert named(method, FOUND) is None


def test_where_nothing_is_lost_nothing_helps():
    content = replace(FOUND, counts=(BEST, BEST, (5, 5, 0, 0, 0, 0), (0, 0, 10), WORST))
    assert named("top2-share@1", content) is None
    assert named("mean-score@1", content) == ("attitude", Fraction(375, 4), Fraction(25, 6))


def test_an_index_without_a_value_has_no_lever():
    unanswered = replace(FOUND, counts=((0,) * 5, *FOUND.counts[1:]))
    assert named("mean-of-criteria@1", unanswered) is None
    assert named("top2-share@1", unanswered) == ("attitude", 80, 20)
    assert named("top2-share@1") is None


def test_the_overall_question_lifts_an_index_only_where_nothing_else_is_asked():
    form = forms.read("f", 1, questionnaire(("general", [five_levels("q1")]), overall="q1"))
    alone = SurveyTally("s", form, 10, ((5, 2, 3, 0, 0),))
    assert named("top2-share@1", alone) == ("general", 70, 30)
    others = {"access", "attitude", "return_time"}
    assert named("top2-share@1", FOUND, hidden=others) is None


def test_a_criterion_without_weight_lifts_nothing():
    form = forms.read(
        "f",
        1,
        questionnaire(("a", [five_levels("q1")]), ("b", [five_levels("q2")]), weights={"a": 0}),
    )
    found = SurveyTally("s", form, 10, (WORST, (9, 0, 0, 0, 1)))
    assert named("weighted-criteria@1", found) == ("b", 90, 10)


def test_of_forms_what_was_not_answered_is_lost_too():
    found = replace(FOUND, forms=16)
    # access has 8 of 16 and lost 8, attitude 16 of 32 and lost 16, of 48
    assert named("top2-share@1", found, base=Base.FORMS) == ("attitude", 50, Fraction(100, 3))


def test_what_does_not_apply_is_not_lost():
    found = replace(FOUND, counts=(*FOUND.counts[:2], (4, 2, 0, 0, 0, 4), *FOUND.counts[3:]))
    assert named("top2-share@1", found) == ("access", 80, Fraction(200, 26))


def test_more_satisfied_answers_than_forms_lose_nothing_and_lift_nothing():
    crowded, half_lost = (8, 0, 0, 0, 0), (2, 0, 4, 0, 0)
    flawed = replace(
        FOUND, forms=6, counts=(crowded, half_lost, (*half_lost, 0), *FOUND.counts[3:])
    )
    assert named("top2-share@1", flawed, base=Base.FORMS) is None


def test_a_criterion_with_answers_but_no_forms_has_no_value_and_is_not_named():
    form = forms.read("f", 1, questionnaire(("fees", [five_levels("q1")])))
    assert named("top2-share@1", FOUND, SurveyTally("s2", form, 0, (WORST,))) == (
        "attitude",
        80,
        10,
    )


@given(st.lists(tallies, max_size=2), ways)
def test_a_lift_is_a_gain_and_leads_no_further_than_a_hundred(found, way):
    method, base = way
    index = measures(method, found, Level.OVERALL, base)[0].value
    best = lever(method, found, base)
    if best is not None:
        assert best.lift > 0
        assert index + best.lift <= 100
    elif index is not None:
        assert index == 100


@given(st.lists(tallies, min_size=1, max_size=2), ways)
def test_no_other_criterion_lifts_the_index_more(found, way):
    method, base = way
    best = lever(method, found, base)
    codes = [criterion.code for criterion in FORM.criteria]
    alone = [lever(method, found, base, set(codes) - {code}) for code in codes]
    lifts = [0 if one is None else one.lift for one in alone]
    assert max(lifts) == (0 if best is None else best.lift)
    assert best is None or best.criterion == codes[lifts.index(max(lifts))]


@given(tallies)
def test_the_lift_is_what_a_clerk_would_reckon(found):
    asked = list(found.questions)[:3]
    lost = [question.answers - question.satisfied for question in asked]
    answers = sum(question.answers for question in asked)
    pooled = advised("top2-share@1", found, hidden={"access"})
    if pooled is not None:
        assert pooled.lift == Fraction(100 * (lost[1] + lost[2]), answers)
    mean = advised("mean-of-criteria@1", found, hidden={"access"})
    if mean is not None:
        assert mean.lift == (100 - mean.value) / 2
    weighted = advised("weighted-criteria@1", found, hidden={"attitude"})
    if weighted is not None:
        assert weighted.lift == 3 * (100 - weighted.value) / 4
