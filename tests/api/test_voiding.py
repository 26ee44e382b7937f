"""An agency's ratings: listed without a trace of who gave them, and voided with a reason."""

import uuid

import pytest

BEST = {"q1": "5", "q2": "na"}
WORST = {"q1": "1", "q2": "1"}
PATH = "/v1/agencies/A1/ratings"
WORDS = {"reason": "Cán bộ tự đánh giá thay người dân."}


@pytest.fixture
async def surveyed(make, client):
    await make.agency()
    await make.survey()
    return client


async def rated(make, answers=BEST, **fields):
    answer = await make.rate(answers, **fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def figure(client):
    query = {"agency": "A1", "survey": "s1", "period": "2026", "by": "option"}
    return (await client.get("/v1/indices", params=query)).json()["figures"][0]


async def test_a_voided_rating_counts_in_no_figure_but_stays(surveyed, make):
    wrong = await rated(make, WORST)
    for _ in range(5):
        await rated(make)
    assert (await figure(surveyed))["n"] == 6
    answer = await surveyed.post(f"{PATH}/{wrong}/void", json=WORDS)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)
    assert answer.json() == {
        "id": wrong,
        "agency": "A1",
        "survey": "s1",
        "voided_at": "2026-06-15T17:00:00+07:00",
        "rate_again": False,
        **WORDS,
    }
    after = await figure(surveyed)
    assert (after["n"], after["value"]) == (5, 100.0)
    listed = {row["id"]: row for row in (await surveyed.get(PATH)).json()["items"]}
    assert listed[wrong]["answers"] == WORST
    assert listed[wrong]["void_reason"] == WORDS["reason"]


async def test_voided_again_in_the_same_words_it_is_answered_as_before(surveyed, make):
    path = f"{PATH}/{await rated(make)}/void"
    first = await surveyed.post(path, json=WORDS)
    again = await surveyed.post(path, json=WORDS | {"rate_again": False})
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("name", "other"), [("reason", "Khác."), ("rate_again", False)])
async def test_voided_again_in_other_words_is_refused(surveyed, make, name, other):
    path = f"{PATH}/{await rated(make)}/void"
    await surveyed.post(path, json=WORDS | {"rate_again": True})
    answer = await surveyed.post(path, json=WORDS | {"rate_again": True, name: other})
    assert (answer.status_code, answer.json()["code"]) == (409, "already-voided")
    assert answer.json()["errors"][0]["pointer"] == f"/{name}"


async def test_a_dossier_may_be_released_after_its_rating_was_voided(surveyed, make):
    dossier = await make.dossier()
    path = f"{PATH}/{await rated(make, dossier=dossier)}/void"
    await surveyed.post(path, json=WORDS)
    assert (await make.rate(BEST, dossier=dossier)).status_code == 409
    released = await surveyed.post(path, json=WORDS | {"rate_again": True})
    assert (released.status_code, released.json()["rate_again"]) == (200, True)
    assert (await make.rate(BEST, dossier=dossier)).status_code == 201


@pytest.mark.parametrize(("rate_again", "status"), [(True, 201), (False, 409)])
async def test_only_a_released_dossier_is_rated_again(surveyed, make, rate_again, status):
    dossier = await make.dossier()
    first = await rated(make, dossier=dossier)
    await surveyed.post(f"{PATH}/{first}/void", json=WORDS | {"rate_again": rate_again})
    assert (await make.rate(WORST, dossier=dossier)).status_code == status


async def test_a_rating_of_another_agency_is_not_found(surveyed, make):
    await make.agency("A2")
    rating = await rated(make)
    for path in (f"/v1/agencies/A2/ratings/{rating}/void", f"{PATH}/{uuid.uuid4()}/void"):
        for answer in (
            await surveyed.post(path, json=WORDS),
            await surveyed.get(path.removesuffix("/void")),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "rating-not-found")
    path = f"/v1/agencies/A3/ratings/{rating}"
    for answer in (await surveyed.post(f"{path}/void", json=WORDS), await surveyed.get(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "agency-not-found")


@pytest.mark.parametrize("body", [{}, {"reason": " "}, WORDS | {"rate_again": "yes"}])
async def test_a_rating_is_not_voided_without_a_reason(surveyed, make, body):
    path = f"{PATH}/{await rated(make)}/void"
    assert (await surveyed.post(path, json=body)).status_code == 422
    assert (await surveyed.get(PATH, params={"voided": True})).json()["items"] == []


async def test_who_may_rate_may_neither_list_nor_void(surveyed, make):
    one = f"{PATH}/{await rated(make)}"
    path = f"{one}/void"
    rater = await make.caller("ratings:write")
    reader = await make.caller("ratings:read")
    elsewhere = await make.caller(
        "ratings:read", "ratings:void", agencies={await make.agency("A2")}
    )
    refusals = [
        (await rater.get(PATH), "scope-missing"),
        (await rater.get(one), "scope-missing"),
        (await rater.post(path, json=WORDS), "scope-missing"),
        (await reader.post(path, json=WORDS), "scope-missing"),
        (await elsewhere.get(PATH), "agency-not-allowed"),
        (await elsewhere.get(one), "agency-not-allowed"),
        (await elsewhere.post(path, json=WORDS), "agency-not-allowed"),
    ]
    for answer, code in refusals:
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert (await reader.get(PATH)).status_code == 200


async def test_the_list_tells_what_was_answered_and_not_by_whom_or_when(surveyed, make):
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    dossier = await make.dossier(counter="Q1", officer="cb-0115")
    rated_at = "2026-06-15T16:30:00+07:00"
    rating = await rated(make, dossier=dossier, comment="Tốt", rated_at=rated_at)
    answer = await surveyed.get(PATH)
    (row,) = answer.json()["items"]
    assert row == {
        "id": rating,
        "survey": "s1",
        "basis": "dossier",
        "channel": "tablet",
        "counter": "Q1",
        "answers": BEST,
        "comment": "Tốt",
        "rated_on": "2026-06-15",
        "voided_at": None,
        "void_reason": None,
        "rate_again": False,
    }
    for secret in (dossier, "cb-0115", "1.000001", "16:30", "09:30"):
        assert secret not in answer.text


async def test_a_rating_is_read_as_it_is_listed(surveyed, make):
    rating = await rated(make, comment="Tốt")
    await rated(make)
    listed = {row["id"]: row for row in (await surveyed.get(PATH)).json()["items"]}
    assert (await surveyed.get(f"{PATH}/{rating}")).json() == listed[rating]
    await surveyed.post(f"{PATH}/{rating}/void", json=WORDS)
    assert (await surveyed.get(f"{PATH}/{rating}")).json()["void_reason"] == WORDS["reason"]


async def test_a_question_left_blank_is_not_among_the_answers(surveyed, make):
    await rated(make, {"q2": "3"})
    (row,) = (await surveyed.get(PATH)).json()["items"]
    assert row["answers"] == {"q2": "3"}


async def test_the_list_comes_page_by_page(surveyed, make):
    made = sorted([await rated(make) for _ in range(5)])
    found, path = [], f"{PATH}?limit=2&voided=false"
    for _ in range(3):
        answer = await surveyed.get(path)
        found += [row["id"] for row in answer.json()["items"]]
        if following := answer.json()["next_cursor"]:
            path = answer.headers["Link"].partition(">")[0].removeprefix("<")
            assert f"cursor={following}" in path
            assert "voided=false" in path
    assert (found, following) == (made, None)
    assert "Link" not in answer.headers


async def test_the_list_can_be_of_one_survey_or_only_of_what_counts(surveyed, make):
    await make.survey("s2")
    one, two = await rated(make), await rated(make, survey="s2")
    await surveyed.post(f"{PATH}/{two}/void", json=WORDS)

    async def listed(**query):
        answer = await surveyed.get(PATH, params=query)
        return [row["id"] for row in answer.json()["items"]]

    assert await listed() == sorted([one, two])
    assert await listed(survey="s2") == await listed(voided=True) == [two]
    assert await listed(survey="s1") == await listed(voided=False) == [one]
    assert await listed(survey="s1", voided=True) == []
    answer = await surveyed.get(PATH, params={"survey": "s3"})
    assert (answer.status_code, answer.json()["code"]) == (404, "survey-not-found")
    assert (await surveyed.get(PATH, params={"cursor": "x"})).status_code == 422
