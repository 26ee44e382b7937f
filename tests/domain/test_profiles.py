"""The profiles of two official regimes: their arithmetic by hand, and at its borders."""

from decimal import Decimal
from fractions import Fraction

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.domain import profiles
from app.domain import questionnaire as forms
from app.domain.figure import Terms
from app.domain.measure import Level, Status
from app.domain.period import parse
from app.domain.profile_figures import judged, of_dossiers
from app.domain.profile_names import GRADES
from app.domain.profiles import (
    DossierCounts,
    Earned,
    IndexScore,
    Scorecard,
    SelfAssessment,
    Source,
    Timeliness,
    dissatisfied,
    tt01,
    withhold,
)
from app.domain.tally import SurveyTally

NONE = Timeliness(0, 0, 0)
FULL = SelfAssessment(
    {"5": 2, "6": 2, "8": 2, "9": 2}, {"2": (1, 0, 0), "3": (1, 0, 0), "4": (1, 0, 0)}
)

numbers = st.integers(0, 500)
timelinesses = st.builds(Timeliness, numbers, numbers, numbers)
threes = st.tuples(numbers, numbers, numbers)
assessments = st.builds(
    SelfAssessment,
    st.dictionaries(st.sampled_from(["5", "6", "8", "9"]), st.integers(0, 2)),
    st.dictionaries(st.sampled_from(["2", "3", "4"]), threes),
)


def question(code, *options):
    return {"code": code, "text": {"vi": code}, "options": list(options)}


def form(*questions, overall=None):
    criteria = questionnaire(("c", list(questions)), overall=overall)
    return forms.read("form", 1, criteria)


def scored(code, *scores):
    return question(code, *(option(str(score), score=score) for score in scores))


def asked(number, counts):
    """A tally of one question for an index, its options worth 2, 1 and 0, and one not counted."""
    two_one_none = [option(str(score), score=score) for score in (2, 1, 0)]
    options = [*two_one_none, option("na", score=2, counted=False)]
    document = questionnaire((f"tt01-{number}", [question("q", *options)]))
    return SurveyTally("s", forms.read("f", 1, document), sum(counts), ((*counts, 7),))


def card(*points):
    """A scorecard whose indices have these points, in tenths."""
    return Scorecard(
        tuple(
            IndexScore(number, Source.DOSSIERS, tenths, 10)
            for number, tenths in zip("123456789", points, strict=True)
        )
    )


def by_number(found):
    return {index.number: index for index in found.indices}


def test_a_dossier_late_and_badly_rated_is_subtracted_once():
    counts = DossierCounts(returned=200, late=20, dissatisfied=15, both=5, rated=90)
    assert (counts.satisfied, counts.value) == (170, Fraction(85))


def test_an_unrated_dossier_counts_as_satisfied():
    assert DossierCounts(returned=7, late=0, dissatisfied=0, both=0, rated=0).value == 100


def test_without_a_returned_dossier_there_is_no_share():
    assert DossierCounts(0, 0, 0, 0, 0).value is None


@pytest.mark.parametrize(
    ("rated", "status"), [(0, "ok"), (1, "too_few"), (4, "too_few"), (5, "ok")]
)
def test_the_share_is_withheld_where_few_rated(rated, status):
    profile = of_dossiers(DossierCounts(12, 2, 0, 0, rated), 5)
    (figure,) = judged(profile, Level.OVERALL, Terms(parse("2026"), minimum_n=5))
    assert figure.status.value == status
    assert (figure.value is None) is (status == "too_few")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_the_share_is_of_dossiers_that_are_neither_late_nor_badly_rated(drawn):
    late, bad = (sum(one[place] for one in drawn) for place in (0, 1))
    counts = DossierCounts(len(drawn), late, bad, sum(all(one) for one in drawn), bad)
    assert counts.satisfied == sum(not any(one) for one in drawn)
    assert counts.value == Fraction(100 * counts.satisfied, len(drawn))


@pytest.mark.parametrize(
    ("scores", "places"),
    [
        ((5, 4, 3, 2, 1), {4, 5}),
        ((1, 2, 3, 4, 5), {1, 2}),
        ((3, 2, 1), {3}),
        ((4, 3, 2, 1), {3, 4}),
        ((2, 1), {2}),
        ((10, 4, 0), {2, 3}),
        ((0, -1, -2), {3}),
    ],
)
def test_not_satisfied_is_below_the_middle_of_the_scale(scores, places):
    assert set(dissatisfied(form(scored("q", *scores)))) == {(1, place) for place in places}


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=6, unique=True))
def test_the_worst_answer_means_not_satisfied_and_the_best_never_does(scores):
    found = {scores[place - 1] for _, place in dissatisfied(form(scored("q", *scores)))}
    assert min(scores) in found
    assert max(scores) not in found


def test_an_answer_that_is_not_counted_says_nothing():
    form_with_na = form(
        question(
            "q", option("3", score=3), option("2", score=2), option("0", score=0, counted=False)
        )
    )
    assert list(dissatisfied(form_with_na)) == [(1, 2)]


def test_without_scores_not_satisfied_is_what_is_not_marked_satisfied():
    marked = question(
        "q", option("good", satisfied=True), option("bad"), option("na", counted=False)
    )
    halfway = question("r", option("good", score=1, satisfied=True), option("bad"))
    assert list(dissatisfied(form(marked, halfway))) == [(1, 2), (2, 2)]


def test_a_question_with_neither_scores_nor_marks_says_nothing():
    visits = question("q", option("0"), option("1"), option("2"))
    assert list(dissatisfied(form(visits))) == []


def test_only_the_overall_question_decides_where_there_is_one():
    questions = five_levels("q1"), five_levels("q2"), five_levels("q3")
    assert set(dissatisfied(form(*questions, overall="q2"))) == {(2, 4), (2, 5)}
    every = {(place, level) for place in (1, 2, 3) for level in (4, 5)}
    assert set(dissatisfied(form(*questions))) == every


def test_a_scorecard_worked_by_hand():
    found = tt01(
        returned=Timeliness(early=60, on_time=30, late=10),
        complained=Timeliness(early=3, on_time=1, late=2),
        tallies=[asked("3", (41, 7, 2)), asked("4", (10, 0, 40))],
        assessment=SelfAssessment({"5": 1, "6": 2, "8": 2, "9": 0}, {"2": (80, 15, 5)}),
    )
    assert [(i.number, i.numerator, i.denominator, str(i.points)) for i in found.indices] == [
        ("1", 150, 100, "1.5"),
        ("2", 175, 100, "1.8"),
        ("3", 89, 50, "1.8"),
        ("4", 20, 50, "0.4"),
        ("5", 1, 1, "1.0"),
        ("6", 2, 1, "2.0"),
        ("7", 143, 100, "1.4"),
        ("8", 2, 1, "2.0"),
        ("9", 0, 1, "0.0"),
    ]
    assert {number: one.earned for number, one in by_number(found).items() if one.earned} == {
        "1": Earned(60, 30, 10),
        "2": Earned(80, 15, 5),
        "3": Earned(41, 7, 2),
        "4": Earned(10, 0, 40),
        "7": Earned(57, 29, 8, complained=6),
    }
    assert (found.total, found.grade, found.missing) == (Decimal("11.9"), "fair", ())


def test_every_index_says_where_its_data_come_from():
    found = tt01(Timeliness(1, 0, 0), NONE, [asked("3", (1, 0, 0))], FULL)
    own = dict.fromkeys("245689", Source.SELF_ASSESSMENT)
    assert {index.number: index.source for index in found.indices} == own | {
        "1": Source.DOSSIERS,
        "3": Source.SURVEYS,
        "7": Source.DOSSIERS_AND_COMPLAINTS,
    }
    assert all(index.name["vi"] and index.name["en"] for index in found.indices)


@pytest.mark.parametrize(
    ("earned", "of", "points"),
    [(1, 20, "0.1"), (149, 100, "1.5"), (144, 100, "1.4"), (39, 20, "2.0"), (19, 400, "0.0")],
)
def test_an_index_is_rounded_half_up_to_one_decimal(earned, of, points):
    assert str(IndexScore("1", Source.DOSSIERS, earned, of).points) == points


@pytest.mark.parametrize(
    ("tenths", "total", "grade"),
    [
        ((20, 20, 20, 20, 20, 20, 20, 20, 20), "18.0", "excellent"),
        ((15, 15, 15, 15, 20, 20, 10, 20, 20), "15.0", "excellent"),
        ((15, 15, 15, 14, 20, 20, 10, 20, 20), "14.9", "good"),
        ((20, 20, 20, 20, 20, 20, 0, 0, 0), "12.0", "good"),
        ((20, 20, 20, 20, 20, 19, 0, 0, 0), "11.9", "fair"),
        ((10, 10, 10, 10, 10, 10, 10, 10, 10), "9.0", "fair"),
        ((10, 10, 10, 10, 10, 10, 10, 10, 9), "8.9", "average"),
        ((20, 20, 20, 0, 0, 0, 0, 0, 0), "6.0", "average"),
        ((20, 20, 19, 0, 0, 0, 0, 0, 0), "5.9", "weak"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0), "0.0", "weak"),
    ],
)
def test_a_class_begins_exactly_at_its_fewest_points(tenths, total, grade):
    found = card(*tenths)
    assert (str(found.total), found.grade) == (total, grade)
    assert GRADES[grade].least <= found.total


def test_the_total_adds_the_rounded_indices():
    found = Scorecard(tuple(IndexScore(n, Source.DOSSIERS, 33, 20) for n in "123456789"))
    assert found.total == 9 * Decimal("1.7") == Decimal("15.3")


@given(timelinesses, st.data(), assessments | st.none())
def test_points_lie_between_0_and_18_and_are_never_silently_zero(returned, data, assessment):
    complained = Timeliness(
        *(data.draw(st.integers(0, most)) for most in (returned.early, returned.on_time, 9))
    )
    tallies = [asked(data.draw(st.sampled_from("234")), data.draw(threes))]
    found = tt01(returned, complained, tallies, assessment)
    assert "".join(index.number for index in found.indices) == "123456789"
    for index in found.indices:
        assert (index.points is None) == (index.number in found.missing)
        assert (index.status is Status.OK) == (index.points is not None)
        assert index.points is None or 0 <= index.points <= 2
    assert (found.total is None) == (found.grade is None) == bool(found.missing)
    assert found.total is None or 0 <= found.total <= 18


@given(timelinesses.filter(lambda drawn: drawn.dossiers), st.data())
def test_a_complaint_earns_nothing_however_early_the_dossier_was(returned, data):
    complained = Timeliness(
        data.draw(st.integers(0, returned.early)),
        data.draw(st.integers(0, returned.on_time)),
        data.draw(st.integers(0, returned.late)),
    )
    each = [2] * (returned.early - complained.early) + [1] * (returned.on_time - complained.on_time)
    seven = by_number(tt01(returned, complained, [], FULL))["7"]
    assert (seven.numerator, seven.denominator) == (sum(each), returned.dossiers)


def test_a_missing_index_leaves_the_total_pending_and_is_named():
    without_six = SelfAssessment({"5": 2, "8": 2, "9": 2}, FULL.counts)
    found = tt01(Timeliness(1, 0, 0), NONE, [], without_six)
    assert (found.total, found.grade, found.missing) == (None, None, ("6",))
    assert by_number(found)["6"].status is Status.PENDING


def test_without_a_self_assessment_nobody_has_said_that_there_was_no_complaint():
    found = tt01(Timeliness(9, 1, 0), NONE, [asked("2", (1, 0, 0))], None)
    assert found.missing == ("3", "4", "5", "6", "7", "8", "9")


def test_without_dossiers_their_indices_are_missing():
    assert tt01(NONE, NONE, [], FULL).missing == ("1", "7")


def test_zero_points_given_are_not_missing():
    none = SelfAssessment(dict.fromkeys("5689", 0), dict.fromkeys("234", (0, 0, 1)))
    found = tt01(Timeliness(0, 0, 1), NONE, [], none)
    assert (found.total, found.grade, found.missing) == (Decimal(0), "weak", ())


def test_what_a_survey_asks_is_not_taken_from_the_agencys_own_counts():
    answered = by_number(tt01(NONE, NONE, [asked("2", (0, 4, 0))], FULL))["2"]
    assert (answered.points, answered.denominator) == (Decimal("1.0"), 4)
    unanswered = by_number(tt01(NONE, NONE, [asked("2", (0, 0, 0))], FULL))["2"]
    assert (unanswered.points, unanswered.status) == (None, Status.PENDING)


def test_surveys_with_the_same_criterion_are_pooled():
    found = tt01(NONE, NONE, [asked("2", (3, 0, 1)), asked("2", (0, 1, 0))], None)
    two = by_number(found)["2"]
    assert (two.numerator, two.denominator) == (7, 5)


@pytest.mark.parametrize("scores", [(5, 4, 3, 2, 1), (2, 1), (3, 1, 0), (3, 2, 1, 0)])
def test_questions_on_another_scale_make_no_index(scores):
    form_of = forms.read("f", 1, questionnaire(("tt01-2", [scored("q", *scores)])))
    tally = SurveyTally("s", form_of, 9, ((9,) * len(scores),))
    two = by_number(tt01(NONE, NONE, [tally], FULL))["2"]
    assert two.source is Source.SELF_ASSESSMENT


def test_an_index_that_too_few_people_answered_is_withheld_with_the_total():
    tallies = [asked("2", (3, 1, 0)), asked("3", (5, 0, 0))]
    whole = tt01(Timeliness(1, 0, 0), NONE, tallies, FULL)
    assert whole.total is not None
    shown = withhold(whole, 5)
    two = by_number(shown)["2"]
    assert (two.numerator, two.points, two.status, two.n) == (None, None, Status.TOO_FEW, 4)
    assert (shown.total, shown.missing) == (None, ("2",))
    assert withhold(whole, 4) == whole


def test_two_answers_of_one_person_are_one_person():
    three = [option(str(score), score=score) for score in (2, 1, 0)]
    pair = questionnaire(("tt01-2", [question("q", *three), question("r", *three)]))
    tally = SurveyTally("s", forms.read("f", 1, pair), 3, ((3, 0, 0), (0, 3, 0)))
    two = by_number(tt01(NONE, NONE, [tally], None))["2"]
    assert (two.numerator, two.denominator, two.n) == (9, 6, 3)


def test_each_profile_names_its_regime_in_both_languages():
    assert set(profiles.REGIMES) == {profiles.QD766, profiles.TT01}
    assert all(regime["vi"] and regime["en"] for regime in profiles.REGIMES.values())
