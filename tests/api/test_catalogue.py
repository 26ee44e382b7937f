"""The catalogue: entries that are put, read, and changed only in the expected state."""

import json
from datetime import UTC, datetime

import pytest
from factories import PLAIN, five_levels, option, questionnaire

from app.cli.demo import EXAMPLES

AGENCY = {"name": {"vi": "Sở Mẫu"}, "kind": "department", "valid_from": "2010-01-01"}
FIGURE = {"criterion": "overall", "name": {"vi": "Chung"}, "value": "81.75"}
READY = sorted((EXAMPLES / "questionnaires").glob("*.json"))


@pytest.fixture
async def catalogue(make, client):
    """One entry of each kind, by its path, with a body that changes it."""
    await make.agency("A1")
    await make.put("/v1/questionnaires/f/versions/1", PLAIN)
    await make.peer_group("g", "A1")
    survey = {"questionnaire": "f", "version": 1, "opens_on": "2026-01-01", "agencies": ["A1"]}
    await make.put("/v1/surveys/s", survey | {"title": {"vi": "Đợt"}})
    return {
        "/v1/agencies/A9": AGENCY,
        "/v1/agencies/A1/counters/Q1": {"name": {"vi": "Quầy 1"}},
        "/v1/peer-groups/h": {"name": {"vi": "Khối"}, "members": []},
        "/v1/procedures/1.1": {
            "name": {"vi": "Thủ tục"},
            "field": "Công Thương",
            "working_days": 3,
            "online": "none",
        },
        "/v1/questionnaires/f/versions/2": PLAIN,
        "/v1/surveys/t": survey | {"title": {"vi": "Đợt"}},
        "/v1/surveys/s/distributions/A1/paper": {"issued": 3, "returned": 2, "invalid": 1},
        "/v1/targets/g/2026/overall": {"value": 83},
        "/v1/targets/A1/2026-Q3/access": {"value": 83.5},
        "/v1/published-indices/sipas/2026/A1": {"title": {"vi": "Công bố"}, "figures": [FIGURE]},
    }


async def test_an_entry_is_created_then_changed_and_read_as_it_stands(client, catalogue):
    for path, body in catalogue.items():
        created = await client.put(path, json=body)
        changed = await client.put(path, json=body)
        read = await client.get(path)
        assert [a.status_code for a in (created, changed, read)] == [201, 200, 200], path
        assert [a.headers["ETag"] for a in (created, changed, read)] == ['"1"', '"2"', '"2"']
        assert created.json() == changed.json() == read.json()


async def test_two_clerks_do_not_overwrite_each_other(client, catalogue):
    for path, body in catalogue.items():
        seen = (await client.put(path, json=body)).headers["ETag"]
        first = await client.put(path, json=body, headers={"If-Match": seen})
        second = await client.put(path, json=body, headers={"If-Match": seen})
        assert (first.status_code, second.status_code) == (200, 412), path
        assert second.json()["code"] == "precondition-failed"


@pytest.mark.parametrize(
    ("headers", "new", "again"),
    [
        ({"If-None-Match": "*"}, 201, 412),
        ({"If-Match": "*"}, 412, 412),
        ({"If-Match": '"1"'}, 412, 412),
        ({"If-Match": 'W/"1"'}, 412, 412),
        ({"If-Match": "nonsense"}, 412, 412),
        ({}, 201, 200),
    ],
)
async def test_the_expected_state_is_checked(client, headers, new, again):
    answers = [await client.put("/v1/agencies/A9", json=AGENCY, headers=headers) for _ in "12"]
    assert [answer.status_code for answer in answers] == [new, again]


async def test_an_entry_that_is_there_can_be_changed_whatever_its_revision(client):
    await client.put("/v1/agencies/A9", json=AGENCY)
    answer = await client.put("/v1/agencies/A9", json=AGENCY, headers={"If-Match": "*"})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')


async def test_a_reader_who_holds_the_entry_is_not_sent_it_again(client, catalogue):
    for path, body in catalogue.items():
        await client.put(path, json=body)
        tag = (await client.get(path)).headers["ETag"]
        answer = await client.get(path, headers={"If-None-Match": f'"0", {tag}'})
        assert (answer.status_code, answer.content) == (304, b""), path


async def test_what_does_not_exist_is_not_found(client, make):
    await make.agency()
    await make.survey()
    paths = {
        "/v1/agencies/none": "agency-not-found",
        "/v1/agencies/A1/counters/none": "counter-not-found",
        "/v1/agencies/none/counters/none": "agency-not-found",
        "/v1/peer-groups/none": "peer-group-not-found",
        "/v1/procedures/none": "procedure-not-found",
        "/v1/questionnaires/none/versions/1": "questionnaire-not-found",
        "/v1/surveys/none": "survey-not-found",
        "/v1/surveys/s1/distributions/A1/paper": "distribution-not-found",
        "/v1/targets/none/2026/overall": "agency-not-found",
        "/v1/targets/A1/2026/overall": "target-not-found",
        "/v1/published-indices/sipas/2026/A1": "published-index-not-found",
        "/v1/methods/none@1": "method-not-found",
        "/v1/nothing": "route-not-found",
    }
    found = {path: (await client.get(path)).json()["code"] for path in paths}
    assert found == paths


async def test_agencies_are_listed_a_page_at_a_time(client, make):
    for number in range(5):
        await make.agency(f"P{number}")
    codes, address = [], "/v1/agencies?limit=2"
    while address:
        answer = await client.get(address)
        codes.append([agency["code"] for agency in answer.json()["items"]])
        address = answer.links.get("next", {}).get("url")
    assert codes == [["P0", "P1"], ["P2", "P3"], ["P4"]]


@pytest.mark.parametrize("file", READY, ids=lambda file: file.stem)
async def test_the_ready_questionnaires_can_be_registered(client, file):
    document = json.loads(file.read_text("utf-8"))
    answer = await client.put(f"/v1/questionnaires/{file.stem}/versions/1", json=document)
    assert answer.status_code == 201, answer.text


async def test_nine_contents_six_criteria_and_three_levels_are_ready():
    documents = {file.stem: json.loads(file.read_text("utf-8")) for file in READY}
    assert len(documents["nd118-2025"]["criteria"]) == 9
    named = [criterion["code"] for criterion in documents["khanh-hoa-2022"]["criteria"]]
    assert named[:6] == ["access", "reception", "procedures", "staff", "results", "feedback"]
    first = documents["counter-3-level"]["criteria"][0]["questions"][0]
    assert len(first["options"]) == 3


async def test_a_questionnaire_in_use_does_not_change(client, make):
    await make.agency()
    await make.survey()
    path = "/v1/questionnaires/s1-form/versions/1"
    assert (await client.put(path, json=PLAIN)).status_code == 200
    other = questionnaire(("access", [five_levels("q1")]))
    answer = await client.put(path, json=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "questionnaire-in-use")
    assert (await client.put(path.replace("/1", "/2"), json=other)).status_code == 201


async def test_a_survey_keeps_its_questionnaire(client, make):
    await make.agency()
    await make.survey()
    await make.put("/v1/questionnaires/other/versions/1", PLAIN)
    body = (await client.get("/v1/surveys/s1")).json()
    del body["code"], body["peer_group"]
    assert (await client.put("/v1/surveys/s1", json=body)).status_code == 200
    answer = await client.put("/v1/surveys/s1", json=body | {"questionnaire": "other"})
    assert (answer.status_code, answer.json()["code"]) == (409, "survey-questionnaire-fixed")


async def test_a_questionnaires_faults_are_all_named(client):
    broken = questionnaire(
        ("a", [five_levels("q1"), {**five_levels("q1"), "options": [option("x"), option("x")]}]),
        ("a", [{**five_levels("q2"), "options": [option("1"), option("2", counted=False)]}]),
        overall="q9",
    )
    answer = await client.put("/v1/questionnaires/f/versions/1", json=broken)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/criteria/0/code", "duplicate-code"),
        ("/criteria/0/questions/0/code", "duplicate-code"),
        ("/criteria/0/questions/1/code", "duplicate-code"),
        ("/criteria/0/questions/1/options/0/code", "duplicate-code"),
        ("/criteria/0/questions/1/options/1/code", "duplicate-code"),
        ("/criteria/1/code", "duplicate-code"),
        ("/criteria/1/questions/0/options", "too-few-options"),
        ("/overall_question", "unknown-question"),
    ]


async def test_on_a_five_level_scale_that_marks_none_the_best_two_are_satisfied(client, make):
    await make.agency()
    unmarked = [option(str(score), score=score) for score in (5, 4, 3, 2, 1)]
    form = questionnaire(("a", [{"code": "q1", "text": {"vi": "?"}, "options": unmarked}]))
    await make.survey(form=form)
    await make.sheet({"q1": {"5": 3, "4": 3, "3": 4}}, 10)
    query = {"agency": "A1", "survey": "s1", "period": "2026"}
    assert (await client.get("/v1/indices", params=query)).json()["figures"][0]["value"] == 60.0


async def test_unknown_references_are_all_named(client):
    body = {"title": {"vi": "Đợt"}, "questionnaire": "f", "version": 1, "opens_on": "2026-01-01"}
    answer = await client.put("/v1/surveys/s", json=body | {"agencies": ["A1", "A2"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
    assert [e["pointer"] for e in answer.json()["errors"]] == [
        "/questionnaire",
        "/agencies/0",
        "/agencies/1",
    ]


async def test_a_successor_takes_over_when_an_agency_ends(client, make):
    for code in ("A1", "A2", "A3"):
        await make.agency(code)
    shares = [{"agency": "A2", "share": 0.6}, {"agency": "A3", "share": 0.4}]
    body = {"successors": shares, "on": "2025-03-01"}
    answers = [await client.post("/v1/agencies/A1/succession", json=body) for _ in "12"]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    assert answers[0].json()["agency"]["valid_to"] == "2025-02-28"
    other = {"successors": [{"agency": "A2", "share": 1}], "on": "2025-03-01"}
    refused = await client.post("/v1/agencies/A1/succession", json=other)
    assert (refused.status_code, refused.json()["code"]) == (409, "agency-already-succeeded")
    assert (await client.get("/v1/agencies/A1")).json()["valid_to"] == "2025-02-28"
    revived = await client.put("/v1/agencies/A1", json=AGENCY)
    assert (revived.status_code, revived.json()["code"]) == (409, "agency-already-succeeded")


@pytest.mark.parametrize(
    ("shares", "code"),
    [
        ([("A2", 0.6)], "shares-do-not-add-up"),
        ([("A2", 0.5), ("A2", 0.5)], "duplicate-code"),
        ([("A2", 0)], "out-of-range"),
        ([("A2", "1")], "wrong-type"),
        ([], "too-short"),
    ],
)
async def test_shares_of_successors_are_a_whole(client, make, shares, code):
    await make.agency("A1")
    successors = [{"agency": agency, "share": share} for agency, share in shares]
    answer = await client.post(
        "/v1/agencies/A1/succession", json={"successors": successors, "on": "2025-03-01"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)


async def test_an_agency_may_leave_a_group_and_come_back_but_not_be_in_it_twice(client, make):
    await make.agency()
    spans = [("2010-01-01", "2015-12-31"), ("2020-01-01", None)]
    members = [{"agency": "A1", "valid_from": a, "valid_to": b} for a, b in spans]
    body = {"name": {"vi": "Khối"}, "members": members}
    assert (await client.put("/v1/peer-groups/g", json=body)).status_code == 201
    members[0]["valid_to"] = None
    answer = await client.put("/v1/peer-groups/g", json=body)
    assert answer.json()["errors"][0]["code"] == "duplicate-code"


async def test_printed_figures_are_checked_and_noted(client, make):
    await make.agency()
    figures = [
        {"criterion": "a", "name": {"vi": "A"}, "value": "80.0", "rank": 19, "peer_count": 18},
        {"criterion": "a", "name": {"vi": "A"}, "value": "81.0"},
    ]
    path = "/v1/published-indices/sipas/2026/A1"
    answer = await client.put(path, json={"title": {"vi": "Công bố"}, "figures": figures})
    assert [e["code"] for e in answer.json()["errors"]] == ["rank-beyond-peers", "duplicate-code"]
    right = [
        {"criterion": "a", "name": {"vi": "A"}, "value": "80.0"},
        {"criterion": "b", "name": {"vi": "B"}, "value": "81.0"},
        {"criterion": "overall", "name": {"vi": "Chung"}, "value": "80.6"},
    ]
    answer = await client.put(path, json={"title": {"vi": "Công bố"}, "figures": right})
    assert [f["code"] for f in answer.json()["findings"]] == ["overall-differs-from-mean"]


@pytest.mark.parametrize("period", ["2027", "2026-Q3", "2026-07"])
async def test_nothing_was_published_of_months_to_come(client, make, period):
    await make.agency()
    body = {"title": {"vi": "Công bố"}, "figures": [FIGURE]}
    answer = await client.put(f"/v1/published-indices/sipas/{period}/A1", json=body)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/path/period", "in-the-future")
    ]


async def test_a_month_begins_in_vietnam(client, make, app):
    await make.agency()
    body = {"title": {"vi": "Công bố"}, "figures": [FIGURE]}
    app.state.clock = lambda: datetime(2026, 6, 30, 17, tzinfo=UTC)
    answer = await client.put("/v1/published-indices/sipas/2026-07/A1", json=body)
    assert answer.status_code == 201


async def test_every_method_is_explained_in_both_languages(client):
    for language in ("vi", "en"):
        answer = await client.get("/v1/methods", headers={"Accept-Language": language})
        methods = answer.json()["items"]
        assert len(methods) == 11
        for method in methods:
            alone = await client.get(
                f"/v1/methods/{method['id']}", headers={"Accept-Language": language}
            )
            assert alone.json() == method
            assert all(method[part] for part in ("name", "formula", "example", "limits"))


async def test_no_agency_is_above_or_after_itself(client, make):
    await make.agency()
    itself = {"successors": [{"agency": "A1", "share": 1}], "on": "2009-12-31"}
    answer = await client.post("/v1/agencies/A1/succession", json=itself)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/successors/0/agency", "names-itself"),
        ("/on", "ends-before-it-begins"),
    ]
    answer = await client.put("/v1/agencies/A1", json=AGENCY | {"parent": "A1"})
    assert answer.json()["errors"][0]["code"] == "names-itself"
