"""What changed against the period before, and when that says nothing."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.domain import methods, period, tally
from app.domain import questionnaire as forms
from app.domain.change import Change, Side, asked, changes, earlier
from app.domain.measure import Base
from app.domain.period import Period

SIDE = Side(
    peers=frozenset("ABC"),
    method="top2-share@1",
    asked=frozenset({"q1"}),
    values={"A": Fraction(80), "B": Fraction(70)},
    ranks={"A": 1, "B": 2},
)
DOCUMENT = questionnaire(("access", [five_levels("q1")]), ("attitude", [five_levels("q2")]))


def test_a_change_is_in_points_and_a_positive_rank_is_a_fall():
    now = replace(SIDE, values={"A": Fraction(241, 3), "B": Fraction(90)}, ranks={"B": 1, "A": 2})
    assert changes(now, SIDE) == {
        "A": Change(Fraction(1, 3), 1, ()),
        "B": Change(Fraction(20), -1, ()),
    }


def test_only_agencies_with_a_value_on_both_sides_changed():
    now = replace(SIDE, values={"B": Fraction(70), "C": Fraction(60)}, ranks={"B": 1, "C": 2})
    assert list(changes(now, SIDE)) == ["B"]
    assert list(changes(SIDE, now)) == ["B"]


def test_a_rank_that_was_not_printed_has_no_change():
    found = changes(SIDE, replace(SIDE, ranks={"B": 1}))
    assert (found["A"].rank, found["B"].rank) == (None, 1)
    assert changes(replace(SIDE, ranks={"B": 1}), SIDE)["A"].rank is None


@pytest.mark.parametrize(
    ("different", "reasons"),
    [
        ({}, ()),
        ({"peers": frozenset("ABD")}, ("peers-differ",)),
        ({"peers": frozenset("AB")}, ("peers-differ",)),
        ({"asked": frozenset({"q1", "q2"})}, ("questionnaire-differs",)),
        ({"method": "mean-score@1"}, ("method-differs",)),
        (
            {"method": "top2-share@2", "asked": frozenset(), "peers": frozenset("AB")},
            ("peers-differ", "questionnaire-differs", "method-differs"),
        ),
    ],
)
def test_a_change_that_says_nothing_says_why_and_keeps_its_numbers(different, reasons):
    for found in (
        changes(SIDE, replace(SIDE, **different)),
        changes(replace(SIDE, **different), SIDE),
    ):
        assert found["A"] == Change(Fraction(0), 0, reasons)
        assert found["A"].comparable is (reasons == ())


def rests_on(document, counts=((1, 0, 0, 0, 0), (1, 0, 0, 0, 0)), *, version=1, forms_counted=1):
    form = forms.read("form", version, document)
    found = tally.SurveyTally("s", form, forms_counted, counts)
    method = methods.METHODS["weighted-criteria@1"]
    return asked([methods.criterion(method, [found], "overall", Base.ANSWERS)])


def test_a_new_version_with_other_words_asks_the_same():
    reworded = five_levels("q1") | {"text": {"vi": "Hỏi cách khác"}}
    again = questionnaire(("access", [reworded]), ("attitude", [five_levels("q2")]))
    assert rests_on(DOCUMENT) == rests_on(again, version=2)
    assert len(rests_on(DOCUMENT)) == 2


@pytest.mark.parametrize(
    "other",
    [
        questionnaire(("access", [five_levels("q1", na=True)]), ("attitude", [five_levels("q2")])),
        questionnaire(("access", [five_levels("q1")]), ("attitude", [five_levels("q3")])),
        questionnaire(("access", [five_levels("q1"), five_levels("q2")])),
        questionnaire(
            ("access", [five_levels("q1")]),
            ("attitude", [five_levels("q2")]),
            weights={"attitude": 2},
        ),
    ],
    ids=["scale", "question", "criterion", "weight"],
)
def test_another_scale_question_criterion_or_weight_asks_something_else(other):
    width = 6 if len(other["criteria"][0]["questions"][0]["options"]) == 6 else 5
    counts = ((1,) + (0,) * (width - 1), (1, 0, 0, 0, 0))
    assert rests_on(DOCUMENT) != rests_on(other, counts, version=2)


def test_another_questionnaire_asks_something_else():
    form = replace(forms.read("form", 1, DOCUMENT), code="other")
    found = tally.SurveyTally("s", form, 1, ((1, 0, 0, 0, 0),) * 2)
    method = methods.METHODS["weighted-criteria@1"]
    measure = methods.criterion(method, [found], "overall", Base.ANSWERS)
    assert asked([measure]) != rests_on(DOCUMENT)


def test_a_question_that_the_measure_does_not_use_makes_no_difference():
    visits = {"code": "q3", "text": {"vi": "?"}, "options": [option("1"), option("2")]}
    more = questionnaire(
        ("access", [five_levels("q1")]), ("attitude", [five_levels("q2")]), ("visits", [visits])
    )
    counts = ((1, 0, 0, 0, 0), (1, 0, 0, 0, 0), (1, 0))
    assert rests_on(more, counts) == rests_on(DOCUMENT)


def test_a_survey_without_forms_was_not_asked():
    assert rests_on(DOCUMENT, ((0,) * 5, (0,) * 5), forms_counted=0) == frozenset()


@pytest.mark.parametrize(
    ("written", "before"),
    [("2025", "2024"), ("2025-Q1", "2024-Q4"), ("2024-03", "2024-02"), ("2025-01", "2024-12")],
)
def test_the_earlier_period_is_as_long_and_just_before(written, before):
    assert earlier(period.parse(written)) == period.parse(before)


def test_five_months_follow_five_months():
    five = Period(date(2025, 2, 1), date(2025, 6, 30))
    assert earlier(five) == Period(date(2024, 9, 1), date(2025, 1, 31))


@given(st.integers(2001 * 12, 2090 * 12), st.integers(1, 36))
def test_earlier_periods_leave_no_gap(start, months):
    end = start + months
    first = date(start // 12, start % 12 + 1, 1)
    last = date.fromordinal(date(end // 12, end % 12 + 1, 1).toordinal() - 1)
    found = earlier(Period(first, last))
    assert (found.months, found.first.day) == (months, 1)
    assert (first - found.last).days == 1
