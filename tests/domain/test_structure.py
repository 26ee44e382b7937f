"""Agencies that merge, split and end: whose data count for whom, and that none is lost."""

import json
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from factories import five_levels, questionnaire
from hypothesis import given
from hypothesis import strategies as st

from app.domain import methods, period, ranking, tally
from app.domain import questionnaire as forms
from app.domain.change import Change, Side, asked, changes, earlier
from app.domain.evidence import Evidence, Funnel
from app.domain.figure import Finding, Target
from app.domain.forms import Issued, Part, summary
from app.domain.measure import Base
from app.domain.structure import (
    Portion,
    Succession,
    apportion,
    merged,
    origins,
    unchanged,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "sap-nhap-2025"
FORM = forms.read("form", 1, questionnaire(("c", [five_levels("q1"), five_levels("q2")])))
MERGER = date(2025, 3, 1)
TODAY = date(2026, 6, 15)
YEAR = period.parse("2025")
WHOLE = Portion((Fraction(1),), 0)
NOBODYS = Finding("unanswered", {"forms": 9}, survey="s", question="q1", month="2025-02")


def passed(agency: str, successor: str, share: str = "1", on: date = MERGER) -> Succession:
    return Succession(agency, successor, Fraction(share), on)


def shares(peers, successions, day=TODAY):
    found = origins(peers, successions, day)
    return {
        peer: {code: portion.share for code, portion in of_peer.items()}
        for peer, of_peer in found.items()
    }


def counted(*rows: tuple[int, ...], forms_counted: int, survey: str = "s") -> tally.SurveyTally:
    return tally.SurveyTally(survey, FORM, forms_counted, rows)


def evidence(agency: str, *tallies: tally.SurveyTally, **more) -> Evidence:
    parts = tuple(Part(one.survey, one.forms, None) for one in tallies)
    known = {"parts": parts, "findings": (), "targets": (), "funnel": Funnel()} | more
    return Evidence(agency, tallies, **known)


def test_without_successions_everyone_keeps_its_own():
    assert shares(["B", "A"], []) == {"B": {"B": 1}, "A": {"A": 1}}


def test_a_merger_brings_all_of_both():
    found = origins(["C"], [passed("A", "C"), passed("B", "C")], TODAY)
    assert list(found["C"]) == ["C", "A", "B"]
    assert {portion.share for portion in found["C"].values()} == {1}


def test_shares_multiply_along_a_chain():
    chain = [passed("A", "B", "0.5"), passed("A", "D", "0.5"), passed("B", "C", "0.4")]
    chain.append(passed("B", "D", "0.6", date(2025, 7, 1)))
    assert shares(["C", "D"], chain) == {
        "C": {"C": 1, "A": Fraction(1, 5), "B": Fraction(2, 5)},
        "D": {"D": 1, "A": Fraction(4, 5), "B": Fraction(3, 5)},
    }


def test_several_ways_to_a_successor_add_up():
    ways = [passed("A", "B", "0.3"), passed("A", "C", "0.7"), passed("B", "C")]
    assert shares(["C"], ways) == {"C": {"C": 1, "A": 1, "B": 1}}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (MERGER - timedelta(days=1), {"A": {"A": 1}, "B": {"B": 1}, "C": {"C": 1}}),
        (MERGER, {"B": {"B": 1, "A": 1}, "C": {"C": 1}}),
        (date(2025, 7, 1), {"C": {"C": 1, "A": 1, "B": 1}}),
    ],
)
def test_the_structure_is_that_of_the_given_day(day, expected):
    chain = [passed("A", "B"), passed("B", "C", on=date(2025, 7, 1))]
    assert shares(["A", "B", "C"], chain, day) == expected


def test_a_peer_that_was_succeeded_is_no_peer_any_more():
    assert shares(["A", "B"], [passed("A", "B")]) == {"B": {"B": 1, "A": 1}}


def test_what_goes_to_nobody_is_lost_to_the_peers():
    assert shares(["B"], [passed("A", "B", "0.6")]) == {"B": {"B": 1, "A": Fraction(3, 5)}}


def test_a_circle_of_successions_counts_everybody_once():
    circle = [passed("A", "B"), passed("B", "C"), passed("C", "A")]
    assert shares(["A", "B", "C"], circle) == {"A": {"A": 1, "B": 1, "C": 1}}


def test_circles_among_many_are_read_in_no_time():
    everyone = [f"A{number:02}" for number in range(40)]
    tangle = [
        passed(one, other, str(Fraction(1, 39)))
        for one in everyone
        for other in everyone
        if one != other
    ]
    assert list(shares([*everyone, "B"], tangle)["B"]) == ["B"]


codes = st.sampled_from("ABCDEFG")


@st.composite
def reorganisations(draw):
    """Successions in which each agency that ends passes on the whole."""
    found = []
    for agency in "ABCDE":
        successors = draw(st.lists(codes, max_size=3, unique=True))
        weights = [draw(st.integers(1, 9)) for _ in successors]
        on = draw(st.sampled_from([MERGER, date(2025, 7, 1), date(2027, 1, 1)]))
        found += [
            Succession(agency, successor, Fraction(weight, sum(weights)), on)
            for successor, weight in zip(successors, weights, strict=True)
            if successor != agency
        ]
    return found


@given(reorganisations())
def test_what_passes_on_is_never_more_than_there_was(successions):
    found = shares(list("ABCDEFG"), successions)
    for source in "ABCDEFG":
        assert sum(of_peer.get(source, 0) for of_peer in found.values()) <= 1


@given(reorganisations())
def test_every_whole_finds_its_holders_when_nothing_leads_back(successions):
    onward = [one for one in successions if one.agency < one.successor]
    ends = {one.agency for one in onward}
    complete = [
        replace(one, share=one.share / sum(o.share for o in onward if o.agency == one.agency))
        for one in onward
    ]
    found = shares(list("ABCDEFG"), complete, date(2027, 1, 1))
    assert set(found) == set("ABCDEFG") - ends
    for source in "ABCDEFG":
        assert sum(of_peer.get(source, 0) for of_peer in found.values()) == 1


def divisions(most, lost=5):
    """Shares of up to so many successors; up to so much of the whole may go to nobody."""
    return st.tuples(
        st.lists(st.integers(1, 20), min_size=1, max_size=most), st.integers(0, lost)
    ).map(lambda drawn: [Fraction(weight, sum(drawn[0]) + drawn[1]) for weight in drawn[0]])


@given(st.integers(0, 10_000), divisions(3, lost=0))
def test_parts_of_up_to_three_are_within_one_of_their_share(count, division):
    (parts,) = apportion([count], division)
    assert all(abs(part - count * share) < 1 for part, share in zip(parts, division, strict=True))


@given(st.integers(0, 10_000), divisions(50))
def test_parts_are_never_more_than_the_whole_and_all_of_it_when_shares_make_one(count, division):
    (parts,) = apportion([count], division)
    assert min(parts) >= 0
    assert sum(parts) == count or (sum(parts) < count and sum(division) < 1)


@given(st.integers(0, 1000), divisions(50))
def test_a_larger_count_never_gives_anyone_less(count, division):
    pairs = zip(*apportion([count, count + 1], division), strict=True)
    assert all(less <= more for less, more in pairs)


rows = st.tuples(*[st.integers(0, 60)] * 5)


@given(rows, rows, st.integers(0, 40), divisions(4, lost=0))
def test_the_parts_of_a_split_are_forms_like_the_whole(first, second, blank, division):
    whole = counted(first, second, forms_counted=max(sum(first), sum(second)) + blank)
    found = [
        merged("B", [(evidence("A", whole), Portion(tuple(division), place))])
        for place in range(len(division))
    ]
    assert all(part.parts[0].counted == part.tallies[0].forms for part in found)
    parts = [part.tallies[0] for part in found]
    assert sum(part.forms for part in parts) == whole.forms
    for q, row in enumerate(whole.counts):
        assert tuple(map(sum, zip(*(part.counts[q] for part in parts), strict=True))) == row
    for part in parts:
        assert min(map(min, part.counts)) >= 0
        assert max(map(sum, part.counts)) <= part.forms


def test_a_merger_adds_what_was_counted_in_each_survey():
    first = counted((5, 4, 3, 2, 1), (0, 1, 0, 0, 0), forms_counted=15)
    second = counted((1, 1, 1, 1, 1), (2, 0, 0, 0, 2), forms_counted=6)
    other = counted((1, 0, 0, 0, 0), (1, 0, 0, 0, 0), forms_counted=1, survey="t")
    found = merged("A", [(evidence("A", first), WHOLE), (evidence("B", other, second), WHOLE)])
    assert (found.agency, [one.survey for one in found.tallies]) == ("A", ["s", "t"])
    assert found.tallies[0].forms == 21
    assert found.tallies[0].counts == ((6, 5, 4, 3, 2), (2, 1, 0, 0, 2))
    assert found.tallies[1] == other
    assert [(part.survey, part.counted) for part in found.parts] == [("s", 15), ("t", 1), ("s", 6)]


def test_a_share_of_the_counts_comes_over_in_whole_people():
    split = (Fraction(2, 5), Fraction(3, 5))
    whole = evidence("A", counted((7, 3, 0, 0, 1), (5, 5, 0, 0, 0), forms_counted=11))
    first, second = (merged("B", [(whole, Portion(split, place))]).tallies[0] for place in (0, 1))
    # 0.4 of 7, 10, 11 counted on: 2.8, 4, 4.4.
    assert (first.forms, first.counts[0]) == (4, (3, 1, 0, 0, 0))
    assert (second.forms, second.counts[0]) == (7, (4, 2, 0, 0, 1))


def test_forms_and_dossiers_come_over_with_their_order_of_size():
    said = Issued("s", issued=21, returned=15, invalid=3)
    funnel = Funnel(received=30, returned=25, late=5, invited=20, opened=15, rated=10)
    known = {"parts": (Part("s", 12, said),), "funnel": funnel}
    split = Portion((Fraction(2, 5), Fraction(3, 5)), 1)
    own = evidence("B", funnel=Funnel(1, 1, 1, 1, 1, 1))
    found = merged("B", [(own, WHOLE), (evidence("A", **known), split)])
    assert found.parts == (Part("s", 7, Issued("s", 13, 9, 2)),)
    assert found.funnel == Funnel(19, 16, 4, 13, 10, 7)


def test_the_response_rate_is_known_when_it_is_of_every_predecessor():
    said = Part("s", 12, Issued("s", 20, 12, 0))
    both = [(evidence("A", parts=(said,)), WHOLE), (evidence("B", parts=(said,)), WHOLE)]
    assert summary(merged("C", both).parts).response_rate == 60
    silent = (evidence("B", parts=(replace(said, said=None),)), WHOLE)
    assert summary(merged("C", [both[0], silent]).parts).response_rate is None


def test_findings_name_the_agency_that_they_are_of_and_targets_are_ones_own():
    aims = [Target("overall", YEAR, 80, own=True), Target("overall", YEAR, 90, own=True)]
    own = evidence("A", findings=(NOBODYS,), targets=(aims[0],))
    others = evidence("B", findings=(NOBODYS,), targets=(aims[1],))
    found = merged("A", [(own, WHOLE), (others, WHOLE)])
    assert found.findings == (NOBODYS, replace(NOBODYS, agency="B"))
    assert found.targets == (aims[0],)


ALWAYS = ((date(2010, 1, 1), None),)


@pytest.mark.parametrize(
    ("spans", "stays"),
    [
        (ALWAYS, True),
        (((date(2024, 1, 1), date(2025, 12, 31)),), True),
        (((date(2024, 1, 2), None),), False),
        (((date(2010, 1, 1), date(2025, 12, 30)),), False),
        (((date(2024, 7, 1), None), (date(2010, 1, 1), date(2024, 6, 30))), True),
        (((date(2010, 1, 1), date(2024, 6, 30)), (date(2024, 7, 2), None)), False),
        ((), False),
    ],
)
def test_like_for_like_asks_for_membership_on_every_day(spans, stays):
    found = unchanged({"A": spans}, [], date(2024, 1, 1), date(2025, 12, 31))
    assert found == (["A"] if stays else [])


@pytest.mark.parametrize(
    ("on", "remaining"),
    [
        (date(2023, 12, 31), ["B", "C"]),
        (date(2024, 1, 1), ["B", "C"]),
        (date(2024, 1, 2), ["C"]),
        (date(2025, 12, 31), ["C"]),
        (date(2026, 1, 1), ["A", "B", "C"]),
    ],
)
def test_like_for_like_leaves_out_who_took_over_or_was_succeeded(on, remaining):
    members = dict.fromkeys("ABC", ALWAYS)
    found = unchanged(members, [passed("A", "B", on=on)], date(2024, 1, 1), date(2025, 12, 31))
    assert found == remaining


def requests(name):
    return json.loads((EXAMPLE / name).read_text("utf-8"))


@pytest.fixture
def province():
    """The members, the successions and the sheets of the worked example."""
    group = next(one for one in requests("1-catalogue.json") if "peer-groups" in one.get("put", ""))
    members: dict[str, list] = {}
    for one in group["body"]["members"]:
        span = [one[side] and date.fromisoformat(one[side]) for side in ("valid_from", "valid_to")]
        members.setdefault(one["agency"], []).append(tuple(span))
    successions = [
        passed(one["post"].split("/")[3], successor["agency"], str(successor["share"]))
        for one in requests("1-catalogue.json")
        if "post" in one
        for successor in one["body"]["successors"]
    ]
    return members, successions, [one["body"] for one in requests("3-counts.json")]


def of_example(sheets, agency, year):
    form = forms.read("f", 1, requests("2-survey.json")[0]["body"])
    own = [s for s in sheets if s["agency"] == agency and s["period"].startswith(str(year))]
    counts = tuple(sum(s["counts"]["q1"][code] for s in own) for code in "321")
    return evidence(agency, tally.SurveyTally("s", form, sum(s["forms"] for s in own), (counts,)))


def side(found):
    """The ranking of these agencies by the share of those satisfied."""
    method = methods.METHODS["top2-share@1"]
    made = {o.agency: methods.criterion(method, o.tallies, "overall", Base.ANSWERS) for o in found}
    values = {code: measure.value for code, measure in made.items() if measure.value is not None}
    ranks = {place.agency: place.rank for place in ranking.rank(values)}
    return Side(frozenset(made), method.id, asked(made.values()), values, ranks)


def told(now, before):
    """Per agency its number: value and rank now and before, and what changed."""
    return {
        int(code[-1]): (now.values[code], now.ranks[code], before.values[code], before.ranks[code])
        for code in changes(now, before)
    }


def test_the_worked_example_as_it_was(province):
    members, _, sheets = province
    now, before = (
        side(
            of_example(sheets, code, year.first.year)
            for code, ((start, end),) in members.items()
            if start <= year.last and (end is None or end >= year.first)
        )
        for year in (YEAR, earlier(YEAR))
    )
    order = sorted(now.ranks, key=now.ranks.__getitem__)
    assert [int(code[-1]) for code in order] == [6, 7, 4, 5, 3, 1, 2]
    assert told(now, before) == {
        1: (70, 6, 80, 3),
        2: (60, 7, 70, 5),
        3: (78, 5, 75, 4),
        4: (84, 3, 86, 2),
        5: (80, 4, 90, 1),
    }
    assert changes(now, before)["H98.03"] == Change(Fraction(3), 1, ("peers-differ",))


def test_the_worked_example_in_todays_structure(province):
    members, successions, sheets = province
    peers = [code for code, ((_, end),) in members.items() if end is None]
    now, before = (
        side(
            merged(peer, [(of_example(sheets, code, year), part) for code, part in of_peer.items()])
            for peer, of_peer in origins(peers, successions, TODAY).items()
        )
        for year in (2025, 2024)
    )
    assert told(now, before) == {
        3: (78, 4, 75, 4),
        4: (84, 1, 86, 2),
        6: (Fraction(5700, 70), 3, Fraction(5500, 70), 3),
        7: (Fraction(2900, 35), 2, 90, 1),
    }
    assert all(change.comparable for change in changes(now, before).values())


def test_the_worked_example_like_for_like(province):
    members, successions, sheets = province
    same = unchanged(members, successions, earlier(YEAR).first, YEAR.last)
    now, before = (side(of_example(sheets, code, year) for code in same) for year in (2025, 2024))
    assert told(now, before) == {3: (78, 2, 75, 2), 4: (84, 1, 86, 1)}
    assert all(change.comparable for change in changes(now, before).values())
