"""The figures that two departments really published come out of the API."""

import csv
from pathlib import Path

import pytest

from app.cli.demo import EXAMPLES, read_requests

KHANH_HOA = EXAMPLES / "khanh-hoa-2022"
PARTS = {"A": "sct-2022-a", "B": "sct-2022-b"}
COUNTS = Path(__file__).parents[1] / "data" / "khanhhoa_notice_2022_counts.csv"
COMMON = {"agency": "H32.15", "period": "2022"}
BOTH = {"survey": list(PARTS.values())}


@pytest.fixture
async def khanh_hoa(client):
    """The API with the example loaded, as the demonstration loads it."""
    for method, path, body in read_requests(KHANH_HOA):
        answer = await client.request(method, path, json=body)
        assert answer.status_code == 201, answer.text
    client.headers["Accept-Language"] = "vi"
    return client


async def figures(client, **query):
    answer = await client.get("/v1/indices", params=COMMON | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["figures"]


@pytest.mark.parametrize("part", PARTS)
async def test_every_count_is_as_in_the_notice(khanh_hoa, part):
    with COUNTS.open(encoding="utf-8") as file:
        expected = [int(row["count"]) for row in csv.DictReader(file) if row["part"] == part]
    found = await figures(khanh_hoa, survey=PARTS[part], by="question")
    assert [option["count"] for f in found for option in f["options"]] == expected


async def test_18_of_30_are_very_satisfied_and_12_satisfied_together_all(khanh_hoa):
    (overall,) = await figures(khanh_hoa, **BOTH, method="overall-question@1")
    assert (overall["value"], overall["numerator"], overall["denominator"]) == (100.0, 30, 30)
    assert [(o["label"], o["count"], o["share"]) for o in overall["options"][:2]] == [
        ("Rất hài lòng", 18, 60.0),
        ("Hài lòng", 12, 40.0),
    ]
    assert (overall["ci_low"], overall["ci_high"]) == (88.65, 100.0)
    assert (overall["target"], overall["gap"], overall["met"]) == (83.0, 17.0, True)


async def test_facilities_are_convenient_for_70_percent_and_normal_for_13_3(khanh_hoa):
    found = await figures(khanh_hoa, **BOTH, by="criterion")
    (facilities,) = [f for f in found if f["code"] == "facilities"]
    shares = {o["label"]: (o["count"], o["share"]) for o in facilities["options"]}
    assert facilities["n"] == 30
    assert shares["Tiện nghi"] == (21, 70.0)
    assert shares["Bình thường"] == (4, 13.33)


async def test_question_4_stays_flagged_in_every_figure_made_from_it(khanh_hoa):
    by_question = await figures(khanh_hoa, survey="sct-2022-a", by="question")
    flagged = {f["code"]: f["findings"] for f in by_question if f["findings"]}
    assert list(flagged) == ["q4"]
    assert flagged["q4"][0]["code"] == "more-answers-than-forms"
    assert "13 phiếu" in flagged["q4"][0]["reason"]
    (pooled,) = await figures(khanh_hoa, survey="sct-2022-a")
    assert [finding["question"] for finding in pooled["findings"]] == ["q4"]
    by_option = await figures(khanh_hoa, survey="sct-2022-a", by="option")
    assert {f["code"][:2] for f in by_option if f["findings"]} == {"q4"}
    (overall,) = await figures(khanh_hoa, **BOTH, method="overall-question@1")
    assert overall["findings"] == []


async def test_the_overall_sipas_value_is_the_mean_of_its_six_criteria(khanh_hoa):
    (printed,) = await figures(khanh_hoa, source="sipas")
    (computed,) = await figures(khanh_hoa, source="sipas", method="mean-of-criteria@1")
    assert printed["value"] == computed["value"] == 81.75
    assert [finding["code"] for finding in printed["findings"]] == ["overall-is-mean-of-criteria"]
    assert (printed["rank"], printed["peer_count"]) == (13, 18)
    assert (printed["target"], printed["gap"], printed["met"]) == (83.0, -1.25, False)


async def test_three_criteria_miss_the_target_and_ranks_are_as_printed(khanh_hoa):
    found = await figures(khanh_hoa, source="sipas", by="criterion")
    missed = [(f["code"], f["value"], f["gap"]) for f in found if not f["met"]]
    assert missed == [
        ("access", 70.69, -12.31),
        ("reception", 78.61, -4.39),
        ("feedback", 82.16, -0.84),
    ]
    assert [f["rank"] for f in found] == [17, 10, 6, 12, 10, 12]
    assert {f["peer_count"] for f in found} == {18}


async def test_forms_and_their_response_rate_stand_beside_the_figures(khanh_hoa):
    answer = await khanh_hoa.get("/v1/indices", params=COMMON | BOTH)
    assert answer.json()["forms"] == {
        "issued": 30,
        "returned": 30,
        "valid": 30,
        "response_rate": 100.0,
    }


async def test_the_ranking_of_2022_keeps_13_of_18(khanh_hoa):
    query = {"peer_group": "so-ban-nganh", "period": "2022", "source": "sipas"}
    ranking = (await khanh_hoa.get("/v1/rankings", params=query)).json()
    assert (ranking["peer_count"], ranking["rank_basis"]) == (18, "printed")
    assert [(row["rank"], row["agency"]["code"], row["value"]) for row in ranking["rows"]] == [
        (13, "H32.15", 81.75)
    ]


async def test_the_target_of_2023_is_85(khanh_hoa):
    answer = await khanh_hoa.get("/v1/targets/so-ban-nganh/2023/overall")
    assert answer.json()["value"] == 85.0
