"""The formulas, tried on the published figures and on whatever Hypothesis thinks of."""

from fractions import Fraction

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.domain import methods, tally
from app.domain import questionnaire as forms
from app.domain.errors import MethodNotApplicableError, MethodNotFoundError
from app.domain.measure import Base, Level, Status

TIMELINESS = {
    "code": "q3",
    "text": {"vi": "Thời gian trả kết quả"},
    "options": [option("early"), option("on_time"), option("late")],
}
DOCUMENT = questionnaire(
    ("access", [five_levels("q1"), five_levels("q2", na=True)]),
    ("return_time", [TIMELINESS]),
    ("overall", [five_levels("q4")]),
    overall="q4",
    weights={"access": 3},
)
FORM = forms.read("form", 1, DOCUMENT)

counts = st.integers(0, 200)
tallies = st.tuples(
    counts,
    st.tuples(*[counts] * 5),
    st.tuples(*[counts] * 6),
    st.tuples(*[counts] * 3),
    st.tuples(*[counts] * 5),
).map(lambda drawn: tally.SurveyTally("s", FORM, drawn[0], drawn[1:]))


def one(*levels: int, forms_counted: int | None = None) -> tally.SurveyTally:
    """A tally of one 5-level question, best level first."""
    form = forms.read("one", 1, questionnaire(("c", [five_levels("q1")]), overall="q1"))
    counts = (*levels, 0, 0, 0, 0, 0)[:5]
    return tally.SurveyTally("s", form, forms_counted or sum(levels), (counts,))


def value(method: str, *found: tally.SurveyTally, level: Level = Level.OVERALL) -> Fraction | None:
    return methods.measures(methods.METHODS[method], found, level, Base.ANSWERS)[0].value


def test_the_overall_question_of_khanh_hoa_pools_both_questionnaires():
    part_a, part_b = one(9, 4, 0, 0, 0), one(9, 8, 0, 0, 0)
    (measure,) = methods.measures(
        methods.METHODS["overall-question@1"], [part_a, part_b], Level.OVERALL, Base.ANSWERS
    )
    assert (measure.value, measure.ratio.numerator, measure.ratio.denominator) == (100, 30, 30)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("top2-share@1", Fraction(200, 3)),  # 2 of 3 satisfied
        ("mean-score@1", Fraction(200, 3)),  # (5 + 4 + 2) / 3 = 11/3; (11/3 - 1) / 4
        ("share-of-maximum@1", Fraction(1100, 15)),  # 11 points of 15
    ],
)
def test_three_answers_worked_by_hand(method, expected):
    assert value(method, one(1, 1, 0, 1, 0)) == expected


def test_does_not_apply_stays_out_of_the_denominator():
    form = forms.read("f", 1, questionnaire(("c", [five_levels("q1", na=True)])))
    assert value("top2-share@1", tally.SurveyTally("s", form, 10, ((1, 1, 0, 0, 2, 6),))) == 50


def test_the_overall_question_stands_apart_from_the_criteria():
    found = tally.SurveyTally(
        "s", FORM, 10, ((10, 0, 0, 0, 0), (10, 0, 0, 0, 0, 0), (0, 0, 0), (0, 0, 0, 0, 10))
    )
    assert value("top2-share@1", found) == 100
    assert value("mean-of-criteria@1", found) == 100
    assert value("overall-question@1", found) == 0


def test_weights_count():
    document = questionnaire(
        ("a", [five_levels("q1")]), ("b", [five_levels("q2")]), weights={"a": 3, "b": 1}
    )
    form = forms.read("f", 1, document)
    found = tally.SurveyTally("s", form, 4, ((4, 0, 0, 0, 0), (0, 0, 0, 0, 4)))
    assert value("weighted-criteria@1", found) == 75
    assert value("mean-of-criteria@1", found) == 50


def test_a_question_without_a_scale_is_exempt_and_keeps_its_counts():
    found = tally.SurveyTally("s", FORM, 13, ((0,) * 5, (0,) * 6, (3, 10, 0), (0,) * 5))
    by_question = methods.measures(
        methods.METHODS["top2-share@1"], [found], Level.QUESTION, Base.ANSWERS
    )
    assert [measure.status for measure in by_question] == [
        Status.PENDING,
        Status.PENDING,
        Status.EXEMPT,
        Status.PENDING,
    ]
    assert by_question[2].n == 13


def test_a_mean_waits_for_all_its_parts():
    document = questionnaire(("a", [five_levels("q1")]), ("b", [five_levels("q2")]))
    form = forms.read("f", 1, document)
    found = tally.SurveyTally("s", form, 4, ((4, 0, 0, 0, 0), (0, 0, 0, 0, 0)))
    (measure,) = methods.measures(
        methods.METHODS["mean-of-criteria@1"], [found], Level.OVERALL, Base.ANSWERS
    )
    assert (measure.status, measure.value) == (Status.PENDING, None)


def test_nothing_asked_is_not_asked():
    for method in methods.METHODS.values():
        (measure,) = methods.measures(method, [], Level.OVERALL, Base.ANSWERS)
        assert measure.status is Status.NOT_ASKED


def test_units_weigh_the_same_whatever_their_size():
    units = {"A1": [one(100, 0, 0, 0, 0)], "A2": [one(0, 0, 0, 0, 5)]}
    measure, used = methods.mean_of_units(units, Base.ANSWERS, 5)
    assert (measure.value, measure.n, used) == (50, 5, ["A1", "A2"])


def test_units_with_too_few_answers_are_left_out_of_the_mean():
    units = {"A1": [one(0, 0, 0, 0, 4)], "A2": [one(100, 0, 0, 0, 0)]}
    measure, used = methods.mean_of_units(units, Base.ANSWERS, 5)
    assert (measure.value, used) == (100, ["A2"])


def test_a_unit_whose_own_share_is_withheld_is_left_out_of_the_mean_of_units():
    marked = {"code": "q2", "text": {"vi": "q2"}}
    marked |= {"options": [option("yes", satisfied=True), option("no", satisfied=False)]}
    form = forms.read("f", 1, questionnaire(("c", [five_levels("q1"), marked])))
    few = tally.SurveyTally("s", form, 20, ((6, 6, 8, 0, 0), (1, 2)))
    many = tally.SurveyTally("s", form, 100, ((60, 0, 40, 0, 0), (0, 0)))
    measure, used = methods.mean_of_units({"few": [few], "many": [many]}, Base.ANSWERS, 5)
    assert (used, measure.value) == (["many"], 60)


@pytest.mark.parametrize(
    ("units", "status"),
    [([], Status.NOT_ASKED), ([one(0)], Status.PENDING), ([one(4)], Status.TOO_FEW)],
)
def test_a_mean_of_units_says_why_it_has_no_value(units, status):
    measure, _ = methods.mean_of_units(dict(enumerate([unit] for unit in units)), Base.ANSWERS, 5)
    assert (measure.status, measure.value) == (status, None)


def test_a_flawed_sheet_speaks_for_no_more_people_than_it_has_forms():
    flawed = one(6, 7, 2, 0, 0, forms_counted=13)
    (measure,) = methods.measures(
        methods.METHODS["top2-share@1"], [flawed], Level.QUESTION, Base.ANSWERS
    )
    assert (measure.n, measure.ratio.denominator) == (13, 15)
    by_option = methods.measures(
        methods.METHODS["top2-share@1"], [flawed], Level.OPTION, Base.ANSWERS
    )
    assert sum(option.value for option in by_option) == 100


def test_shares_of_forms_count_those_who_did_not_answer():
    found = one(5, 0, 0, 0, 0, forms_counted=10)
    (measure,) = methods.measures(
        methods.METHODS["overall-question@1"], [found], Level.OVERALL, Base.FORMS
    )
    assert (measure.value, measure.n) == (50, 10)


def test_methods_refuse_what_they_do_not_make():
    with pytest.raises(MethodNotFoundError):
        methods.find("sipas@1", Level.OVERALL, Base.ANSWERS, methods.At())
    with pytest.raises(MethodNotApplicableError) as refused:
        methods.find("mean-of-units@1", Level.QUESTION, Base.ANSWERS, methods.At())
    assert [fault.pointer for fault in refused.value.faults] == ["/query/by"]
    with pytest.raises(MethodNotApplicableError):
        methods.find("mean-score@1", Level.OVERALL, Base.FORMS, methods.At())


@given(tallies)
def test_every_value_lies_between_nought_and_a_hundred(found):
    for method in methods.METHODS.values():
        for level in method.levels:
            for measure in methods.measures(method, [found], level, Base.ANSWERS):
                assert measure.value is None or 0 <= measure.value <= 100
                assert (measure.value is None) is (measure.status is not Status.OK)


@given(tallies, st.integers(1, 50))
def test_more_of_the_best_answers_never_lower_an_index(found, extra):
    best = tuple(
        tuple(n + extra if o == 0 and q != 2 else n for o, n in enumerate(row))
        for q, row in enumerate(found.counts)
    )
    better = tally.SurveyTally("s", FORM, found.forms + extra, best)
    for method in methods.METHODS:
        before, after = value(method, found), value(method, better)
        assert before is None or after is None or before <= after


@given(tallies, tallies)
def test_pooling_two_surveys_equals_one_survey_with_all_answers(first, second):
    counts = tuple(
        tuple(a + b for a, b in zip(mine, theirs, strict=True))
        for mine, theirs in zip(first.counts, second.counts, strict=True)
    )
    together = tally.SurveyTally("s", FORM, first.forms + second.forms, counts)
    for method in ("top2-share@1", "mean-of-criteria@1", "mean-score@1", "overall-question@1"):
        assert value(method, first, second) == value(method, together)


@given(tallies)
def test_the_shares_of_a_questions_options_add_up_to_a_hundred(found):
    by_option = methods.measures(
        methods.METHODS["top2-share@1"], [found], Level.OPTION, Base.ANSWERS
    )
    shares: dict[str, Fraction] = {}
    for measure in by_option:
        if measure.value is not None:
            question = measure.code.partition(":")[0]
            shares[question] = shares.get(question, Fraction(0)) + measure.value
    assert set(shares.values()) <= {Fraction(100)}
