"""The lists of the catalogue: what there is, a page at a time, and what can be rated on a day."""

import pytest
from factories import PLAIN

from app.db import devices


async def listed(client, path, **query):
    """The codes on all pages of a list, one entry a page, by the links."""
    found, address = [], str(client.build_request("GET", path, params=query | {"limit": 1}).url)
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200, answer.text
        found += [entry["code"] for entry in answer.json()["items"]]
        assert len(found) == len(set(found))
        address = answer.links.get("next", {}).get("url")
    return found


async def test_a_counter_is_listed_with_its_agency_only(client, make):
    for agency, counter in (("A1", "Q2"), ("A1", "Q1"), ("A2", "Q3")):
        await make.agency(agency)
        await make.put(f"/v1/agencies/{agency}/counters/{counter}", {"name": {"vi": counter}})
    assert await listed(client, "/v1/agencies/A1/counters") == ["Q1", "Q2"]
    assert await listed(client, "/v1/agencies/A2/counters") == ["Q3"]
    strange = await client.get("/v1/agencies/A1/counters", params={"cursor": "Q3"})
    assert strange.json()["errors"][0]["code"] == "bad-cursor"
    nobody = await client.get("/v1/agencies/none/counters")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "agency-not-found")


async def test_a_questionnaire_is_listed_once_with_its_versions_and_its_last_title(client, make):
    for version, title in ((10, "Mới"), (2, "Giữa"), (1, "Cũ")):
        form = PLAIN | {"title": {"vi": title, "en": f"Version {version}"}}
        await make.put(f"/v1/questionnaires/f/versions/{version}", form)
    await make.put("/v1/questionnaires/g/versions/1", PLAIN)
    f, g = (await client.get("/v1/questionnaires")).json()["items"]
    assert f == {"code": "f", "title": {"vi": "Mới", "en": "Version 10"}, "versions": [1, 2, 10]}
    assert (g["code"], g["versions"]) == ("g", [1])
    assert await listed(client, "/v1/questionnaires") == ["f", "g"]


async def test_what_is_listed_is_what_is_read_one_by_one(client, make):
    await make.agency()
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1", "en": "Counter 1"}})
    await make.peer_group("g", "A1")
    await make.procedure()
    await make.survey()
    for kind in ("agencies", "peer-groups", "procedures", "surveys", "agencies/A1/counters"):
        entries = (await client.get(f"/v1/{kind}")).json()["items"]
        assert entries, kind
        for entry in entries:
            alone = (await client.get(f"/v1/{kind}/{entry['code']}")).json()
            assert entry == {name: alone[name] for name in entry}
            assert alone.keys() - entry.keys() <= {"members", "agencies"}


@pytest.fixture
async def surveys(make):
    """Surveys that name an agency, or a group that it joined and left, open now or once."""
    for code in ("A1", "A2"):
        await make.agency(code)
    spans = [("2026-03-01", "2026-04-30"), ("2026-06-01", None)]
    members = [{"agency": "A1", "valid_from": a, "valid_to": b} for a, b in spans]
    await make.put("/v1/peer-groups/g", {"name": {"vi": "Khối"}, "members": members})
    await make.survey("standing", "A1", "A2")
    await make.survey("over", "A1", closes_on="2026-03-31")
    await make.survey("group", agencies=None, peer_group="g", closes_on="2026-06-30")
    await make.survey("other", "A2", opens_on="2026-06-01")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["group", "other", "over", "standing"]),
        ({"agency": "A1"}, ["group", "over", "standing"]),
        ({"agency": "A2"}, ["other", "standing"]),
        ({"open_on": "2025-12-31"}, []),
        ({"open_on": "2026-01-01"}, ["group", "over", "standing"]),
        ({"open_on": "2026-07-01"}, ["other", "standing"]),
        ({"agency": "A1", "open_on": "2026-02-28"}, ["over", "standing"]),
        ({"agency": "A1", "open_on": "2026-03-01"}, ["group", "over", "standing"]),
        ({"agency": "A1", "open_on": "2026-04-30"}, ["group", "standing"]),
        ({"agency": "A1", "open_on": "2026-05-01"}, ["standing"]),
        ({"agency": "A1", "open_on": "2026-06-30"}, ["group", "standing"]),
        ({"agency": "A2", "open_on": "2026-06-30"}, ["other", "standing"]),
    ],
)
async def test_the_surveys_by_which_an_agency_can_be_rated_on_a_day_are_listed(
    client, surveys, asked, found
):
    assert await listed(client, "/v1/surveys", **asked) == found


async def test_a_survey_that_closes_between_two_pages_does_not_end_the_list(client, make, surveys):
    asked = {"agency": "A1", "open_on": "2026-06-15", "limit": 1}
    first = (await client.get("/v1/surveys", params=asked)).json()
    assert first["next_cursor"] == "group"
    body = (await client.get("/v1/surveys/group")).json()
    del body["code"], body["agencies"]
    await make.put("/v1/surveys/group", body | {"closes_on": "2026-06-14"})
    rest = await client.get("/v1/surveys", params=asked | {"cursor": "group"})
    assert [survey["code"] for survey in rest.json()["items"]] == ["standing"]


async def test_surveys_of_an_unknown_agency_or_day_are_not_listed(client):
    nobody = await client.get("/v1/surveys", params={"agency": "none"})
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (404, "/query/agency")
    never = await client.get("/v1/surveys", params={"open_on": "2026-02-30"})
    assert never.json()["errors"][0] | {"detail": ""} == {
        "pointer": "/query/open_on",
        "code": "bad-day",
        "detail": "",
    }


async def test_a_tablet_reads_its_form_and_is_told_when_another_is_in_force(client, make, surveys):
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    await devices.create(make.session, "hld_1", "K1", ("A1", "Q1"), make.now)
    await make.session.commit()
    tablet, query = make.with_key("hld_1"), {"agency": "A1", "open_on": "2026-05-15"}
    today = await tablet.get("/v1/surveys", params=query)
    (survey,) = today.json()["items"]
    assert (await tablet.get(f"/v1/surveys/{survey['code']}")).status_code == 200
    form = f"/v1/questionnaires/{survey['questionnaire']}/versions/{survey['version']}"
    assert (await tablet.get(form)).json() == (await client.get(form)).json()
    held = {"If-None-Match": today.headers["ETag"]}
    assert (await tablet.get("/v1/surveys", params=query, headers=held)).status_code == 304
    await make.survey("new", "A1")
    again = await tablet.get("/v1/surveys", params=query, headers=held)
    assert [one["code"] for one in again.json()["items"]] == ["new", "standing"]


async def test_a_key_of_one_agency_reads_what_the_catalogue_has_of_others(make, surveys):
    await make.put("/v1/agencies/A2/counters/Q1", {"name": {"vi": "Quầy 1"}})
    own = await make.caller("catalogue:read", agencies={"A1"})
    assert await listed(own, "/v1/agencies/A2/counters") == ["Q1"]
    assert await listed(own, "/v1/surveys", agency="A2") == ["other", "standing"]
    assert (await own.get("/v1/surveys/other")).json()["agencies"] == ["A2"]
