"""The document of an edition: written in one way only, and without a number that is not exact."""

import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.change import Change
from app.domain.edition import (
    AgencyPart,
    EditionEmptyError,
    RankingPart,
    canonical,
    check_begun,
    check_publishable,
    document,
    finding,
    number,
)
from app.domain.edition_differences import differences, terms_differing
from app.domain.errors import InvalidError
from app.domain.evidence import Funnel
from app.domain.figure import Finding, Rounding, Target, Terms, judge
from app.domain.forms import Forms
from app.domain.measure import Level, Measure, Ratio, Status
from app.domain.period import parse
from app.domain.standing import rank

TERMS = Terms(parse("2026"), minimum_n=5)
NO_FORMS = Forms(None, None, None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
decimals = st.decimals(-10_000, 10_000, places=2, allow_nan=False)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | decimals.map(number) | texts
documents = st.dictionaries(
    st.text("abcdefgz_@", min_size=1),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("az_"), inner),
        max_leaves=8,
    ),
    max_size=5,
)


def share(satisfied, answers, criterion="overall"):
    level = Level.OVERALL if criterion == "overall" else Level.CRITERION
    top, whole = Fraction(satisfied), Fraction(answers)
    value = 100 * top / whole
    n = int(answers)
    return Measure(
        level, criterion, {"vi": criterion}, Status.OK, n, value, Ratio(top, whole), 1.0, 99.0
    )


HEAD = {
    "code": "e",
    "surveys": [{"code": "s1", "title": {"vi": "Đợt 1"}}],
    "source": None,
    "earlier_surveys": [],
    "method": {"id": "top2-share@1", "name": {"vi": "Tỷ lệ"}},
    "base": "answers",
    "view": "as_was",
    "rounding": "half_up",
    "decimals": 2,
    "minimum_n": 5,
    "supersedes": None,
}


def edition(*agencies, terms=TERMS, findings=(), targets=(), change=None, totals=(), **head):
    figures = {
        code: [judge(measure, terms, targets, findings) for measure in measures]
        for code, *measures in agencies
    }
    reached = head.pop("reached", {})
    parts = [
        AgencyPart(code, *reached.get(code, (NO_FORMS, Funnel())), own)
        for code, own in figures.items()
    ]
    rankings = []
    for place, first in enumerate(next(iter(figures.values()), [])):
        ranking = rank({code: own[place] for code, own in figures.items()})
        changes = {row.place.agency: change for row in ranking.rows} if change else {}
        code, name = first.measure.code, first.measure.name
        total = judge(totals[place], terms, (), ()) if totals else None
        rankings.append(RankingPart(code, name, len(figures), ranking, changes, {}, total))
    return document(HEAD | head, terms, parts, rankings)


def figures_of(made):
    return {part["agency"]: part["figures"] for part in made["agencies"]}


@given(documents)
def test_what_was_read_can_be_written_again_byte_for_byte(drawn):
    written = canonical(drawn)
    assert canonical(json.loads(written)) == written
    assert b"\n" not in written


def test_sums_that_no_number_of_json_holds_exactly_are_left_to_the_exact_value():
    tiny = share(Fraction(1, 3), 2**53)
    (figure,) = figures_of(edition(("A1", tiny)))["A1"]
    assert (figure["numerator"], figure["denominator"]) == (1, None)
    assert Fraction(figure["exact"]) == Fraction(100, 3 * 2**53)


@given(documents)
def test_the_order_in_which_a_document_was_made_leaves_no_trace(drawn):
    assert canonical(dict(reversed(drawn.items()))) == canonical(drawn)


@given(decimals)
def test_a_number_has_its_own_decimals_and_no_others(drawn):
    written = canonical({"a": number(drawn)}).decode()
    shortest = format(drawn.normalize(), "f")
    assert written == '{"a":%s}' % ("0" if not drawn else shortest)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("70.70"), "70.7"),
        (Decimal("100.00"), "100"),
        (Decimal("-0.00"), "0"),
        (Decimal("0.10") + Decimal("0.20"), "0.3"),
        (Fraction(1094, 4), "273.5"),
        (Fraction(2**53), "9007199254740992"),
        (None, "null"),
    ],
)
def test_numbers_are_written_as_rfc_8785_asks(value, written):
    assert canonical({"a": number(value)}) == f'{{"a":{written}}}'.encode()


def test_texts_are_written_in_utf_8_with_the_fewest_escapes():
    made = canonical({"b": 'Sở "A"\n', "a": "\u2028é\x07"})
    assert made == '{"a":"\u2028é\\u0007","b":"Sở \\"A\\"\\n"}'.encode()


def test_a_withheld_figure_keeps_its_people_and_nothing_else():
    made = edition(("A1", share(3, 4)), findings=[Finding("feedback-not-recorded", {})])
    (figure,) = figures_of(made)["A1"]
    assert (figure["status"], figure["n"]) == ("too_few", 4)
    empty = ("value", "exact", "numerator", "denominator", "ci_low", "ci_high", "gap", "met")
    assert {figure[name] for name in empty} == {None}
    (ranking,) = made["rankings"]
    assert ranking["rows"] == []
    assert ranking["unranked"] == [{"agency": "A1", "status": "too_few", "n": 4}]


def test_a_source_that_printed_a_value_printed_no_people():
    printed = Measure(
        Level.OVERALL, "overall", {"vi": "Chung"}, Status.OK, value=Fraction("82.9951"), decimals=4
    )
    (figure,) = figures_of(edition(("A1", printed), terms=Terms(parse("2026"))))["A1"]
    assert (figure["value"], figure["n"], figure["numerator"]) == (82.9951, None, None)


def test_points_stay_whole_where_two_decimals_hold_them():
    made = figures_of(edition(("A1", share("27.25", 40)), ("A2", share("13.5", 20))))
    assert [(own["numerator"], own["denominator"]) for (own,) in made.values()] == [
        (27.25, 40),
        (13.5, 20),
    ]


def test_points_that_no_decimals_hold_are_divided_alike_throughout():
    thirds, quarters = share(Fraction(40, 3), 20), share("13.5", 20, "access")
    (overall, access) = figures_of(edition(("A1", thirds, quarters)))["A1"]
    assert (overall["numerator"], overall["denominator"]) == (80, 120)
    assert (access["numerator"], access["denominator"]) == (81, 120)
    assert Fraction(overall["exact"]) == Fraction(100 * 80, 120)


@given(st.lists(st.fractions(0, 1, max_denominator=12), min_size=1, max_size=6))
def test_the_value_follows_from_the_points_whatever_the_scales(shares):
    agencies = [(f"A{place}", share(20 * one, 20)) for place, one in enumerate(shares)]
    for (figure,) in figures_of(edition(*agencies)).values():
        top, whole = (Fraction(str(figure[name])) for name in ("numerator", "denominator"))
        assert Fraction(figure["exact"]) == 100 * top / whole


@pytest.mark.parametrize(
    ("rounding", "places", "shown"),
    [
        (Rounding.HALF_UP, 2, (66.67, 33.33, 17.34)),
        (Rounding.HALF_UP, 1, (66.7, 33.3, 17.3)),
        (Rounding.HALF_UP, 0, (67, 33, 17)),
        (Rounding.TRUNCATE, 2, (66.66, 33.33, 17.33)),
        (Rounding.TRUNCATE, 1, (66.6, 33.3, 17.3)),
        (Rounding.TRUNCATE, 0, (66, 33, 17)),
    ],
)
def test_all_that_is_shown_is_rounded_as_the_edition_says(rounding, places, shown):
    terms = Terms(parse("2026"), decimals=places, rounding=rounding)
    change = Change(Fraction("17.335"), -1, ())
    made = edition(("A1", share(20, 30)), ("A2", share(10, 30)), terms=terms, change=change)
    rows = made["rankings"][0]["rows"]
    value, gap = figures_of(made)["A1"][0]["value"], rows[1]["gap_to_next"]
    assert (value, gap, rows[0]["change"]["value"]) == shown


@given(
    st.dictionaries(
        st.sampled_from(["published", "computed"]), st.decimals(0, 100, places=3), max_size=2
    ),
    st.dictionaries(
        st.sampled_from(["question", "answers", "forms"]), st.integers(0, 99) | texts, max_size=3
    ),
)
def test_a_finding_is_read_as_it_was_frozen(printed, said):
    noted = Finding("a-note", printed | said, "as printed", "A1", None, "q1", "2026-01")
    made = edition(("A1", share(8, 10)), findings=[noted])
    stored = json.loads(canonical(made))
    (read,) = (finding(one) for one in figures_of(stored)["A1"][0]["findings"])
    assert read == noted
    assert [str(value) for value in read.params.values()] == [
        str(noted.params[name]) for name in read.params
    ]


def test_editions_of_the_same_figures_do_not_differ():
    made = edition(("A1", share(8, 10)), ("A2", share(7, 10)))
    assert differences(made, json.loads(canonical(made))) == []


@pytest.mark.parametrize(
    ("now", "targets", "field"),
    [
        (share(9, 10), (), "exact"),
        (share(80_001, 100_000), (), "exact"),
        (share(16, 20), (), "n"),
        (share(3, 4), (), "status"),
        (share(8, 10), [Target("overall", parse("2026"), Decimal(90), own=True)], "target"),
    ],
)
def test_a_figure_differs_in_what_it_says(now, targets, field):
    before = edition(("A1", share(8, 10)))
    (found,) = differences(before, edition(("A1", now), targets=targets))
    assert (found.agency, found.criterion) == ("A1", "overall")
    assert found.before[field] != found.after[field]


def test_a_figure_differs_in_its_findings_and_in_its_change():
    before = edition(("A1", share(8, 10)), change=Change(Fraction(2), -1, ()))
    noted = edition(
        ("A1", share(8, 10)),
        change=Change(Fraction(2), -1, ()),
        findings=[Finding("unanswered", {"question": "q1", "answers": 9, "forms": 10})],
    )
    (found,) = differences(before, noted)
    assert (found.before["findings"], len(found.after["findings"])) == ([], 1)
    moved = edition(("A1", share(8, 10)), change=Change(Fraction(3), -1, ()))
    (found,) = differences(before, moved)
    assert (found.before["change"]["value"], found.after["change"]["value"]) == (2, 3)


def test_an_agency_differs_in_its_forms_and_its_dossiers():
    few, many = (Forms(None, None, 10), Funnel(9, 8)), (Forms(None, None, 10), Funnel(9, 9))
    before = edition(("A1", share(8, 10)), ("A2", share(8, 10)), reached={"A1": few})
    after = edition(("A1", share(8, 10)), ("A2", share(8, 10)), reached={"A1": many})
    (found,) = differences(before, after)
    assert (found.agency, found.criterion) == ("A1", None)
    assert found.before["dossiers"]["returned"] == 8
    assert found.after["dossiers"]["returned"] == 9
    assert found.after["forms"]["valid"] == 10


def test_a_ranking_differs_in_its_total():
    before = edition(("A1", share(8, 10)), totals=[share(8, 10)])
    after = edition(("A1", share(8, 10)), totals=[share(9, 10)])
    (found,) = differences(before, after)
    assert (found.agency, found.criterion) == (None, "overall")
    assert (found.before["exact"], found.after["exact"]) == ("80", "90")


def test_a_change_that_is_only_rounded_otherwise_is_none():
    terms, change = Terms(parse("2026"), decimals=0), Change(Fraction("17.335"), -1, ())
    before = edition(("A1", share(20, 30)), change=change)
    after = edition(("A1", share(20, 30)), change=change, terms=terms, decimals=0)
    assert differences(before, after) == []
    other = edition(("A1", share(20, 30)), change=Change(Fraction("17.335"), 2, ()), terms=terms)
    (found,) = differences(before, other | {"decimals": 0})
    assert found.after["change"]["rank"] == 2


def test_editions_name_the_terms_on_which_they_are_made_otherwise():
    before = edition(("A1", share(8, 10)))
    assert terms_differing(before, before) == []
    changes = {
        "surveys": [{"code": "s2", "title": {"vi": "Đợt 1"}}],
        "source": "sipas",
        "earlier_surveys": ["s0"],
        "method": {"id": "mean-score@1", "name": {"vi": "Tỷ lệ"}},
        "base": "forms",
        "view": "today",
        "rounding": "truncate",
        "decimals": 1,
        "minimum_n": 3,
    }
    for name, value in changes.items():
        assert terms_differing(before, before | {name: value}) == [name]
    assert terms_differing(before, before | changes) == list(changes)
    renamed = {
        "surveys": [{"code": "s1", "title": {"vi": "Tên khác"}}],
        "method": {"id": "top2-share@1", "name": {"vi": "Tên khác"}},
    }
    assert terms_differing(before, before | renamed) == []


@pytest.mark.parametrize(
    ("day", "begun"), [("2026-03-31", False), ("2026-04-01", True), ("2027-01-01", True)]
)
def test_a_period_is_frozen_from_its_first_day_on(day, begun):
    try:
        check_begun(parse("2026-Q2"), date.fromisoformat(day))
    except InvalidError as refusal:
        assert not begun
        (fault,) = refusal.faults
        assert (fault.pointer, fault.params) == ("/period", {"day": date(2026, 4, 1)})
    else:
        assert begun


def test_an_edition_that_ranks_nobody_is_published_only_in_place_of_another():
    check_publishable(edition(("A1", share(8, 10))))
    check_publishable(edition(("A1", share(3, 4)), ("A2", share(8, 10))))
    for empty in (edition(), edition(("A1", share(3, 4)))):
        with pytest.raises(EditionEmptyError):
            check_publishable(empty)
        check_publishable(empty | {"supersedes": "e-1"})


def test_an_agency_that_was_overtaken_differs_in_its_rank_only():
    before = edition(("A1", share(8, 10)), ("A2", share(7, 10)))
    after = edition(("A1", share(8, 10)), ("A2", share(9, 10)))
    found = {one.agency: one for one in differences(before, after)}
    assert (found["A1"].before["rank"], found["A1"].after["rank"]) == (1, 2)
    assert {**found["A1"].before, "rank": 2} == found["A1"].after


def test_figures_that_only_one_of_two_editions_has_differ_from_nothing():
    before = edition(("A1", share(8, 10)), ("A2", share(7, 10)))
    after = edition(("A1", share(8, 10)), ("A3", share(7, 10)))
    found = [
        (one.agency, one.criterion, one.before is None, one.after is None)
        for one in differences(before, after)
    ]
    assert found == [
        ("A2", None, False, True),
        ("A2", "overall", False, True),
        ("A3", None, True, False),
        ("A3", "overall", True, False),
    ]


def test_an_edition_of_no_agencies_is_one():
    made = edition()
    assert (made["agencies"], made["rankings"]) == ([], [])
    assert json.loads(canonical(made)) == made
