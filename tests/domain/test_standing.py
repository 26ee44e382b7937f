"""Figures as they stand together: what is withheld follows from nothing that is shown."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import methods, period, standing
from app.domain import questionnaire as forms
from app.domain.breakdown import Slice, breakdown
from app.domain.evidence import Evidence, Funnel
from app.domain.explanation import explain
from app.domain.figure import Figure, Finding, Terms
from app.domain.formulas import LEVEL, OF_MAXIMUM, SATISFIED, by_question, of_overall_question
from app.domain.measure import Base, Level, Measure, Status, people
from app.domain.methods import METHODS, Method
from app.domain.tally import QuestionTally, SurveyTally
from app.domain.withholding import KERNELS

LEVELS = (Level.OVERALL, Level.CRITERION, Level.QUESTION, Level.OPTION)
WITHHELD = {Status.TOO_FEW, Status.SUPPRESSED}
COUNTED = {id_: method for id_, method in METHODS.items() if not method.of_units}
YEAR = period.parse("2026")
TERMS = Terms(YEAR, minimum_n=5)


def question(code: str, *options: dict) -> dict:
    return {"code": code, "text": {"vi": code}, "options": list(options)}


def scored(code: str) -> dict:
    """Three levels with points, of which none is marked as satisfied."""
    return question(code, *(option(str(score), score=score) for score in (3, 2, 1)))


def marked(code: str) -> dict:
    """Three levels without points, of which one is marked as satisfied."""
    return question(code, option("a", satisfied=True), option("b"), option("c"))


def unrated(code: str) -> dict:
    return question(code, option("early"), option("late"))


def form(code: str, *criteria: tuple[str, list[dict]], **more) -> forms.Questionnaire:
    return forms.read(code, 1, questionnaire(*criteria, **more))


def evidence(*tallies: SurveyTally, findings: Sequence[Finding] = ()) -> Evidence:
    return Evidence("A1", tallies, (), tuple(findings), (), Funnel())


def tally(
    asked: forms.Questionnaire, *rows: Sequence[int], survey: str = "s", of: int = 0
) -> SurveyTally:
    """So many answers to each question, best option first, on as few forms as hold them."""
    counts = tuple(
        tuple(row) + (0,) * (len(one.options) - len(row))
        for one, row in zip(asked.questions, rows, strict=True)
    )
    return SurveyTally(survey, asked, max([of, *map(sum, counts)]), counts)


def figures(method: Method, terms: Terms, found: Evidence, level: Level) -> list[Figure]:
    return standing.figures(standing.judging(method, terms, found), level)


def statuses(method: str, level: Level, *tallies: SurveyTally, base=Base.ANSWERS) -> dict:
    shown = figures(METHODS[method], Terms(YEAR, base, 5), evidence(*tallies), level)
    return {one.measure.code: one.status.value for one in shown}


PAIRS = form(
    "pairs",
    ("access", [five_levels("q1"), five_levels("q2")]),
    ("staff", [five_levels("q3")]),
    ("result", [five_levels("q4")]),
)


def test_a_criterion_of_too_few_takes_the_smallest_other_along_with_a_question_of_it():
    counted = tally(PAIRS, (30, 10), (30, 9), (2, 1), (20, 18))
    assert statuses("top2-share@1", Level.OVERALL, counted) == {"overall": "ok"}
    assert statuses("top2-share@1", Level.CRITERION, counted) == {
        "access": "ok",
        "staff": "too_few",
        "result": "suppressed",
    }
    assert statuses("top2-share@1", Level.QUESTION, counted) == {
        "q1": "ok",
        "q2": "ok",
        "q3": "too_few",
        "q4": "suppressed",
    }


def test_options_go_with_their_question():
    counted = tally(PAIRS, (30, 10), (2, 1), (20, 10), (20, 18))
    assert statuses("top2-share@1", Level.QUESTION, counted)["q1"] == "suppressed"
    shown = figures(METHODS["top2-share@1"], TERMS, evidence(counted), Level.OPTION)
    withheld = {one.measure.code.partition(":")[0] for one in shown if one.status in WITHHELD}
    assert withheld == {"q1", "q2"}
    assert {one.status.value for one in shown if one.measure.code.startswith("q2")} == {"too_few"}


@pytest.mark.parametrize("method", COUNTED)
def test_a_ranking_by_a_criterion_withholds_what_the_agencys_own_figures_withhold(method):
    counted = evidence(tally(PAIRS, (30, 10), (30, 9), (2, 1), (20, 18)))
    if Level.CRITERION not in METHODS[method].levels:
        return
    by = standing.judging(METHODS[method], TERMS, counted)
    for one in standing.figures(by, Level.CRITERION):
        assert standing.figure(by, one.measure.code) == one


def test_the_few_who_answered_stay_hidden_where_their_answers_are_shared_among_all_forms():
    counted = tally(PAIRS, (30, 10), (30, 9), (2, 1), (20, 18))
    by_forms = statuses("top2-share@1", Level.CRITERION, counted, base=Base.FORMS)
    assert by_forms == {"access": "ok", "staff": "suppressed", "result": "suppressed"}
    mean = statuses("mean-of-criteria@1", Level.OVERALL, counted, base=Base.FORMS)
    assert mean == {"overall": "suppressed"}


def test_a_mean_that_leaves_the_few_out_is_withheld_with_what_is_hidden_for_their_sake():
    weighed = form(
        "weighed",
        ("access", [five_levels("q1")]),
        ("staff", [five_levels("q2")]),
        ("result", [five_levels("q3")]),
        weights={"staff": 0},
    )
    counted = tally(weighed, (30, 10), (2, 1), (20, 18))
    assert statuses("weighted-criteria@1", Level.CRITERION, counted)["result"] == "suppressed"
    assert statuses("weighted-criteria@1", Level.OVERALL, counted) == {"overall": "suppressed"}


def test_where_nobody_is_few_nothing_is_withheld():
    counted = tally(PAIRS, (30, 10), (5,), (), (20, 18))
    assert statuses("top2-share@1", Level.QUESTION, counted) == {
        "q1": "ok",
        "q2": "ok",
        "q3": "pending",
        "q4": "ok",
    }


ASKED = st.sampled_from([five_levels, five_levels, five_levels, scored, marked, unrated])
FEW_OR_MANY = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 9, 40])


@st.composite
def questionnaires(draw: st.DrawFn, code: str) -> forms.Questionnaire:
    criteria = [
        (f"c{c}", [draw(ASKED)(f"q{c}{q}") for q in range(draw(st.integers(1, 3)))])
        for c in range(draw(st.integers(1, 3)))
    ]
    weights = {name: draw(st.sampled_from([0, 1, 1, 2])) for name, _ in criteria}
    sums_up = [
        one["code"] for _, asked in criteria for one in asked if one["options"][0].get("satisfied")
    ]
    overall = draw(st.sampled_from([None, None, *sums_up]))
    return form(code, *criteria, overall=overall, weights=weights)


def composition(draw: st.DrawFn, total: int, parts: int) -> tuple[int, ...]:
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=parts - 1, max_size=parts - 1)))
    return tuple(high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True))


@st.composite
def agencies(draw: st.DrawFn) -> Evidence:
    """An agency asked in one or two surveys, with the same form or another."""
    first = draw(questionnaires("f1"))
    asked = [first, *draw(st.sampled_from([(), (first,), (draw(questionnaires("f2")),)]))]
    tallies = []
    for number, one in enumerate(asked):
        rows = [composition(draw, draw(FEW_OR_MANY), len(q.options)) for q in one.questions]
        tallies.append(tally(one, *rows, survey=f"s{number}"))
    return evidence(*tallies)


Cell = tuple[str, str, int]
Row = Mapping[Hashable, Fraction]


def points(method: Method, asked: QuestionTally, place: int) -> Fraction:
    """What one answer by this option adds to the numerator, worked out anew."""
    chosen = asked.question.options[place]
    if not chosen.counted or not method.kernel.applies(asked):
        return Fraction(0)
    scores = [one.score or 0 for one in asked.question.options if one.counted]
    if method.kernel is LEVEL:
        return Fraction((chosen.score or 0) - min(scores), max(scores) - min(scores))
    return Fraction((chosen.score or 0) if method.kernel is OF_MAXIMUM else int(chosen.satisfied))


def cells(asked: Iterable[QuestionTally]) -> Iterable[tuple[QuestionTally, int]]:
    return ((one, place) for one in asked for place in range(len(one.counts)))


def cell(asked: QuestionTally, place: int) -> Cell:
    return (asked.survey, asked.question.code, place)


def behind(method: Method, measure: Measure) -> Row:
    """What the figure tells of the counts: its numerator, or its mean of shares."""
    if measure.level is Level.OPTION:
        wanted = measure.code.partition(":")[2]
        return {
            cell(one, place): Fraction(1)
            for one, place in cells(measure.questions)
            if one.question.options[place].code == wanted
        }
    if not measure.parts:
        return {
            cell(one, place): points(method, one, place) for one, place in cells(measure.questions)
        }
    rows = []
    for part in measure.parts:
        times = part.weight / (sum(one.answers for one in part.measure.questions) or 1)
        rows.append({key: times * value for key, value in behind(method, part.measure).items()})
    return added(rows)


def told(method: Method, terms: Terms, found: Evidence, level: Level) -> Iterable[Row]:
    """All that the figures of a level say about single counts, explained and all."""
    may = standing.shows(terms, found.tallies)
    for figure in figures(method, terms, found, level):
        measure = figure.measure
        if measure.value is not None:
            yield behind(method, measure)
        for place, _ in enumerate(figure.options):
            yield {cell(one, place): Fraction(1) for one in measure.questions}
        explanation = explain(method.id, figure, terms, may)
        for part in explanation.parts if explanation else ():
            yield behind(method, part.figure.measure)
        inputs = [*explanation.inputs] if explanation else []
        for one in inputs + [
            i for part in (explanation.parts if inputs else ()) for i in part.inputs
        ]:
            yield from ({cell(one.tally, place): Fraction(1)} for place in range(len(one.points)))


def numbers_of_people(found: Evidence) -> Iterable[Row]:
    """What n tells: how many answered each question, over the surveys that share it."""
    same: dict = {}
    for asked in (one for held in found.tallies for one in held.questions):
        same.setdefault((asked.questionnaire, asked.question.code), []).append(asked)
    for group in same.values():
        yield {
            cell(one, place): Fraction(int(one.question.options[place].counted))
            for one, place in cells(group)
        }


class Attacker:
    """All linear combinations of what was told."""

    def __init__(self, unknown: Iterable[Hashable]) -> None:
        self.unknown = list(unknown)
        self.known: dict[int, list[Fraction]] = {}

    def left(self, row: Row) -> list[Fraction]:
        """What remains of a row once all that is known of it is taken away."""
        left = [row.get(one, Fraction(0)) for one in self.unknown]
        for place, known in self.known.items():
            if times := left[place]:
                left = [a - times * b for a, b in zip(left, known, strict=True)]
        return left

    def learn(self, rows: Iterable[Row]) -> None:
        for row in {frozenset(row.items()) for row in rows}:
            left = self.left(dict(row))
            place = next((place for place, value in enumerate(left) if value), None)
            if place is not None:
                self.known[place] = [value / left[place] for value in left]

    def knows(self, *rows: Row) -> bool:
        """Whether the sum of these follows."""
        return not any(self.left(added(rows)))


def added(rows: Iterable[Row]) -> Row:
    total: dict[Hashable, Fraction] = {}
    for row in rows:
        for key, value in row.items():
            total[key] = total.get(key, Fraction(0)) + value
    return total


def answered(found: Iterable[SurveyTally]) -> Iterable[Cell]:
    """The cells of questions that somebody answered; the others are known to be empty."""
    for asked in (one for held in found for one in held.questions):
        yield from (cell(asked, place) for place, _ in enumerate(asked.counts) if sum(asked.counts))


def withheld(method: Method, terms: Terms, found: Evidence) -> Iterable[tuple[Figure, Row]]:
    for level in LEVELS:
        shown = figures(method, terms, found, level)
        measures = methods.measures(method, found.tallies, level, terms.base)
        for figure, measure in zip(shown, measures, strict=True):
            answered = people(measure.questions, Base.ANSWERS)
            if figure.status in WITHHELD and measure.ratio and answered:
                yield figure, behind(method, measure)


def attack(found: Evidence, asked: Sequence[tuple[Method, Base]]) -> list[str]:
    """What is withheld and yet follows from the figures by these methods and bases together."""
    attacker = Attacker(answered(found.tallies))
    attacker.learn(numbers_of_people(found))
    for method, base in asked:
        terms = Terms(YEAR, base, 5)
        attacker.learn(row for level in LEVELS for row in told(method, terms, found, level))
    secrets = {
        figure.measure.key: (figure, row)
        for method, base in asked
        if base is Base.ANSWERS
        for figure, row in withheld(method, TERMS, found)
    }
    leaks = [key for key, (_, row) in secrets.items() if attacker.knows(row)]
    few = [
        (figure.measure, row)
        for figure, row in secrets.values()
        if figure.status is Status.TOO_FEW and figure.measure.level is not Level.OPTION
    ]
    for (one, row), (other, also) in combinations(few, 2):
        if people([*one.questions, *other.questions], Base.ANSWERS) < 5 and row != also:
            leaks += [(one.code, other.code)] * attacker.knows(row, also)
    return leaks


SAME_ANSWERS = {
    kernel: [
        (method, base)
        for method in COUNTED.values()
        if method.kernel is kernel
        for base in sorted(method.bases)
    ]
    for kernel in (SATISFIED, LEVEL, OF_MAXIMUM)
}


EVERY_METHOD = [way for ways in SAME_ANSWERS.values() for way in ways]


@settings(max_examples=100, deadline=None)
@given(agencies())
def test_nothing_withheld_follows_from_all_that_all_methods_show_together(found):
    assert attack(found, EVERY_METHOD) == []


def slices(found: Mapping[str, Sequence[SurveyTally]]) -> list[Slice]:
    return [Slice(code, {"vi": code}, tallies) for code, tallies in found.items()]


def broken_down(method: str, whole: Evidence, by: Level, found, base=Base.ANSWERS) -> dict:
    terms = Terms(YEAR, base, 5)
    shown = breakdown(METHODS[method], terms, whole, by, slices(found))
    return {one.measure.code: one for one in shown}


ONE = form("one", ("c", [five_levels("q1")]))


def together(tallies: Iterable[SurveyTally]) -> tuple[SurveyTally, ...]:
    """The sum of tallies, survey by survey."""
    held: dict = {}
    for one in tallies:
        other = held.get(one.survey)
        counts = one.counts
        if other:
            counts = tuple(
                tuple(map(sum, zip(*rows, strict=True)))
                for rows in zip(other.counts, counts, strict=True)
            )
        number = one.forms + (other.forms if other else 0)
        held[one.survey] = SurveyTally(one.survey, one.questionnaire, number, counts)
    return tuple(held.values())


def of_people(**numbers: int) -> dict[str, list[SurveyTally]]:
    """Parts with so many forms each, a third of them dissatisfied."""
    return {code: [tally(ONE, (n - n // 3, 0, 0, 0, n // 3))] for code, n in numbers.items() if n}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"a": 3, "b": 9, "c": 20}, {"a": "too_few", "b": "suppressed", "c": "ok"}),
        ({"a": 3, "b": 2, "c": 20}, {"a": "too_few", "b": "too_few", "c": "ok"}),
        ({"a": 1, "b": 2, "c": 20}, {"a": "too_few", "b": "too_few", "c": "suppressed"}),
        ({"a": 6, "b": 9, "c": 20}, {"a": "ok", "b": "ok", "c": "ok"}),
    ],
)
@pytest.mark.parametrize("by", [Level.MONTH, Level.CHANNEL, Level.COUNTER, Level.PROCEDURE])
@pytest.mark.parametrize("method", COUNTED)
def test_a_part_of_too_few_takes_one_along_whatever_the_method(method, by, numbers, expected):
    parts = of_people(**numbers)
    overall = form("one", ("c", [five_levels("q1")]), overall="q1")
    if METHODS[method].overall is of_overall_question:
        parts = {
            code: [SurveyTally("s", overall, one.forms, one.counts)]
            for code, (one,) in parts.items()
        }
    whole = evidence(*together(one for own in parts.values() for one in own))
    shown = broken_down(method, whole, by, parts)
    assert {code: one.status.value for code, one in shown.items()} == expected


def test_few_forms_without_a_counter_take_a_counter_along():
    parts = of_people(Q1=10, Q2=20)
    for nowhere, expected in ((0, "ok"), (3, "suppressed"), (5, "ok")):
        whole = evidence(*together([*parts["Q1"], *parts["Q2"], tally(ONE, (nowhere,))]))
        shown = broken_down("top2-share@1", whole, Level.COUNTER, parts)
        assert (shown["Q1"].status.value, shown["Q2"].status.value) == (expected, "ok")


def test_the_people_of_a_flawed_sheet_are_no_more_than_its_forms():
    parts = of_people(Q1=10, Q2=20)
    flawed = SurveyTally("s", ONE, 4, ((6, 0, 0, 0, 0),))
    whole = evidence(*together([*parts["Q1"], *parts["Q2"], flawed]))
    assert broken_down("top2-share@1", whole, Level.COUNTER, parts)["Q1"].status.value == (
        "suppressed"
    )


def test_a_part_in_which_only_another_survey_was_answered_is_asked_as_the_whole_is():
    other = form("other", ("d", [five_levels("q1")]), overall="q1")
    january = [tally(ONE, (10, 5), survey="s1")]
    february = [tally(other, (10, 0, 5), survey="s2")]
    whole = evidence(*january, *february)
    shown = broken_down("top2-share@1", whole, Level.MONTH, {"1": january, "2": february})
    assert (shown["1"].status, shown["1"].measure.n) == (Status.OK, 15)
    assert (shown["2"].status, shown["2"].measure.n) == (Status.PENDING, 0)
    by_overall_question = broken_down(
        "overall-question@1", whole, Level.MONTH, {"1": january, "2": february}
    )
    assert by_overall_question["1"].status is Status.PENDING
    assert by_overall_question["2"].value == Decimal("66.67")


TWO = form("two", ("c", [five_levels("q1")]), ("d", [five_levels("q2")]))


def test_people_who_were_asked_something_else_hide_nobody():
    parts = {"Q1": [tally(TWO, (), (6,))], "Q2": [tally(TWO, (), (1,))]}
    whole = evidence(*together([*parts["Q1"], *parts["Q2"], tally(TWO, (9,), ())]))
    shown = broken_down("top2-share@1", whole, Level.COUNTER, parts)
    assert (shown["Q1"].status.value, shown["Q2"].status.value) == ("suppressed", "too_few")


def test_a_question_that_other_parts_give_away_does_not_hide_another():
    parts = {"Q1": [tally(TWO, (9,), (9,))], "Q2": [tally(TWO, (1,), (7,))]}
    whole = evidence(*together([*parts["Q1"], *parts["Q2"]]))
    for method in ("mean-of-criteria@1", "top2-share@1"):
        shown = broken_down(method, whole, Level.COUNTER, parts, Base.FORMS)
        assert {one.status for one in shown.values()} == {Status.SUPPRESSED}


def test_a_question_of_few_in_each_part_is_hidden_by_the_others():
    parts = {month: [tally(TWO, (40, 0, 9), (2,))] for month in ("1", "2", "3")}
    whole = evidence(*together(one for own in parts.values() for one in own))
    shown = broken_down("top2-share@1", whole, Level.MONTH, parts)
    assert {one.status for one in shown.values()} == {Status.OK}


def test_few_forms_of_one_survey_are_not_hidden_by_those_of_another_in_the_same_channel():
    tablet, paper = [tally(ONE, (30, 10), survey="s1")], [tally(ONE, (1, 0, 2), survey="s1")]
    sheet = SurveyTally("s2", form("paper", ("d", [five_levels("p1")])), 9, ((4, 0, 5, 0, 0),))
    parts = {"tablet": tablet, "online": [tally(ONE, (50,), survey="s1")], "paper": [*paper, sheet]}
    whole = evidence(*together(one for own in parts.values() for one in own))
    for method in ("top2-share@1", "mean-score@1"):
        shown = broken_down(method, whole, Level.CHANNEL, parts)
        told = {code: one.status.value for code, one in shown.items()}
        assert told == {"tablet": "suppressed", "online": "ok", "paper": "suppressed"}


def test_a_part_goes_along_by_every_method_or_by_none():
    parts = {"Q1": [tally(TWO, (), (6,))], "Q2": [tally(TWO, (1,), (7,))]}
    whole = evidence(*together([*parts["Q1"], *parts["Q2"], tally(TWO, (), (1,))]))
    for method in ("top2-share@1", "mean-of-questions@1", "mean-of-criteria@1"):
        shown = broken_down(method, whole, Level.COUNTER, parts, Base.FORMS)
        assert shown["Q1"].status is Status.SUPPRESSED


NOWHERE = ""


@st.composite
def parted(draw: st.DrawFn) -> tuple[Evidence, dict[str, list[SurveyTally]]]:
    """An agency, its forms dealt out to counters; some were at none."""
    asked = draw(agencies()).tallies
    parts: dict[str, list[SurveyTally]] = {}
    for name in draw(st.sampled_from([("a", NOWHERE), ("a", "b", NOWHERE), ("a", "b", "c")])):
        for held in draw(st.lists(st.sampled_from(asked), unique_by=lambda one: one.survey)):
            rows = [composition(draw, draw(FEW_OR_MANY), len(row)) for row in held.counts]
            made = tally(held.questionnaire, *rows, survey=held.survey)
            parts.setdefault(name, []).append(made)
    return evidence(*together(one for own in parts.values() for one in own)), parts


def of_part(code: str, row: Row) -> Row:
    return {(code, key): value for key, value in row.items()}


def few_of(own: Sequence[SurveyTally]) -> Iterable[Row]:
    """What must not follow of a part: how few people answered a question, or all that few said."""
    asked = [one for held in own for one in held.questions]
    for kernel in KERNELS:
        usable = [one for one in asked if kernel.applies(one)]
        method = next(one for one in COUNTED.values() if one.kernel is kernel)
        groups = [*by_question(usable)] + [usable] * (people(usable, Base.ANSWERS) < 5)
        for group in groups:
            if 0 < people(group, Base.ANSWERS) < 5:
                yield {cell(one, place): points(method, one, place) for one, place in cells(group)}


def attack_parts(whole: Evidence, parts: Mapping[str, Sequence[SurveyTally]]) -> list[Row]:
    """What few people of a part answered and yet follows from all that all methods show."""
    attacker = Attacker((code, one) for code, own in parts.items() for one in answered(own))
    for code, own in parts.items():
        attacker.learn(of_part(code, row) for row in numbers_of_people(evidence(*own)))
    secrets = [of_part(code, row) for code, own in parts.items() for row in few_of(own)]
    secrets = [row for row in secrets if not attacker.knows(row)]  # n alone may tell
    named = {code: own for code, own in parts.items() if code != NOWHERE}
    for method, base in EVERY_METHOD:
        terms = Terms(YEAR, base, 5)
        rows = (row for level in LEVELS for row in told(method, terms, whole, level))
        attacker.learn(added(of_part(code, row) for code in parts) for row in rows)
        shown = broken_down(method.id, whole, Level.COUNTER, named, base)
        attacker.learn(
            of_part(code, behind(method, one.measure))
            for code, one in shown.items()
            if one.value is not None
        )
    return [row for row in secrets if attacker.knows(row)]


@settings(max_examples=60, deadline=None)
@given(parted())
def test_what_few_people_of_a_part_answered_follows_from_nothing_that_is_shown(split):
    whole, parts = split
    assert attack_parts(whole, parts) == []
