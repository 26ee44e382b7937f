"""What an offline device has gathered: an outcome for each rating."""

import uuid

import pytest

from app.db import devices

BEST = {"q1": "5", "q2": "5"}
BATCH = "/v1/ratings/batch"


@pytest.fixture
async def surveyed(make, client):
    """An agency with two counters and a survey."""
    await make.agency()
    for counter in ("Q1", "Q2"):
        await make.put(f"/v1/agencies/A1/counters/{counter}", {"name": {"vi": counter}})
    await make.survey()
    return client


@pytest.fixture
async def tablet(surveyed, make):
    """A device at counter Q1."""
    await devices.create(make.session, "hld_of-the-tests", "T1", ("A1", "Q1"), make.now)
    await make.session.commit()
    return make.with_key("hld_of-the-tests")


async def row(make, **fields):
    dossier = await make.dossier()
    body = {"agency": "A1", "survey": "s1", "channel": "tablet", "dossier": dossier}
    return body | {"answers": BEST} | fields


async def gaps(client):
    answer = await client.get("/v1/devices/T1/gaps")
    return [(gap["first"], gap["last"]) for gap in answer.json()["gaps"]]


async def test_each_row_of_a_batch_has_its_own_outcome(surveyed, make):
    good, twice = await row(make), await row(make)
    rows = [
        good,
        await row(make, answers={"q1": "9"}),
        twice,
        twice | {"answers": {"q1": "1"}},
        await row(make, dossier="000.00.01.H00-260601-99999"),
        {"agency": "A1", "rating": 5},
        await row(make, survey="none"),
    ]
    answer = await surveyed.post(BATCH, json={"ratings": rows})
    assert answer.status_code == 200
    said = answer.json()["outcomes"]
    assert [one["status"] for one in said] == [201, 422, 201, 409, 404, 422, 404]
    assert said[0]["rating"]["agency"] == "A1"
    assert [one["problem"] and one["problem"]["code"] for one in said] == [
        None,
        "answers-invalid",
        None,
        "already-rated",
        "dossier-not-found",
        "invalid-request",
        "survey-not-found",
    ]
    assert "/rating" in {error["pointer"] for error in said[5]["problem"]["errors"]}


async def test_a_batch_sent_again_is_counted_once(surveyed, make):
    rows = {"ratings": [await row(make, id=str(uuid.uuid4())) for _ in range(3)]}
    first = (await surveyed.post(BATCH, json=rows)).json()["outcomes"]
    again = (await surveyed.post(BATCH, json=rows)).json()["outcomes"]
    assert [one["rating"] for one in first] == [one["rating"] for one in again]
    assert [one["replayed"] for one in again] == [True, True, True]


async def test_a_batch_may_be_named_as_a_whole(surveyed, make):
    rows = {"ratings": [await row(make) for _ in range(2)]}
    headers = {"Idempotency-Key": "queue-1"}
    await surveyed.post(BATCH, json=rows, headers=headers)
    again = (await surveyed.post(BATCH, json=rows, headers=headers)).json()["outcomes"]
    assert [(one["status"], one["replayed"]) for one in again] == [(201, True), (201, True)]


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_has_between_one_and_five_hundred_rows(surveyed, count):
    answer = await surveyed.post(BATCH, json={"ratings": [{}] * count})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/ratings")


async def test_a_device_submits_for_its_own_counter(tablet, make, client):
    rated = await tablet.post("/v1/ratings", json=await row(make, device_seq=1))
    assert rated.status_code == 201
    figures = await client.get("/v1/agencies/A1/ratings")
    assert figures.json()["items"][0]["counter"] == "Q1"


async def test_a_device_reaches_no_other_counter_agency_or_route(tablet, make):
    elsewhere = await tablet.post("/v1/ratings", json=await row(make, counter="Q2", device_seq=1))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "counter-not-allowed")
    await make.agency("A2")
    other = await tablet.post("/v1/ratings", json=await row(make, agency="A2", device_seq=2))
    assert (other.status_code, other.json()["code"]) == (403, "agency-not-allowed")
    for path in ("/v1/agencies", "/v1/devices/T1/gaps", "/v1/agencies/A1/ratings"):
        assert (await tablet.get(path)).status_code == 403
    sheet = {"agency": "A1", "survey": "s1", "channel": "paper", "period": "2026-05", "forms": 1}
    answer = await tablet.post("/v1/tally-sheets", json=sheet | {"counts": {"q1": {"5": 1}}})
    assert answer.status_code == 403


async def test_a_device_numbers_its_ratings(tablet, make):
    unnumbered = await tablet.post("/v1/ratings", json=await row(make))
    assert unnumbered.json()["errors"][0]["pointer"] == "/device_seq"
    body = await row(make, device_seq=7)
    first, again = [await tablet.post("/v1/ratings", json=body) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await tablet.post("/v1/ratings", json=await row(make, device_seq=7))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert other.json()["errors"][0]["pointer"] == "/device_seq"


async def test_numbers_that_never_arrived_are_gaps_and_refused_ones_are_not(tablet, make, client):
    again = await row(make, device_seq=2)
    rows = [
        again,
        again | {"device_seq": 3},
        await row(make, device_seq=5, answers={"q1": "9"}),
        await row(make, device_seq=9),
        {"device_seq": 8, "nonsense": True},
    ]
    said = (await tablet.post(BATCH, json={"ratings": rows})).json()["outcomes"]
    assert [one["status"] for one in said] == [201, 409, 422, 201, 422]
    assert await gaps(client) == [(1, 1), (4, 4), (6, 7)]
    await tablet.post("/v1/ratings", json=await row(make, device_seq=4))
    assert await gaps(client) == [(1, 1), (6, 7)]


async def test_a_revoked_device_submits_nothing(tablet, make):
    await devices.revoke(make.session, "T1", make.now)
    await make.session.commit()
    answer = await tablet.post("/v1/ratings", json=await row(make, device_seq=1))
    assert (answer.status_code, answer.json()["code"]) == (401, "credential-unknown")
