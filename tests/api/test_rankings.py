"""Agencies ranked among their peers."""

import pytest
from factories import five_levels, questionnaire

QUERY = {"peer_group": "g", "survey": "s1", "period": "2026"}


@pytest.fixture
async def peers(make, client):
    """Five agencies in a group, with 10 forms each but the last."""
    for code in ("A1", "A2", "A3", "A4", "A5"):
        await make.agency(code)
    await make.peer_group("g", "A1", "A2", "A3", "A4", "A5")
    await make.survey("s1", peer_group="g", agencies=None)
    for code, best in (("A1", 7), ("A2", 9), ("A3", 7), ("A4", 5)):
        counts = {q: {"5": best, "1": 10 - best} for q in ("q1", "q2")}
        answer = await make.sheet(counts, 10, agency=code)
        assert answer.status_code == 201, answer.text
    await make.sheet({"q1": {"5": 2}, "q2": {"5": 2}}, 2, agency="A5")
    return client


async def ranking(client, **query):
    answer = await client.get("/v1/rankings", params=QUERY | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_agencies_are_ranked_best_first_and_ties_share_a_rank(peers):
    rows = (await ranking(peers))["rows"]
    assert [(r["rank"], r["agency"]["code"], r["value"], r["tied_with"]) for r in rows] == [
        (1, "A2", 90.0, []),
        (2, "A1", 70.0, ["A3"]),
        (2, "A3", 70.0, ["A1"]),
        (4, "A4", 50.0, []),
    ]


async def test_a_peer_with_too_few_answers_is_not_ranked_but_counted(peers):
    answer = await ranking(peers)
    assert answer["peer_count"] == 5
    assert [(u["agency"]["code"], u["status"], u["n"]) for u in answer["unranked"]] == [
        ("A5", "too_few", 2)
    ]


@pytest.mark.parametrize(
    "method",
    [
        "top2-share@1",
        "mean-of-criteria@1",
        "mean-of-questions@1",
        "weighted-criteria@1",
        "mean-score@1",
        "share-of-maximum@1",
    ],
)
async def test_a_ranking_can_be_made_by_each_method(peers, method):
    answer = await ranking(peers, method=method)
    assert answer["method"]["id"] == method
    assert answer["rows"][0]["agency"]["code"] == "A2"


async def test_nobody_is_ranked_by_a_criterion_that_no_form_asks(peers, make):
    for more in ({}, {"method": "tt01-2018@1"}, {"method": "mean-of-criteria@1"}):
        query = QUERY | {"criterion": "parking"} | more
        answer = await peers.get("/v1/rankings", params=query)
        assert (answer.status_code, answer.json()["code"]) == (404, "criterion-not-found")
        (fault,) = answer.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("/query/criterion", "criterion-not-found")
        assert "parking" in fault["detail"]
    await printed(make, "A1", "81.5")
    query = {"peer_group": "g", "source": "sipas", "period": "2026", "criterion": "access"}
    answer = await peers.get("/v1/rankings", params=query)
    assert (answer.status_code, answer.json()["code"]) == (404, "criterion-not-found")
    assert (await peers.get("/v1/rankings", params=query | {"criterion": "overall"})).is_success


async def test_an_unknown_criterion_is_named_beside_what_else_is_wrong(peers):
    query = QUERY | {"peer_group": "none", "criterion": "parking"}
    answer = await peers.get("/v1/rankings", params=query)
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("/query/peer_group", "peer-group-not-found"),
        ("/query/criterion", "criterion-not-found"),
    ]
    query = QUERY | {"survey": "none", "criterion": "parking"}
    answer = await peers.get("/v1/rankings", params=query)
    assert [one["code"] for one in answer.json()["errors"]] == ["survey-not-found"]


async def test_a_criterion_that_a_form_asks_ranks_nobody_where_nobody_was_asked_it(peers, make):
    form = questionnaire(("access", [five_levels("q1")]), ("parking", [five_levels("q2")]))
    await make.survey("s2", "A1", form=form)
    await make.peer_group("h", "A2")
    answer = await ranking(peers, survey="s2", peer_group="h", criterion="parking")
    assert answer["rows"] == []
    assert {peer["status"] for peer in answer["unranked"]} == {"not_asked"}


async def test_a_rank_stands_beside_its_target_and_interval(peers, make):
    await make.put("/v1/targets/g/2026/overall", {"value": 60})
    await make.put("/v1/targets/A4/2026/overall", {"value": 40.5})
    rows = {row["agency"]["code"]: row for row in (await ranking(peers))["rows"]}
    assert (rows["A2"]["target"], rows["A2"]["gap"], rows["A2"]["met"]) == (60.0, 30.0, True)
    assert (rows["A4"]["target"], rows["A4"]["gap"], rows["A4"]["met"]) == (40.5, 9.5, True)
    assert rows["A2"]["ci_low"] < 90 < rows["A2"]["ci_high"]


async def test_only_the_peers_of_the_period_are_ranked(make, client):
    await make.agency("A1")
    await make.agency("A2")
    members = [
        {"agency": "A1", "valid_from": "2010-01-01"},
        {"agency": "A2", "valid_from": "2010-01-01", "valid_to": "2025-06-30"},
    ]
    await make.put("/v1/peer-groups/g", {"name": {"vi": "Khối"}, "members": members})
    await make.survey("s1", "A1", "A2")
    assert (await ranking(client))["peer_count"] == 1
    assert (await ranking(client, period="2025"))["peer_count"] == 2


async def test_the_mean_of_units_is_the_index_of_the_agency_above_them(make, client):
    await make.agency("P", kind="province")
    for code in ("A1", "A2"):
        await make.agency(code, parent="P")
    await make.survey("s1", "A1", "A2")
    for code, best in (("A1", 10), ("A2", 5)):
        await make.sheet({"q1": {"5": best, "1": 10 - best}}, 10, agency=code)
    query = {"agency": "P", "survey": "s1", "period": "2026", "method": "mean-of-units@1"}
    (figure,) = (await client.get("/v1/indices", params=query)).json()["figures"]
    assert (figure["value"], figure["n"]) == (75.0, 10)
    assert [(f["code"], f["agency"]) for f in figure["findings"]] == [
        ("mean-of-units", None),
        ("unanswered", "A1"),
        ("unanswered", "A2"),
    ]
    refused = await client.get("/v1/rankings", params=QUERY | {"method": "mean-of-units@1"})
    assert (refused.status_code, refused.json()["code"]) == (404, "peer-group-not-found")
    assert [e["pointer"] for e in refused.json()["errors"]] == [
        "/query/peer_group",
        "/query/method",
    ]


async def printed(make, agency, value, rank=None):
    figure = {"criterion": "overall", "name": {"vi": "Chung"}, "value": value, "rank": rank}
    body = {"title": {"vi": "Công bố"}, "figures": [figure | {"peer_count": rank and 18}]}
    await make.put(f"/v1/published-indices/sipas/2026/{agency}", body)


async def test_no_rank_is_invented_beside_ranks_that_were_printed(make, client):
    for code, value, rank in (("A1", "82.9951", None), ("A2", "82.5", 13), ("A3", "81.5", 15)):
        await make.agency(code)
        await printed(make, code, value, rank)
    await make.peer_group("g", "A1", "A2", "A3")
    query = {"peer_group": "g", "source": "sipas", "period": "2026"}
    answer = (await client.get("/v1/rankings", params=query)).json()
    assert (answer["rank_basis"], answer["peer_count"]) == ("printed", 18)
    assert [(r["rank"], r["agency"]["code"], r["value"]) for r in answer["rows"]] == [
        (13, "A2", 82.5),
        (15, "A3", 81.5),
        (None, "A1", 82.9951),
    ]


async def test_values_printed_without_ranks_are_ranked_here(make, client):
    for code, value in (("A1", "80.0"), ("A2", "90.0")):
        await make.agency(code)
        await printed(make, code, value)
    await make.peer_group("g", "A1", "A2")
    query = {"peer_group": "g", "source": "sipas", "period": "2026"}
    answer = (await client.get("/v1/rankings", params=query)).json()
    assert (answer["rank_basis"], answer["peer_count"]) == ("computed", 2)
    assert [(r["rank"], r["agency"]["code"]) for r in answer["rows"]] == [(1, "A2"), (2, "A1")]


async def test_who_may_read_figures_may_read_how_they_are_made(make):
    reader = await make.caller("indices:read")
    assert (await reader.get("/v1/methods")).status_code == 200
    assert (await reader.get("/v1/agencies")).status_code == 403
