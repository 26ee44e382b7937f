"""Figures as they stand together: what is withheld follows from nothing that is shown."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import methods, period, standing
from app.domain import questionnaire as forms
from app.domain.evidence import Evidence, Funnel
from app.domain.explanation import explain
from app.domain.figure import Figure, Finding, Target, Terms
from app.domain.formulas import LEVEL, OF_MAXIMUM
from app.domain.measure import Base, Level, Measure, Status, people
from app.domain.methods import METHODS, Method
from app.domain.standing import Slice
from app.domain.tally import QuestionTally, SurveyTally

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


def statuses(method: str, level: Level, *tallies: SurveyTally, base=Base.ANSWERS) -> dict:
    shown = standing.figures(METHODS[method], Terms(YEAR, base, 5), evidence(*tallies), level)
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
    shown = standing.figures(METHODS["top2-share@1"], TERMS, evidence(counted), Level.OPTION)
    withheld = {one.measure.code.partition(":")[0] for one in shown if one.status in WITHHELD}
    assert withheld == {"q1", "q2"}
    assert {one.status.value for one in shown if one.measure.code.startswith("q2")} == {"too_few"}


@pytest.mark.parametrize("method", COUNTED)
def test_a_ranking_by_a_criterion_withholds_what_the_agencys_own_figures_withhold(method):
    counted = evidence(tally(PAIRS, (30, 10), (30, 9), (2, 1), (20, 18)))
    if Level.CRITERION not in METHODS[method].levels:
        return
    for one in standing.figures(METHODS[method], TERMS, counted, Level.CRITERION):
        assert standing.figure(METHODS[method], TERMS, counted, one.measure.code) == one


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


def test_a_question_that_only_some_methods_take_hides_another_from_all():
    mixed = form("mixed", ("c", [five_levels("q1"), five_levels("q2"), scored("q3")]))
    counted = tally(mixed, (30, 10), (30, 9), (2, 1))
    assert statuses("mean-score@1", Level.QUESTION, counted)["q2"] == "suppressed"
    assert statuses("top2-share@1", Level.QUESTION, counted) == {
        "q1": "suppressed",
        "q2": "suppressed",
        "q3": "too_few",
    }


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
    sums_up = [one["code"] for _, asked in criteria for one in asked if one["options"][0].get("satisfied")]
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


Row = Mapping[tuple[str, str, int], Fraction]


def points(method: Method, asked: QuestionTally, place: int) -> Fraction:
    """What one answer by this option adds to the numerator, worked out anew."""
    chosen = asked.question.options[place]
    if not chosen.counted:
        return Fraction(0)
    scores = [one.score or 0 for one in asked.question.options if one.counted]
    if method.kernel is LEVEL:
        return Fraction((chosen.score or 0) - min(scores), max(scores) - min(scores))
    return Fraction((chosen.score or 0) if method.kernel is OF_MAXIMUM else int(chosen.satisfied))


def cells(asked: Iterable[QuestionTally]) -> Iterable[tuple[QuestionTally, int]]:
    return ((one, place) for one in asked for place in range(len(one.counts)))


def cell(asked: QuestionTally, place: int) -> tuple[str, str, int]:
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
    row: dict = {}
    for part in measure.parts:
        whole = sum(one.answers for one in part.measure.questions) or 1
        for key, value in behind(method, part.measure).items():
            row[key] = row.get(key, Fraction(0)) + part.weight * value / whole
    return row


def told(method: Method, terms: Terms, found: Evidence, level: Level) -> Iterable[Row]:
    """All that the figures of a level say about single counts, explained and all."""
    may = standing.shows(method, terms, found.tallies)
    for figure in standing.figures(method, terms, found, level):
        measure = figure.measure
        if measure.value is not None:
            yield behind(method, measure)
        for place, _ in enumerate(figure.options):
            yield {cell(one, place): Fraction(1) for one in measure.questions}
        explanation = explain(method.id, figure, terms, may)
        for part in explanation.parts if explanation else ():
            yield behind(method, part.figure.measure)
        inputs = [*explanation.inputs] if explanation else []
        for one in inputs + [i for part in (explanation.parts if inputs else ()) for i in part.inputs]:
            yield from ({cell(one.tally, place): Fraction(1)} for place in range(len(one.points)))


def numbers_of_people(found: Evidence) -> Iterable[Row]:
    """What n tells: how many answered each question, over the surveys that share it."""
    same: dict = {}
    for asked in (one for held in found.tallies for one in held.questions()):
        same.setdefault((asked.questionnaire, asked.question.code), []).append(asked)
    for group in same.values():
        yield {
            cell(one, place): Fraction(int(one.question.options[place].counted))
            for one, place in cells(group)
        }


class Attacker:
    """All linear combinations of what was told."""

    def __init__(self, found: Evidence) -> None:
        asked = [one for held in found.tallies for one in held.questions()]
        # Nobody answered: a known zero.
        self.unknown = [cell(one, place) for one, place in cells(asked) if sum(one.counts)]
        self.pivots: dict[int, list[Fraction]] = {}

    def rest(self, row: Row) -> list[Fraction]:
        """What is left of a row once all that is known of it is taken away."""
        left = [row.get(one, Fraction(0)) for one in self.unknown]
        for place, known in self.pivots.items():
            if left[place]:
                times = left[place]
                left = [a - times * b for a, b in zip(left, known, strict=True)]
        return left

    def learn(self, row: Row) -> None:
        left = self.rest(row)
        place = next((place for place, value in enumerate(left) if value), None)
        if place is not None:
            self.pivots[place] = [value / left[place] for value in left]

    def knows(self, *rows: Row) -> bool:
        """Whether the sum of these follows."""
        together = {key: sum(row.get(key, 0) for row in rows) for row in rows for key in row}
        return not any(self.rest(together))


def withheld(method: Method, terms: Terms, found: Evidence) -> Iterable[tuple[Figure, Row]]:
    for level in LEVELS:
        shown = standing.figures(method, terms, found, level)
        measures = methods.measures(method, found.tallies, level, terms.base)
        for figure, measure in zip(shown, measures, strict=True):
            answered = people(measure.questions, Base.ANSWERS)
            if figure.status in WITHHELD and measure.status is Status.OK and answered:
                yield figure, behind(method, measure)


def attack(found: Evidence, asked: Iterable[tuple[Method, Base]]) -> list[str]:
    """What is withheld and yet follows from the figures by these methods and bases together."""
    attacker, secrets = Attacker(found), []
    for row in numbers_of_people(found):
        attacker.learn(row)
    for method, base in asked:
        terms = Terms(YEAR, base, 5)
        for level in LEVELS:
            for row in told(method, terms, found, level):
                attacker.learn(row)
        secrets += withheld(method, terms, found)
    leaks = [figure.measure.code for figure, row in secrets if attacker.knows(row)]
    few = [
        (figure.measure, row)
        for figure, row in secrets
        if figure.status is Status.TOO_FEW and figure.measure.level is not Level.OPTION
    ]
    for (one, row), (other, also) in combinations(few, 2):
        if people([*one.questions, *other.questions], Base.ANSWERS) < 5 and row != also:
            leaks += [f"{one.code} + {other.code}"] * attacker.knows(row, also)
    return leaks


every_way = [(method, base) for method in COUNTED.values() for base in sorted(method.bases)]
many = settings(max_examples=100, deadline=None)


@many
@given(agencies(), st.sampled_from(every_way))
def test_nothing_withheld_follows_from_all_that_one_method_shows(found: Evidence, way):
    assert attack(found, [way]) == []


@many
@given(agencies())
def test_nothing_withheld_follows_from_what_all_methods_show_together(found: Evidence):
    assert attack(found, every_way) == []
