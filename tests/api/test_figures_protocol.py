"""Figures over HTTP: ETags that follow the figures, and one contract for all."""

import pytest

FIGURES = {"agency": "A1", "survey": "s1", "period": "2026"}


@pytest.fixture
async def surveyed(make, client):
    await make.agency()
    await make.peer_group("g", "A1")
    await make.survey()
    return client


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/indices", FIGURES),
        ("/v1/rankings", {"peer_group": "g", "survey": "s1", "period": "2026"}),
    ],
)
async def test_the_etag_changes_when_a_figure_does(surveyed, make, app, path, query):
    first = await surveyed.get(path, params=query)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    unchanged = await surveyed.get(path, params=query, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    await make.rate({"q1": "5"})
    changed = await surveyed.get(path, params=query, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["ETag"] == tag) == (200, False)


async def test_a_period_can_be_given_by_its_first_and_last_month(surveyed, make):
    for _ in range(5):
        await make.rate({"q1": "5"})
    spans = [{"period": "2026-Q2"}, {"first": "2026-04-01", "last": "2026-06-30"}]
    query = {"agency": "A1", "survey": "s1"}
    answers = [(await surveyed.get("/v1/indices", params=query | span)).json() for span in spans]
    assert answers[0] == answers[1]
    assert answers[0]["period"] == {"first": "2026-04-01", "last": "2026-06-30"}
    assert answers[0]["figures"][0]["n"] == 5


async def test_a_survey_named_twice_is_counted_once(surveyed, make):
    for _ in range(5):
        await make.rate({"q1": "5"})
    answer = await surveyed.get("/v1/indices", params=FIGURES | {"survey": ["s1", "s1"]})
    assert answer.json()["surveys"] == ["s1"]
    assert answer.json()["figures"][0]["denominator"] == 5


async def test_a_source_that_published_nothing_has_no_figure(surveyed):
    query = {"agency": "A1", "source": "sipas", "period": "2026"}
    (overall,) = (await surveyed.get("/v1/indices", params=query)).json()["figures"]
    assert overall["status"] == "not_asked"
    answer = await surveyed.get("/v1/indices", params=query | {"by": "criterion"})
    assert answer.json()["figures"] == []
    refused = await surveyed.get("/v1/indices", params=query | {"method": "top2-share@1"})
    assert refused.json()["code"] == "method-not-applicable"


async def test_names_come_in_the_readers_language(surveyed, make):
    await make.put(
        "/v1/agencies/A1",
        {
            "name": {"vi": "Sở Mẫu", "en": "Model Department"},
            "kind": "department",
            "valid_from": "2010-01-01",
        },
    )
    names = [
        (
            await surveyed.get("/v1/indices", params=FIGURES, headers={"Accept-Language": asked})
        ).json()["agency"]["name"]
        for asked in ("vi", "en")
    ]
    assert names == ["Sở Mẫu", "Model Department"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
async def test_the_service_tells_of_itself_to_everyone(anonymous, path):
    assert (await anonymous.get(path)).status_code == 200


async def test_the_documentation_needs_no_network(anonymous):
    page = (await anonymous.get("/docs")).text
    addresses = [part.split('"')[0] for part in page.split('src="')[1:] + page.split('href="')[1:]]
    assert addresses
    for address in addresses:
        assert address.startswith("/")
        assert (await anonymous.get(address)).status_code == 200
