"""Rankings over HTTP: rows that can be defended, and agencies that merged, in three views."""

import csv
import io
import re
from pathlib import Path

import pytest
from factories import five_levels, questionnaire

from app.cli.demo import read_requests
from app.domain.interval import Leaf
from app.domain.rank_interval import rank_sets

EXAMPLE = Path(__file__).parents[2] / "examples" / "sap-nhap-2025"
MERGED = {"peer_group": "so-minh-hoa-2", "survey": "sap-nhap-minh-hoa", "period": "2025"}
QUERY = {"peer_group": "g", "survey": "s1", "period": "2026-05"}
VIETNAMESE = ("Một", "Hai", "Ba", "Bốn", "Năm", "Sáu", "Bảy")
ENGLISH = ("One", "Two", "Three", "Four", "Five", "Six", "Seven")


@pytest.fixture
async def province(make, client):
    """The worked example, loaded as anybody would."""
    for method, path, body in read_requests(EXAMPLE):
        answer = await client.request(method, path, json=body)
        assert answer.status_code in {200, 201}, answer.text
    return client


async def ranking(client, **query):
    answer = await client.get("/v1/rankings", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def number(text):
    """The number as the README writes it."""
    return float(text.replace(",", ".").replace("−", "-"))


def told(view, names):
    """The rows of the README's table of a view: what it says of each agency, in order."""
    text = (EXAMPLE / "README.md").read_text("utf-8")
    section = text.split(f"(`{view}`)")[(VIETNAMESE, ENGLISH).index(names) + 1].split("\n#")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not re.match(r"[0-9]/[0-9]", cells[0]):
            continue
        satisfied, people, value = re.match(r"([0-9]+)/([0-9]+) = ([0-9,.]+)", cells[2]).groups()
        row = {
            "place": cells[0],
            "agency": f"H98.0{names.index(cells[1].removeprefix('Sở ')) + 1}",
            "numerator": int(satisfied),
            "n": int(people),
            "value": number(value),
        }
        if cells[3]:
            share, value, rank = re.match(
                r"([0-9/]+) = ([0-9,.]+) % \(([0-9])\)", cells[3]
            ).groups()
            row["before"] = (share, number(value), int(rank))
            row["change"] = (number(cells[4]), int(number(cells[5])))
        yield row


@pytest.mark.parametrize(
    ("view", "peers", "reasons"),
    [("as_was", 7, ["peers-differ"]), ("today", 4, []), ("like_for_like", 2, [])],
)
async def test_every_number_of_the_worked_example_is_what_the_service_says(
    province, view, peers, reasons
):
    expected = list(told(view, VIETNAMESE))
    assert len(expected) == peers
    assert expected == list(told(view, ENGLISH))
    now = await ranking(province, **MERGED, view=view)
    before = await ranking(province, **MERGED | {"period": "2024"}, view=view)
    assert (now["view"], now["peer_count"], now["unranked"]) == (view, peers, [])
    assert now["compared_with"] == {"first": "2024-01-01", "last": "2024-12-31"}
    assert [row["agency"]["code"] for row in now["rows"]] == [row["agency"] for row in expected]
    earlier = {row["agency"]["code"]: row for row in before["rows"]}
    for row, said in zip(now["rows"], expected, strict=True):
        assert f"{row['rank']}/{peers}" == said["place"]
        assert {name: row[name] for name in ("numerator", "n", "value")} == {
            name: said[name] for name in ("numerator", "n", "value")
        }
        if "change" not in said:
            assert row["change"] is None
            continue
        assert (row["change"]["value"], row["change"]["rank"]) == said["change"]
        assert (row["change"]["comparable"], row["change"]["reasons"]) == (not reasons, reasons)
        if view != "like_for_like":  # of which the peers are others when two other years are asked
            was = earlier[said["agency"]]
            assert (f"{was['numerator']}/{was['n']}", was["value"], was["rank"]) == said["before"]


async def test_no_form_is_lost_or_counted_twice_on_the_way_to_todays_structure(province):
    for view in ("as_was", "today"):
        rows = (await ranking(province, **MERGED, view=view))["rows"]
        assert sum(row["numerator"] for row in rows) == 167
        assert sum(row["n"] for row in rows) == 205
        total = (await ranking(province, **MERGED, view=view))["total"]
        assert (total["numerator"], total["denominator"], total["value"]) == (167, 205, 81.46)


async def test_a_key_sees_no_predecessors_that_are_not_its_own(province, make):
    codes = {f"H98.0{n}" for n in range(3, 8)}
    todays = await make.caller("indices:read", agencies=codes - {"H98.05"})
    for view in ("today", "as_was"):
        answer = await todays.get("/v1/rankings", params=MERGED | {"view": view})
        assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
        assert answer.json()["errors"][0]["pointer"] == "/query/peer_group"
    like_for_like = await todays.get("/v1/rankings", params=MERGED | {"view": "like_for_like"})
    assert like_for_like.status_code == 200
    # The ranks before would tell of agencies that were peers only then.
    of_2026 = MERGED | {"period": "2026"}
    assert (await todays.get("/v1/rankings", params=of_2026)).status_code == 403
    own = await make.caller("indices:read", agencies=codes | {"H98.01", "H98.02"})
    for view in ("today", "as_was"):
        assert (await own.get("/v1/rankings", params=MERGED | {"view": view})).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"source": "sipas"},
        {"method": "qd766-dossier@1"},
        {"method": "tt01-2018@1"},
        {"method": "tt01-2018@1", "criterion": "5", "survey": "sap-nhap-minh-hoa"},
    ],
)
async def test_only_tallies_can_be_added_up_in_todays_structure(province, query):
    asked = {"peer_group": "so-minh-hoa-2", "period": "2025", "view": "today"} | query
    answer = await province.get("/v1/rankings", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "method-not-applicable")
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("/query/view", "not-allowed")
    ]
    for view in ("as_was", "like_for_like"):
        assert (
            await province.get("/v1/rankings", params=asked | {"view": view})
        ).status_code == 200


FORM = questionnaire(("access", [five_levels("q1")]), ("staff", [five_levels("q2")]))


async def answered(make, agency, *satisfied, of=10, **fields):
    """A paper sheet on which so many were satisfied with each question."""
    counts = {f"q{n}": {"5": best, "1": of - best} for n, best in enumerate(satisfied, 1)}
    answer = await make.sheet(counts, of, agency=agency, **fields)
    assert answer.status_code == 201, answer.text


@pytest.fixture
async def peers(make, client):
    """Five agencies; two are equal, and one has few answers."""
    codes = [f"A{n}" for n in range(1, 6)]
    for code in codes:
        await make.agency(code)
    await make.peer_group("g", *codes)
    await make.survey("s1", peer_group="g", agencies=None, form=FORM)
    for code, *satisfied in (("A1", 70, 50), ("A2", 100, 80), ("A3", 55, 65), ("A4", 40, 20)):
        await answered(make, code, *satisfied, of=100)
    await answered(make, "A5", 2, 3, of=4)
    return client


def by_code(answer):
    return {row["agency"]["code"]: row for row in answer["rows"]}


async def test_a_rank_lies_between_the_ranks_that_its_answers_leave_possible(peers):
    for criterion, shares in (
        ("overall", {"A1": 0.6, "A2": 0.9, "A3": 0.6, "A4": 0.3}),
        ("access", {"A1": 0.7, "A2": 1.0, "A3": 0.55, "A4": 0.4}),
    ):
        rows = by_code(await ranking(peers, **QUERY, criterion=criterion))
        sets = dict(
            zip(
                shares,
                rank_sets([[Leaf(share, 100, 1.0)] for share in shares.values()]),
                strict=True,
            )
        )
        for code, row in rows.items():
            assert (row["rank_low"], row["rank_high"]) == sets[code]
            assert row["rank_low"] <= row["rank"] <= row["rank_high"]
    assert [rows[code]["rank_low"] for code in ("A2", "A1")] == [1, 2]


async def test_what_is_missing_to_the_next_better_value_is_the_same_for_equals(peers):
    rows = by_code(await ranking(peers, **QUERY))
    assert {code: (row["rank"], row["gap_to_next"]) for code, row in rows.items()} == {
        "A2": (1, None),
        "A1": (2, 30.0),
        "A3": (2, 30.0),
        "A4": (4, 30.0),
    }
    assert (rows["A1"]["tied_with"], rows["A3"]["tied_with"]) == (["A3"], ["A1"])


async def test_the_criterion_that_would_help_most_is_named_beside_the_overall_rank_only(peers):
    rows = by_code(await ranking(peers, **QUERY))
    name = {"access": "Tiêu chí access", "staff": "Tiêu chí staff"}
    assert {code: row["improvement"] for code, row in rows.items()} == {
        "A1": {"criterion": "staff", "name": name["staff"], "value": 50.0, "lift": 25.0},
        "A2": {"criterion": "staff", "name": name["staff"], "value": 80.0, "lift": 10.0},
        "A3": {"criterion": "access", "name": name["access"], "value": 55.0, "lift": 22.5},
        "A4": {"criterion": "staff", "name": name["staff"], "value": 20.0, "lift": 40.0},
    }
    rows = by_code(await ranking(peers, **QUERY, criterion="staff"))
    assert {row["improvement"] for row in rows.values()} == {None}


async def test_a_withheld_criterion_is_never_named_as_what_would_help(make, client):
    await make.agency()
    await make.peer_group("g", "A1")
    three = questionnaire(*((code, [five_levels(f"q{n}")]) for n, code in enumerate("abc", 1)))
    await make.survey("s1", "A1", form=three)
    counts = {"q1": {"5": 9, "1": 1}, "q2": {"1": 3}, "q3": {"1": 9}}
    await make.sheet(counts, 10)
    (row,) = (await ranking(client, **QUERY))["rows"]
    assert (row["value"], row["improvement"]["criterion"]) == (40.91, "a")


async def test_the_total_is_of_the_ranked_agencies_only(peers, make):
    await make.put(
        "/v1/surveys/s1/distributions/A1/paper", {"issued": 200, "returned": 100, "invalid": 0}
    )
    total = (await ranking(peers, **QUERY))["total"]
    assert (total["numerator"], total["denominator"], total["n"]) == (480, 800, 400)
    assert (total["value"], total["status"], total["level"]) == (60.0, "ok", "overall")
    assert (total["target"], total["response_rate"]) == (None, None)
    total = (await ranking(peers, **QUERY, criterion="staff"))["total"]
    assert (total["numerator"], total["code"]) == (215, "staff")
    nobody = await ranking(peers, **QUERY | {"period": "2026-06"})
    assert (nobody["rows"], nobody["total"]) == ([], None)


async def test_the_total_speaks_for_the_forms_and_dossiers_of_the_ranked(make, client):
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.peer_group("g", "A1", "A2")
    days = {"opens_on": "2026-05-01", "closes_on": "2026-06-30"}
    await make.survey("s1", "A1", "A2", form=FORM, **days)
    for code, issued in (("A1", 40), ("A2", 10)):
        await answered(make, code, 6, 6)
        body = {"issued": issued, "returned": 10, "invalid": 0}
        await make.put(f"/v1/surveys/s1/distributions/{code}/paper", body)
    answer = await make.rate({"q1": "5", "q2": "5"})
    assert answer.status_code == 201, answer.text
    await make.dossier("A2")
    answer = await ranking(client, **QUERY | {"period": "2026-Q2"})
    shown = {code: (r["response_rate"], r["share_rated"]) for code, r in by_code(answer).items()}
    assert shown == {"A1": (25.0, 100.0), "A2": (100.0, 0.0)}
    assert (answer["total"]["response_rate"], answer["total"]["share_rated"]) == (40.0, 50.0)
    await make.agency("A3")
    await make.peer_group("g", "A1", "A2", "A3")
    await make.survey("s1", "A1", "A2", "A3", form=FORM, **days)
    await answered(make, "A3", 6, 6)
    answer = await ranking(client, **QUERY | {"period": "2026-Q2"})
    assert (answer["total"]["n"], answer["total"]["response_rate"]) == (31, None)


async def printed(make, agency, period, value, rank=None, **more):
    criteria = more.get("criteria", {})
    figures = [{"criterion": "overall", "name": {"vi": "Chung"}, "value": value, "rank": rank}]
    figures += [{"criterion": c, "name": {"vi": c}, "value": v} for c, v in criteria.items()]
    if rank:
        figures[0]["peer_count"] = 18
    body = {"title": {"vi": "Công bố"}, "figures": figures}
    await make.put(f"/v1/published-indices/sipas/{period}/{agency}", body)


async def test_printed_ranks_have_no_interval_and_change_by_what_was_printed(peers, make):
    for agency, before, now in (
        ("A1", ("80.0", 14), ("81.5", 12)),
        ("A2", ("82.0", 11), ("81.25", 13)),
    ):
        await printed(make, agency, "2025", *before)
        await printed(make, agency, "2026", *now)
    await printed(make, "A3", "2026", "79.0")
    await make.dossier("A1")
    answer = await ranking(peers, peer_group="g", source="sipas", period="2026")
    rows = by_code(answer)
    assert {
        (row["rank_low"], row["rank_high"], row["n"], row["improvement"]) for row in rows.values()
    } == {(None, None, None, None)}
    assert rows["A1"]["change"] == {"value": 1.5, "rank": -2, "comparable": True, "reasons": []}
    assert rows["A2"]["change"] == {"value": -0.75, "rank": 2, "comparable": True, "reasons": []}
    assert (rows["A3"]["change"], rows["A3"]["gap_to_next"]) == (None, 2.25)
    assert (answer["total"], rows["A1"]["gap_to_next"]) == (None, None)
    assert {row["share_rated"] for row in rows.values()} == {None}
    indices = {"agency": "A1", "source": "sipas", "period": "2026"}
    own = (await peers.get("/v1/indices", params=indices)).json()
    assert (own["dossiers"]["returned"], own["figures"][0]["share_rated"]) == (1, None)


async def test_another_list_of_printed_criteria_is_another_questionnaire(peers, make):
    await printed(make, "A1", "2025", "80.0", criteria={"access": "80.0"})
    await printed(make, "A1", "2026", "81.0", criteria={"access": "82.0", "staff": "80.0"})
    rows = by_code(await ranking(peers, peer_group="g", source="sipas", period="2026"))
    assert rows["A1"]["change"]["reasons"] == ["questionnaire-differs"]


async def test_a_change_is_against_as_many_months_before(peers, make):
    for code, satisfied in (("A1", 20), ("A2", 90), ("A3", 60)):
        await answered(make, code, satisfied, satisfied, of=100, period="2026-04")
    answer = await ranking(peers, **QUERY)
    assert answer["compared_with"] == {"first": "2026-04-01", "last": "2026-04-30"}
    rows = by_code(answer)
    comparable = {"comparable": True, "reasons": []}
    assert rows["A1"]["change"] == {"value": 40.0, "rank": -1, **comparable}
    assert rows["A2"]["change"] == {"value": 0.0, "rank": 0, **comparable}
    assert rows["A3"]["change"] == {"value": 0.0, "rank": 0, **comparable}
    assert rows["A4"]["change"] is None
    quarter = await ranking(peers, **QUERY | {"period": "2026-Q2"})
    assert quarter["compared_with"] == {"first": "2026-01-01", "last": "2026-03-31"}
    assert {row["change"] for row in quarter["rows"]} == {None}


async def test_other_peers_make_a_change_that_says_little(peers, make):
    for code in ("A1", "A2"):
        await answered(make, code, 50, 50, of=100, period="2026-04")
    members = [{"agency": f"A{n}", "valid_from": "2010-01-01"} for n in range(1, 6)]
    members[3]["valid_from"] = "2026-05-01"
    await make.put("/v1/peer-groups/g", {"name": {"vi": "g"}, "members": members})
    change = by_code(await ranking(peers, **QUERY))["A1"]["change"]
    assert (change["value"], change["rank"]) == (10.0, 1)
    assert (change["comparable"], change["reasons"]) == (False, ["peers-differ"])
    same = by_code(await ranking(peers, **QUERY, view="like_for_like"))
    assert (list(same), same["A1"]["change"]["comparable"]) == (["A2", "A1", "A3"], True)


async def test_a_campaign_is_compared_with_the_one_before(peers, make):
    await make.survey("s0", peer_group="g", agencies=None, form=FORM, opens_on="2025-01-01")
    await answered(make, "A1", 50, 50, of=100, survey="s0", period="2026-04")
    (unnamed,) = {row["change"] for row in (await ranking(peers, **QUERY))["rows"]}
    assert unnamed is None
    rows = by_code(await ranking(peers, **QUERY, earlier_survey="s0"))
    # Another form under another code: the same questions, and yet nobody said they are the same.
    assert rows["A1"]["change"] == {
        "value": 10.0,
        "rank": 1,
        "comparable": False,
        "reasons": ["questionnaire-differs"],
    }
    body = {"title": {"vi": "Đợt"}, "questionnaire": "s1-form", "version": 1, "peer_group": "g"}
    await make.put("/v1/surveys/s9", body | {"opens_on": "2025-01-01"})
    await answered(make, "A1", 50, 50, of=100, survey="s9", period="2026-04")
    rows = by_code(await ranking(peers, **QUERY, earlier_survey="s9"))
    assert rows["A1"]["change"] == {"value": 10.0, "rank": 1, "comparable": True, "reasons": []}
    refused = await peers.get("/v1/rankings", params=QUERY | {"earlier_survey": "s404"})
    assert [(e["pointer"], e["code"]) for e in refused.json()["errors"]] == [
        ("/query/earlier_survey", "survey-not-found")
    ]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/rankings", QUERY),
        ("/v1/rankings", QUERY | {"criterion": "staff", "method": "mean-score@1"}),
        ("/v1/indices", {"agency": "A1", "survey": "s1", "period": "2026-05", "by": "criterion"}),
        ("/v1/indices", {"agency": "A5", "survey": "s1", "period": "2026-05", "by": "question"}),
        ("/v1/indices", {"agency": "A1", "survey": "s1", "period": "2026", "by": "month"}),
    ],
)
async def test_a_table_says_what_the_document_says(peers, path, query):
    document = await peers.get(path, params=query)
    table = await peers.get(path, params=query, headers={"Accept": "text/csv"})
    assert table.headers["Content-Type"].startswith("text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(table.text, newline=""), strict=True))
    answer = document.json()
    figures = answer["figures"] if "figures" in answer else answer["rows"] + answer["unranked"]
    assert len(rows) == len(figures) > 0
    for row, figure in zip(rows, figures, strict=True):
        for name in set(row) & set(figure) - {
            "findings",
            "agency",
            "improvement",
            "change",
            "tied_with",
        }:
            shown = figure[name]
            assert row[name] == ("" if shown is None else str(shown)), name
        assert row["method"] == answer["method"]["id"]
        assert row["agency"] == figure.get("agency", answer.get("agency"))["code"]
    assert document.headers["ETag"] != table.headers["ETag"]
    assert "Accept" in re.split(", *", table.headers["Vary"])
    assert "Accept" in re.split(", *", document.headers["Vary"])
    known = {"Accept": "text/csv", "If-None-Match": table.headers["ETag"]}
    unchanged = await peers.get(path, params=query, headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    other = {"Accept": "text/csv", "If-None-Match": document.headers["ETag"]}
    assert (await peers.get(path, params=query, headers=other)).status_code == 200


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        (
            {"survey": [], "period": None},
            [
                ("/query", "one-of-survey-or-source"),
                ("/query", "one-of-period-or-first-and-last"),
            ],
        ),
        (
            {"source": "sipas", "period": None, "first": "2026-01-02", "last": "2025-12-30"},
            [
                ("/query", "one-of-survey-or-source"),
                ("/query/first", "not-whole-months"),
                ("/query/last", "not-whole-months"),
                ("/query/last", "ends-before-it-begins"),
            ],
        ),
        (
            {"peer_group": "g404", "survey": ["s404", "s405"], "method": "best@1", "view": "today"},
            [
                ("/query/peer_group", "peer-group-not-found"),
                ("/query/survey", "survey-not-found"),
                ("/query/survey", "survey-not-found"),
                ("/query/method", "method-not-found"),
            ],
        ),
        (
            {"method": "overall-question@1", "criterion": "access"},
            [("/query/criterion", "not-allowed")],
        ),
        ({"method": "mean-score@1", "base": "forms"}, [("/query/base", "not-allowed")]),
        (
            {"survey": [], "source": "sipas", "method": "top2-share@1", "view": "today"},
            [("/query/method", "not-allowed"), ("/query/view", "not-allowed")],
        ),
        (
            {"view": "tomorrow", "base": "people"},
            [("/query/base", "not-allowed"), ("/query/view", "not-allowed")],
        ),
        ({"criterion": "a b"}, [("/query/criterion", "bad-code")]),
    ],
)
async def test_each_fault_of_a_question_about_ranks_is_named(peers, query, errors):
    params = {name: value for name, value in (QUERY | query).items() if value is not None}
    answer = await peers.get("/v1/rankings", params=params)
    assert answer.status_code in {404, 422}
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == errors


async def test_a_criterion_of_a_method_without_criteria_is_told_what_would_do(peers):
    query = QUERY | {"method": "overall-question@1", "criterion": "access"}
    (error,) = (await peers.get("/v1/rankings", params=query)).json()["errors"]
    assert error["detail"].endswith("overall.")
    assert "month" not in error["detail"]


async def test_units_and_parts_of_another_agency_are_no_ones_but_its_own(make, client):
    await make.agency("P", kind="province")
    for code in ("A1", "A2"):
        await make.agency(code, parent="P")
    await make.survey("s1", "A1", "A2", "P", form=FORM)
    query = {"agency": "P", "survey": "s1", "period": "2026"}
    above = await make.caller("indices:read", agencies={"P", "A1"})
    answer = await above.get("/v1/indices", params=query | {"method": "mean-of-units@1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
    assert answer.json()["errors"][0]["pointer"] == "/query/agency"
    assert (await above.get("/v1/indices", params=query)).status_code == 200
    for by in ("month", "channel", "counter", "procedure"):
        other = await above.get("/v1/indices", params=query | {"agency": "A2", "by": by})
        assert (other.status_code, other.json()["code"]) == (403, "agency-not-allowed")
