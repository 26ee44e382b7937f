"""A clerk repeats every number by hand, from what the explanation gives and nothing else."""

import ast
import json
import operator
import re
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from pathlib import Path

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.api.explanation_schemas import ExplanationOut
from app.api.explanations import explanation_out
from app.domain import methods, period, profile_figures, profiles, published, tally
from app.domain import questionnaire as forms
from app.domain.explanation import explain
from app.domain.figure import Rounding, Terms, judge
from app.domain.measure import Base, Level, question_key
from app.domain.profiles import (
    QD766,
    TT01,
    DossierCounts,
    SelfAssessment,
    Timeliness,
)
from app.domain.published import PublishedFigure

YEAR = period.parse("2022")
TERMS = Terms(YEAR)
EXAMPLES = Path(__file__).parents[2] / "examples" / "khanh-hoa-2022"
LEVELS = (Level.OVERALL, Level.CRITERION, Level.QUESTION, Level.OPTION)

THIRDS = {
    "code": "q3",
    "text": {"vi": "Bốn mức", "en": "Four levels"},
    "options": [option(str(s), score=s, satisfied=s > 2) for s in (4, 3, 2, 1)],
}
TIMES = {"code": "q4", "text": {"vi": "Số lần"}, "options": [option("one"), option("more")]}
FORM = forms.read(
    "form",
    1,
    questionnaire(
        ("access", [five_levels("q1"), five_levels("q2", na=True)]),
        ("service", [THIRDS]),
        ("visits", [TIMES]),
        ("general", [five_levels("q5")]),
        overall="q5",
        weights={"access": 2.5},
    ),
)

counts = st.integers(0, 30)
tallies = st.builds(
    lambda survey, number, rows: tally.SurveyTally(survey, FORM, number, rows),
    st.sampled_from(["s1", "s2"]),
    st.integers(0, 150),
    st.tuples(*(st.tuples(*[counts] * size) for size in (5, 6, 4, 2, 5))),
)
makes = st.sampled_from(
    [
        (method.id, level, Terms(YEAR, base))
        for method in methods.METHODS.values()
        for level in LEVELS
        for base in sorted(method.bases)
        if level in method.levels
    ]
)
surveys = st.lists(tallies, min_size=1, max_size=2, unique_by=lambda found: found.survey)


def everything(_tally):
    return True


def explained(method, measure, terms=TERMS, shown=everything):
    """The figure and its explanation as JSON, or None where there is none."""
    return explained_figure(method, judge(measure, terms, [], []), terms, shown)


def explained_figure(method, figure, terms=TERMS, shown=everything):
    found = explain(method, figure, terms, shown)
    return figure, found and json.loads(explanation_out(found).model_dump_json())


def profiled(method, profile, level=Level.OVERALL):
    judged = profile_figures.judged(profile, level, TERMS)
    return [explained_figure(method, figure) for figure in judged]


def figures(method, found, level, terms=TERMS, shown=everything):
    if method == "mean-of-units@1":
        units = {survey.survey: [survey] for survey in found}
        made = [methods.mean_of_units(units, terms.base, terms.minimum_n)[0]]
    else:
        made = methods.measures(methods.METHODS[method], found, level, terms.base)
    return [explained(method, measure, terms, shown) for measure in made]


def answers(one):
    return sum(option["count"] for option in one["options"] if option["counted"])


def share(inputs, base):
    satisfied = sum(o["count"] for one in inputs for o in one["options"] if o["satisfied"])
    return Fraction(100 * satisfied, sum(whole(one, base) for one in inputs))


def whole(one, base):
    return one["forms"] if base is Base.FORMS else answers(one)


def mean_score(inputs, _base):
    points = Fraction(0)
    for one in inputs:
        counted = [option for option in one["options"] if option["counted"]]
        best, worst = (f(option["score"] for option in counted) for f in (max, min))
        for option_ in counted:
            points += option_["count"] * Fraction(option_["score"] - worst, best - worst)
    return 100 * points / sum(answers(one) for one in inputs)


def of_maximum(inputs, _base):
    counted = [[option for option in one["options"] if option["counted"]] for one in inputs]
    earned = sum(o["count"] * o["score"] for options in counted for o in options)
    most = sum(
        sum(o["count"] for o in options) * max(o["score"] for o in options) for options in counted
    )
    return Fraction(100 * earned, most)


POOLED = {
    "top2-share@1": share,
    "overall-question@1": share,
    "mean-of-criteria@1": share,
    "mean-of-questions@1": share,
    "weighted-criteria@1": share,
    "mean-score@1": mean_score,
    "share-of-maximum@1": of_maximum,
    "mean-of-units@1": share,
    "as-published@1": None,
}


def by_hand(method, measure, document, base):
    if measure.level is Level.OPTION:
        chosen = sum(
            option["count"]
            for one in document["inputs"]
            for option in one["options"]
            if f"{one['question']['code']}:{option['code']}" == measure.code
        )
        return Fraction(100 * chosen, sum(whole(one, base) for one in document["inputs"]))
    if not document["parts"]:
        return POOLED[method](document["inputs"], base)
    total = weights = Fraction(0)
    for part in document["parts"]:
        printed = Fraction(str(part["value"]))
        value = POOLED[method](part["inputs"], base) if part["inputs"] else printed
        assert value == Fraction(part["exact"])
        weight = Fraction(str(part["weight"]))
        total, weights = total + weight * value, weights + weight
    return total / weights


def limits_by_hand(value, inputs, base, z):
    most = {}
    for one in inputs:
        size = one["forms"] if base is Base.FORMS else min(answers(one), one["forms"])
        most[one["survey"]] = max(size, most.get(one["survey"], 0))
    n, p = sum(most.values()), float(value / 100)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return n, [100 * (p + z * z / (2 * n) + side * half) / (1 + z * z / n) for side in (-1, 1)]


def half_up_by_hand(value, places=2):
    return Fraction(int(value * 10**places + Fraction(1, 2)), 10**places)


def dossiers_by_hand(document):
    returned, subtracted = document["dossiers"]["returned"], document["dossiers"]["subtracted"]
    return Fraction(100 * (returned - subtracted), returned)


def index_by_hand(document, whole):
    earned = document["earned"]
    if earned is None:
        return Fraction(whole["numerator"], whole["denominator"])
    counted = earned["two"], earned["one"], earned["none"], earned["complained"] or 0
    return Fraction(2 * earned["two"] + earned["one"], sum(counted))


def points_by_hand(document):
    if not document["parts"]:
        return index_by_hand(document, document["sums"])
    return sum(half_up_by_hand(index_by_hand(part, part), 1) for part in document["parts"])


PROFILES = {QD766: dossiers_by_hand, TT01: points_by_hand}

OPERATIONS = {
    ast.Sub: operator.sub,
    ast.Add: operator.add,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def reckon(node):
    if isinstance(node, ast.BinOp):
        return OPERATIONS[type(node.op)](reckon(node.left), reckon(node.right))
    return Fraction(str(node.value))


def on_the_calculator(work):
    return reckon(ast.parse(work.replace("×", "*").replace("−", "-"), mode="eval").body)


def lines(document, language):
    """The calculations in the sentences, with decimal points, without the interval's formula."""
    for step in document["steps"]:
        if "Wilson" not in step["en"]:
            work = step[language].rpartition(": ")[2].removesuffix(".").removesuffix(" %")
            yield work if language == "en" else work.replace(",", ".")


def khanh_hoa():
    asked = {
        entry["put"].split("/")[3]: entry["body"]
        for entry in json.loads((EXAMPLES / "2-questionnaires.json").read_text("utf-8"))
    }
    uses = {
        entry["put"].split("/")[3]: entry["body"].get("questionnaire")
        for entry in json.loads((EXAMPLES / "3-surveys.json").read_text("utf-8"))
        if "distributions" not in entry["put"]
    }
    for entry in json.loads((EXAMPLES / "4-counts.json").read_text("utf-8")):
        sheet = entry["body"]
        form = forms.read(uses[sheet["survey"]], 1, asked[uses[sheet["survey"]]])
        rows = tuple(
            tuple(sheet["counts"][question.code][option.code] for option in question.options)
            for question in form.questions
        )
        yield tally.SurveyTally(sheet["survey"], form, sheet["forms"], rows)


KHANH_HOA = list(khanh_hoa())
SIPAS = [
    PublishedFigure(f"c{place}", {"vi": f"Tiêu chí {place}"}, Decimal(value), None, None)
    for place, value in enumerate(["70.69", "78.61", "84.56", "89.23", "85.25", "82.16"], 1)
]
OVERALL = PublishedFigure("overall", {"vi": "Chỉ số chung"}, Decimal("81.75"), 13, 18)


def test_a_clerk_knows_every_method():
    assert set(POOLED) == {*methods.METHODS, *published.METHODS}
    assert set(PROFILES) == set(profiles.REGIMES)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("top2-share@1", "95,95"),
        ("overall-question@1", "100,00"),
        ("mean-of-criteria@1", "97,04"),
        ("mean-of-questions@1", "95,77"),
        ("weighted-criteria@1", "97,04"),
        ("mean-score@1", "83,78"),
        ("share-of-maximum@1", "87,03"),
        ("mean-of-units@1", "96,14"),  # (75/80 + 67/68) / 2, as if the two parts were units
    ],
)
def test_khanh_hoa_is_repeated_by_hand(method, expected):
    ((figure, document),) = figures(method, KHANH_HOA, Level.OVERALL)
    value = by_hand(method, figure.measure, document, Base.ANSWERS)
    assert value == Fraction(document["exact"]) == figure.measure.value
    assert f"{float(half_up_by_hand(value)):.2f}".replace(".", ",") == expected
    last = [step for step in document["steps"] if "Wilson" not in step["en"]][-1]
    assert last["vi"].endswith(f" {expected} %.")
    assert last["en"].endswith(f" {expected.replace(',', '.')} %.")


def test_the_pooled_share_of_khanh_hoa_is_142_of_148():
    ((_, document),) = figures("top2-share@1", KHANH_HOA, Level.OVERALL)
    assert document["sums"] == {
        "numerator": 142,
        "denominator": 148,
        "weighted_sum": None,
        "weight": None,
    }
    assert document["exact"] == "3550/37"
    assert document["interval"] == {"n": 30, "z": 1.959964, "ci_low": 82.28, "ci_high": 99.18}
    said = [step["vi"] for step in document["steps"]]
    assert said[0] == "Câu q1 (đợt khảo sát sct-2022-a): (6 + 7) / 13 = 13 / 13."
    assert said[-2] == "Cộng các tử số, cộng các mẫu số: 142 / 148 × 100 ≈ 95,95 %."


def test_a_mean_of_criteria_shows_each_criterion_with_its_questions():
    ((_, document),) = figures("mean-of-criteria@1", KHANH_HOA, Level.OVERALL)
    (facilities,) = [part for part in document["parts"] if part["code"] == "facilities"]
    assert (facilities["numerator"], facilities["denominator"], facilities["value"]) == (
        26,
        30,
        86.67,
    )
    assert [one["survey"] for one in facilities["inputs"]] == ["sct-2022-a", "sct-2022-b"]
    assert document["inputs"] == []
    assert document["sums"]["weight"] == 9
    assert any(
        step["vi"].endswith("(facilities): 26 / 30 × 100 ≈ 86,6667 %.")
        for step in document["steps"]
    )


@given(surveys, makes)
def test_every_figure_is_repeated_by_hand(found, made):
    method, level, terms = made
    for figure, document in figures(method, found, level, terms):
        assert (document is None) is (figure.value is None)
        if document:
            value = by_hand(method, figure.measure, document, terms.base)
            assert value == Fraction(document["exact"]) == figure.measure.value
            assert float(half_up_by_hand(value)) == document["value"] == float(figure.value)
            assert document["decimals"] == 2


@given(surveys, makes)
def test_every_interval_is_repeated_by_hand(found, made):
    method, level, terms = made
    for document in filter(None, (one for _, one in figures(method, found, level, terms))):
        whole = document["interval"]
        if method == "mean-of-units@1":
            assert whole is None
            continue
        parts, expected = document["parts"] or [{**document, **whole, "weight": 1}], [0.0, 0.0]
        weights = sum(part["weight"] for part in parts)
        for part in parts:
            value = Fraction(part["exact"])
            n, limits = limits_by_hand(value, part["inputs"], terms.base, whole["z"])
            assert part["n"] == n
            assert [part["ci_low"], part["ci_high"]] == pytest.approx(limits, abs=0.006)
            for side in (0, 1):
                expected[side] += part["weight"] / weights * limits[side]
        assert whole["n"] == min(part["n"] for part in parts)
        assert [whole["ci_low"], whole["ci_high"]] == pytest.approx(expected, abs=0.006)


@given(surveys, makes)
def test_the_sums_shown_add_up(found, made):
    method, level, terms = made
    for document in filter(None, (one for _, one in figures(method, found, level, terms))):
        sums, parts = document["sums"], document["parts"]
        if parts:
            weighted = sum(part["weight"] * Fraction(part["exact"]) for part in parts)
            assert sums["weighted_sum"] == pytest.approx(float(weighted))
            assert sums["weight"] == sum(part["weight"] for part in parts)
        for group in parts or [{**document, **sums}]:
            for one in group["inputs"]:
                earned = sum(o["count"] * o["points"] for o in one["options"])
                assert one["numerator"] == pytest.approx(earned)
            for side in ("numerator", "denominator"):
                assert group[side] == pytest.approx(sum(one[side] for one in group["inputs"]))


@given(surveys, st.sampled_from(sorted(methods.METHODS)), st.sampled_from(["vi", "en"]))
def test_every_line_is_true_on_a_pocket_calculator(found, method, language):
    ((figure, document),) = figures(method, found, Level.OVERALL)
    if not document:
        return
    *_, last = lines(document, language)
    assert last.split()[-1] == str(figure.value)
    for line in lines(document, language):
        first, *others = re.split(r" ([=≈]) ", line)
        for sign, right in zip(others[::2], others[1::2], strict=True):
            known, shown = on_the_calculator(first), on_the_calculator(right)
            assert known == shown if sign == "=" else 0 < abs(known - shown) < Fraction(1, 100)
            first = right


def test_a_share_of_forms_is_divided_by_the_forms():
    form = forms.read("f", 1, questionnaire(("c", [five_levels("q1")])))
    found = [tally.SurveyTally("s", form, 13, ((6, 4, 0, 2, 0),))]
    ((_, document),) = figures("top2-share@1", found, Level.OVERALL, Terms(YEAR, Base.FORMS))
    assert (document["inputs"][0]["denominator"], document["value"]) == (13, 76.92)
    assert document["steps"][0]["en"] == "Question q1 (survey s): (6 + 4) / 13 = 10 / 13."


def test_nobody_satisfied_is_nought():
    form = forms.read("f", 1, questionnaire(("c", [five_levels("q1")])))
    found = [tally.SurveyTally("s", form, 13, ((0, 0, 0, 13, 0),))]
    ((_, document),) = figures("top2-share@1", found, Level.OVERALL)
    assert [step["vi"] for step in document["steps"][:2]] == [
        "Câu q1 (đợt khảo sát s): 0 / 13.",
        "Kết quả: 0 / 13 × 100 = 0,00 %.",
    ]


def test_weights_stand_in_the_calculation():
    document = questionnaire(
        ("a", [five_levels("q1")]), ("b", [five_levels("q2")]), weights={"a": 3, "b": 1}
    )
    form = forms.read("f", 1, document)
    found = [tally.SurveyTally("s", form, 10, ((8, 0, 2, 0, 0), (9, 0, 1, 0, 0)))]
    ((_, shown),) = figures("weighted-criteria@1", found, Level.OVERALL)
    assert [(part["code"], part["weight"], part["value"]) for part in shown["parts"]] == [
        ("a", 3, 80),
        ("b", 1, 90),
    ]
    assert shown["sums"]["weighted_sum"] == 330
    assert shown["steps"][-2]["vi"] == (
        "Lấy trung bình: (3 × 80 + 1 × 90) / 4 = 330 / 4 = 82,50 %."
    )


def test_points_are_earned_by_each_answer():
    form = forms.read("f", 1, questionnaire(("c", [THIRDS])))
    found = [tally.SurveyTally("s", form, 4, ((1, 2, 0, 1),))]
    ((_, level),) = figures("mean-score@1", found, Level.OVERALL)
    ((_, maximum),) = figures("share-of-maximum@1", found, Level.OVERALL)
    assert level["steps"][0]["vi"] == (
        "Câu q3 (đợt khảo sát s): (1 × 1 + 2 × (2/3)) / 4 = (7/3) / 4."
    )
    assert maximum["steps"][0]["vi"] == (
        "Câu q3 (đợt khảo sát s): (1 × 4 + 2 × 3 + 1 × 1) / (4 × 4) = 11 / 16."
    )


def test_an_option_is_explained_as_an_option():
    measures = methods.measures(
        methods.METHODS["top2-share@1"], KHANH_HOA, Level.OPTION, Base.ANSWERS
    )
    (measure,) = [one for one in measures if one.code == "q7:on_time"]
    _, document = explained("top2-share@1", measure)
    assert [o["points"] for o in document["inputs"][0]["options"]] == [0, 1, 0]
    assert document["formula"]["vi"].startswith("Số câu trả lời chọn phương án này")
    assert document["steps"][1]["vi"] == "Kết quả: 10 / 13 × 100 ≈ 76,92 %."


def test_units_are_the_parts_of_their_mean():
    ((_, document),) = figures("mean-of-units@1", KHANH_HOA, Level.OVERALL)
    assert [(part["code"], part["numerator"]) for part in document["parts"]] == [
        ("sct-2022-a", 75),
        ("sct-2022-b", 67),
    ]


@pytest.mark.parametrize(
    ("method", "bodies", "expected", "last"),
    [
        ("as-published@1", {"A1": [*SIPAS, OVERALL]}, "81.75", "81,75 %."),
        (
            "mean-of-criteria@1",
            {"A1": [*SIPAS, OVERALL]},
            "81.75",
            "(70,69 + 78,61 + 84,56 + 89,23 + 85,25 + 82,16) / 6 = 490,5 / 6 = 81,75 %.",
        ),
        (
            "mean-of-units@1",
            {
                "A1": [*SIPAS, OVERALL],
                "A2": SIPAS,
                "A3": [PublishedFigure("overall", {"vi": "x"}, Decimal(90), None, None)],
            },
            "85.88",
            "(81,75 + 90) / 2 = 171,75 / 2 ≈ 85,88 %.",
        ),
    ],
)
def test_printed_values_are_the_inputs_of_what_follows_from_them(method, bodies, expected, last):
    (measure,) = published.measures(method, Level.OVERALL, bodies)
    figure, document = explained(method, measure)
    value = by_hand(method, measure, document, Base.ANSWERS)
    assert value == Fraction(document["exact"])
    assert half_up_by_hand(value) == Fraction(expected) == Fraction(figure.value)
    assert document["steps"][-1]["vi"].endswith(f": {last}")
    assert (document["inputs"], document["interval"]) == ([], None)
    assert {part["n"] for part in document["parts"]} == {None}


def test_printed_values_of_units_stand_under_the_units_codes():
    bodies = {"A1": [*SIPAS, OVERALL], "A2": SIPAS, "A3": [OVERALL]}
    (measure,) = published.measures("mean-of-units@1", Level.OVERALL, bodies)
    _, document = explained("mean-of-units@1", measure)
    assert [part["code"] for part in document["parts"]] == ["A1", "A3"]


def test_a_printed_value_keeps_its_decimals():
    printed = PublishedFigure("c", {"vi": "x"}, Decimal("70.695"), None, None)
    (measure,) = published.measures("as-published@1", Level.CRITERION, {"A1": [printed]})
    _, document = explained("as-published@1", measure)
    assert (document["value"], document["decimals"]) == (70.695, 3)
    assert document["steps"] == [
        {"vi": "Giữ nguyên số đã công bố: 70,695 %.", "en": "Kept as published: 70.695 %."}
    ]


def test_the_terms_of_rounding_are_kept():
    terms = Terms(YEAR, decimals=1, rounding=Rounding.TRUNCATE)
    ((_, document),) = figures("top2-share@1", KHANH_HOA, Level.OVERALL, terms)
    assert (document["value"], document["decimals"], document["rounding"]) == (95.9, 1, "truncate")
    assert document["steps"][-2]["en"].endswith("142 / 148 × 100 ≈ 95.9 %.")


def test_what_has_no_value_has_no_explanation():
    form = forms.read("f", 1, questionnaire(("c", [five_levels("q1")])))
    found = [tally.SurveyTally("s", form, 4, ((4, 0, 0, 0, 0),))]
    terms = Terms(YEAR, minimum_n=5)
    ((_, document),) = figures("top2-share@1", found, Level.OVERALL, terms)
    assert document is None
    (measure,) = methods.measures(
        methods.METHODS["top2-share@1"], found, Level.CRITERION, Base.ANSWERS
    )
    suppressed = judge(measure, TERMS, [], [], hidden={measure.key})
    assert explain("top2-share@1", suppressed, TERMS, everything) is None


@pytest.mark.parametrize(
    "method", sorted(set(methods.METHODS) - {"overall-question@1", "mean-of-units@1"})
)
def test_a_figure_with_a_hidden_question_gives_nothing_to_subtract(method):
    form = forms.read("f", 1, questionnaire(*((c, [five_levels(c)]) for c in "abc")))
    rows = (10, 0, 0, 0, 0), (5, 0, 0, 0, 5), (1, 0, 0, 0, 2)
    found = [tally.SurveyTally("s", form, 10, rows)]
    other = [tally.SurveyTally("s", form, 10, (rows[1], rows[0], rows[2]))]
    documents = [
        figures(method, each, Level.OVERALL, shown=shown)[0][1]
        for shown in (everything, lambda one: one.question.code != "c")
        for each in (found, other)
    ]
    assert documents[0] != documents[1]
    assert documents[2] == documents[3]
    assert documents[2]["value"] == documents[0]["value"]
    assert (documents[2]["inputs"], documents[2]["parts"]) == ([], [])
    assert documents[2]["note"]["vi"].startswith("Không nêu số liệu của từng câu hỏi")


def test_of_a_withheld_figure_only_the_sums_that_it_shows_anyway_are_given():
    hidden = {"shown": lambda one: one.question.code != "q3"}
    ((_, pooled),) = figures("top2-share@1", KHANH_HOA, Level.OVERALL, **hidden)
    ((_, mean),) = figures("mean-of-criteria@1", KHANH_HOA, Level.OVERALL, **hidden)
    assert (pooled["sums"]["numerator"], pooled["exact"]) == (142, "3550/37")
    assert (mean["sums"], mean["exact"], mean["value"]) == (None, None, 97.04)
    assert mean["steps"] == [{"vi": "Kết quả: 97,04 %.", "en": "Result: 97.04 %."}]


def test_of_units_with_a_hidden_question_their_own_figures_are_given_and_no_questions():
    hidden = {"shown": lambda one: one.question.code != "q3"}
    ((figure, document),) = figures("mean-of-units@1", KHANH_HOA, Level.OVERALL, **hidden)
    assert [(part["numerator"], part["denominator"]) for part in document["parts"]] == [
        (75, 80),
        (67, 68),
    ]
    assert [part["inputs"] for part in document["parts"]] == [[], []]
    assert (document["exact"], document["value"]) == (str(figure.measure.value), 96.14)
    assert document["note"]["vi"].startswith("Không nêu số liệu của từng câu hỏi")
    assert [step["vi"].rpartition(": ")[2] for step in document["steps"]] == [
        "75 / 80 × 100 = 93,75 %.",
        "67 / 68 × 100 ≈ 98,5294 %.",
        "(93,75 + 98,5294) / 2 = 192,2794 / 2 ≈ 96,14 %.",
    ]


def test_a_figure_whose_questions_are_all_shown_is_explained_beside_a_hidden_one():
    shown = figures(
        "top2-share@1",
        KHANH_HOA,
        Level.CRITERION,
        shown=lambda one: question_key(one) != question_key(KHANH_HOA[0].questions[0]),
    )
    withheld = [figure.measure.code for figure, document in shown if document and document["note"]]
    assert withheld == ["access"]


NONE = Timeliness(0, 0, 0)
pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1)
numbers = st.integers(0, 200)
timelinesses = st.builds(Timeliness, numbers, numbers, numbers)
assessments = st.builds(
    SelfAssessment,
    st.fixed_dictionaries(dict.fromkeys("5689", st.integers(0, 2))),
    st.fixed_dictionaries(
        dict.fromkeys("234", st.tuples(numbers, numbers, numbers).filter(any)),
    ),
)


def scorecard(returned, assessment, complained=NONE):
    card = profiles.tt01(returned, complained, [], assessment)
    return profile_figures.of_scorecard(card)


def numbers_in(document):
    """Every number that the explanation writes, in its fields and in its sentences."""
    if isinstance(document, dict | list):
        values = document.values() if isinstance(document, dict) else document
        return set().union(*map(numbers_in, values))
    if isinstance(document, str):
        return {Fraction(found) for found in re.findall(r"[0-9]+", document)}
    return {Fraction(document)} if isinstance(document, int | float) else set()


@given(pairs)
def test_the_share_of_dossiers_is_repeated_by_hand(drawn):
    late, bad = (sum(one[place] for one in drawn) for place in (0, 1))
    counted = DossierCounts(len(drawn), late, bad, sum(all(one) for one in drawn), bad)
    ((figure, document),) = profiled(QD766, profile_figures.of_dossiers(counted, 1))
    value = dossiers_by_hand(document)
    assert value == Fraction(document["exact"]) == counted.value
    assert float(half_up_by_hand(value)) == document["value"] == float(figure.value)
    for language in ("vi", "en"):
        (line,) = lines(document, language)
        work, sign, shown = re.split(r" ([=≈]) ", line)
        assert (on_the_calculator(work), Fraction(shown)) == (value, half_up_by_hand(value))
        assert (sign == "=") is (value == half_up_by_hand(value))


def test_late_and_badly_rated_dossiers_are_subtracted_as_one_number():
    counted = DossierCounts(returned=100, late=9, dissatisfied=5, both=3, rated=40)
    ((_, document),) = profiled(QD766, profile_figures.of_dossiers(counted, 1))
    assert document["dossiers"] == {"returned": 100, "subtracted": 11}
    assert (document["sums"]["numerator"], document["sums"]["denominator"]) == (89, 100)
    assert document["steps"] == [
        {
            "vi": "Số hồ sơ đã trả kết quả trừ số hồ sơ trả trễ hạn hoặc bị đánh giá không hài "
            "lòng (mỗi hồ sơ chỉ trừ một lần), chia cho số hồ sơ đã trả kết quả: "
            "(100 − 11) / 100 × 100 = 89,00 %.",
            "en": "Dossiers returned less those late or rated not satisfied (each subtracted "
            "once), divided by dossiers returned: (100 − 11) / 100 × 100 = 89.00 %.",
        }
    ]
    assert not numbers_in(document) & {9, 5, 3, 6}


def test_a_scorecard_is_added_up_by_hand():
    counts = {"2": (80, 15, 5), "3": (41, 7, 2), "4": (10, 0, 40)}
    said = SelfAssessment({"5": 1, "6": 2, "8": 2, "9": 0}, counts)
    profile = scorecard(Timeliness(early=60, on_time=30, late=10), said)
    ((_, document),) = profiled(TT01, profile)
    assert [
        (part["code"], part["numerator"], part["denominator"], part["exact"], part["value"])
        for part in document["parts"]
    ] == [
        ("1", 150, 100, "3/2", 1.5),
        ("2", 175, 100, "7/4", 1.8),
        ("3", 89, 50, "89/50", 1.8),
        ("4", 20, 50, "2/5", 0.4),
        ("5", 1, 1, "1", 1),
        ("6", 2, 1, "2", 2),
        ("7", 150, 100, "3/2", 1.5),
        ("8", 2, 1, "2", 2),
        ("9", 0, 1, "0", 0),
    ]
    assert {part["weight"] for part in document["parts"]} == {1}
    sums = {"numerator": None, "denominator": None, "weighted_sum": 12, "weight": 1}
    assert (document["sums"], document["exact"], document["value"]) == (sums, "12", 12)
    assert (document["decimals"], document["interval"], document["note"]) == (1, None, None)
    said = [step["vi"] for step in document["steps"]]
    assert said[1] == (
        "Chỉ số 2. Thời gian thực hiện của từng cơ quan, đơn vị tham gia giải quyết "
        "(kể cả đơn vị phối hợp): (80 × 2 + 15 × 1) / 100 ≈ 1,8 điểm."
    )
    assert said[4].endswith(" tại Bộ phận Một cửa: 1 / 1 = 1,0 điểm.")
    added, grade = said[9:]
    assert added.startswith("Cộng chín chỉ số, mỗi chỉ số đã làm tròn đến một chữ số thập phân: ")
    assert added.endswith(
        ": 1,5 + 1,8 + 1,8 + 0,4 + 1,0 + 2,0 + 1,5 + 2,0 + 0,0 = 12,0 điểm (tối đa 18 điểm)."
    )
    assert grade == "Xếp loại: Tốt (từ 12 đến dưới 15 điểm)."


def test_an_index_shows_how_many_dossiers_earned_two_points_one_and_none():
    profile = scorecard(Timeliness(6, 3, 1), SelfAssessment({}), Timeliness(1, 0, 1))
    shown = {
        figure.measure.code: document
        for figure, document in profiled(TT01, profile, Level.CRITERION)
        if document
    }
    assert list(shown) == ["1", "7"]
    assert shown["1"]["earned"] == {"two": 6, "one": 3, "none": 1, "complained": None}
    assert shown["7"]["earned"] == {"two": 5, "one": 3, "none": 0, "complained": 2}
    assert [one["steps"][0]["vi"].rpartition(": ")[2] for one in shown.values()] == [
        "(6 × 2 + 3 × 1) / 10 = 1,5 điểm.",
        "(5 × 2 + 3 × 1) / 10 = 1,3 điểm.",
    ]
    assert (
        " (no points for 2 dossiers with a justified complaint): " in shown["7"]["steps"][0]["en"]
    )


def test_an_index_of_a_survey_shows_its_answers_by_score():
    three = {**THIRDS, "options": [option(str(score), score=score) for score in (0, 2, 1)]}
    form = forms.read("f", 1, questionnaire(("tt01-2", [three, {**three, "code": "q4"}])))
    found = [tally.SurveyTally("s", form, 16, ((3, 5, 8), (1, 9, 6)))]
    card = profiles.tt01(NONE, NONE, found, None)
    shown, withheld = (
        profiled(TT01, profile_figures.of_scorecard(one), Level.CRITERION)[1][1]
        for one in (card, profiles.withhold(card, 17))
    )
    assert shown["earned"] == {"two": 14, "one": 14, "none": 4, "complained": None}
    assert shown["steps"][0]["en"].endswith(": (14 × 2 + 14 × 1) / 32 ≈ 1.3 points.")
    assert withheld is None


@given(timelinesses.filter(lambda drawn: drawn.dossiers), assessments)
def test_every_scorecard_and_each_of_its_indices_is_repeated_by_hand(returned, assessment):
    profile = scorecard(returned, assessment)
    ((figure, total),) = profiled(TT01, profile)
    assert points_by_hand(total) == Fraction(total["exact"]) == figure.measure.value
    assert float(points_by_hand(total)) == total["value"] == total["sums"]["weighted_sum"]
    for part, (_, document) in zip(
        total["parts"], profiled(TT01, profile, Level.CRITERION), strict=True
    ):
        value = points_by_hand(document)
        assert value == Fraction(document["exact"]) == Fraction(part["exact"])
        assert float(half_up_by_hand(value, 1)) == document["value"] == part["value"]
        (step,) = document["steps"]
        assert step in total["steps"]
        work, sign, shown = re.split(r" ([=≈]) ", step["en"].rpartition(": ")[2])
        assert (on_the_calculator(work), shown) == (value, f"{document['value']:.1f} points.")
        assert (sign == "=") is (value == half_up_by_hand(value, 1))


@pytest.mark.parametrize(
    ("own", "total", "said"),
    [
        (7, 15, "Class: Excellent (15 points or more)."),
        (6, 14, "Class: Good (12 to below 15 points)."),
        (3, 11, "Class: Fair (9 to below 12 points)."),
    ],
)
def test_a_total_names_its_class_with_the_points_that_earn_it(own, total, said):
    points = {number: max(0, min(2, own - 2 * place)) for place, number in enumerate("5689")}
    counts = {"2": (1, 0, 0), "3": (1, 1, 0), "4": (1, 1, 0)}
    ((_, document),) = profiled(
        TT01, scorecard(Timeliness(1, 1, 0), SelfAssessment(points, counts))
    )
    assert (document["value"], document["steps"][-1]["en"]) == (total, said)


def test_a_missing_index_leaves_nothing_to_explain():
    profile = scorecard(Timeliness(1, 0, 0), None)
    ((_, total),) = profiled(TT01, profile)
    indices = profiled(TT01, profile, Level.CRITERION)
    explained_ = [figure.measure.code for figure, document in indices if document]
    assert (total, explained_) == (None, ["1"])


@pytest.mark.parametrize("method", sorted(POOLED))
def test_the_formula_is_said_in_both_languages(method):
    (measure,) = published.measures("as-published@1", Level.OVERALL, {"A1": [OVERALL]})
    if method in methods.METHODS:
        measure = methods.measures(methods.METHODS[method], KHANH_HOA, Level.OVERALL, Base.ANSWERS)[
            0
        ]
    _, document = explained(method, measure)
    assert document["formula"]["vi"] != document["formula"]["en"]
    assert all(step["vi"] and step["en"] for step in document["steps"])


def test_a_text_without_english_is_given_in_vietnamese_twice():
    form = forms.read("f", 1, questionnaire(("c", [five_levels("q1"), THIRDS])))
    found = [tally.SurveyTally("s", form, 1, ((1, 0, 0, 0, 0), (1, 0, 0, 0)))]
    ((_, document),) = figures("top2-share@1", found, Level.OVERALL)
    assert [one["question"]["name"] for one in document["inputs"]] == [
        {"vi": "Câu hỏi q1", "en": "Câu hỏi q1"},
        {"vi": "Bốn mức", "en": "Four levels"},
    ]


def test_the_example_in_the_contract_is_what_is_answered():
    (example,) = ExplanationOut.model_config["json_schema_extra"]["examples"]
    (asked,) = example["inputs"]
    criterion, question = asked["criterion"], asked["question"]
    document = {
        "title": {"vi": "Phiếu"},
        "criteria": [
            {
                **criterion,
                "questions": [
                    {
                        "code": question["code"],
                        "text": question["name"],
                        "options": asked["options"],
                    }
                ],
            }
        ],
    }
    form = forms.read(asked["questionnaire"], 1, document)
    counted = tuple(option["count"] for option in asked["options"])
    found = [tally.SurveyTally(asked["survey"], form, asked["forms"], (counted,))]
    ((_, answered),) = figures("top2-share@1", found, Level.CRITERION)
    assert answered == example
