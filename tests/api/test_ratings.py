"""From a dossier to its one rating, and the figures that move with it."""

from datetime import timedelta

import pytest

BEST = {"q1": "5", "q2": "5"}
WORST = {"q1": "1", "q2": "1"}
QUERY = {"agency": "A1", "survey": "s1", "period": "2026"}


@pytest.fixture
async def surveyed(make, client):
    await make.agency()
    await make.survey()
    return client


async def figure(client, **query):
    answer = await client.get("/v1/indices", params=QUERY | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["figures"][0]


async def test_a_rating_moves_every_figure_at_once(surveyed, make):
    for _ in range(5):
        await make.rate(BEST)
    before = [await figure(surveyed, by=by) for by in ("overall", "criterion", "question")]
    assert [f["value"] for f in before] == [100.0] * 3
    answer = await make.rate(WORST)
    assert (answer.status_code, answer.json()["basis"]) == (201, "dossier")
    after = [await figure(surveyed, by=by) for by in ("overall", "criterion", "question")]
    assert [f["value"] for f in after] == [83.33] * 3
    assert [f["n"] for f in after] == [6] * 3
    option = await figure(surveyed, by="option")
    assert (option["code"], option["value"], option["numerator"]) == ("q1:5", 83.33, 5)


async def test_a_figure_says_why_it_has_no_value(surveyed, make):
    assert (await figure(surveyed))["status"] == "pending"
    await make.rate(BEST)
    few = await figure(surveyed)
    assert (few["status"], few["value"], few["n"], few["options"]) == ("too_few", None, 1, [])
    await make.agency("A2")
    assert (await figure(surveyed, agency="A2"))["status"] == "not_asked"
    assert (await figure(surveyed, method="overall-question@1"))["status"] == "not_asked"


async def test_a_dossier_is_rated_once(surveyed, make):
    dossier = await make.dossier()
    assert (await make.rate(BEST, dossier=dossier)).status_code == 201
    again = await make.rate(WORST, dossier=dossier)
    assert (again.status_code, again.json()["code"]) == (409, "already-rated")
    assert (await figure(surveyed))["n"] == 1


async def test_a_rating_before_the_result_is_refused(surveyed, make):
    dossier = await make.dossier(returned=False)
    answer = await make.rate(BEST, dossier=dossier)
    assert (answer.status_code, answer.json()["code"]) == (409, "result-not-returned")
    assert (await figure(surveyed))["n"] == 0


async def test_a_rating_given_long_before_the_return_is_refused(surveyed, make):
    early = (make.now - timedelta(hours=2)).isoformat()
    answer = await make.rate(BEST, rated_at=early)
    assert (answer.status_code, answer.json()["code"]) == (409, "result-not-returned")


async def test_a_tablet_whose_clock_is_a_little_slow_loses_no_rating(surveyed, make):
    slow = (make.now - timedelta(hours=1, minutes=10)).isoformat()
    assert (await make.rate(BEST, rated_at=slow)).status_code == 201


async def test_an_unknown_dossier_is_refused(surveyed, make):
    answer = await make.rate(BEST, dossier="000.00.01.H00-260601-9999")
    assert (answer.status_code, answer.json()["code"]) == (404, "dossier-not-found")


async def test_another_agencys_dossier_is_unknown(surveyed, make):
    await make.agency("A2")
    dossier = await make.dossier("A2")
    assert (await make.rate(BEST, dossier=dossier)).json()["code"] == "dossier-not-found"


async def test_everything_unknown_is_named_at_once(surveyed, make):
    body = {"agency": "A9", "survey": "s9", "dossier": "000.00.01.H00-260601-0001"}
    answer = await surveyed.post(
        "/v1/ratings", json=body | {"channel": "tablet", "counter": "Q9", "answers": BEST}
    )
    assert answer.status_code == 404
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "/agency",
        "/survey",
        "/counter",
    ]


async def test_every_wrong_answer_is_named(surveyed, make):
    answer = await make.rate({"q1": "9", "q2": "na", "q7": "5"})
    assert (answer.status_code, answer.json()["code"]) == (422, "answers-invalid")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/answers/q1", "unknown-option"),
        ("/answers/q7", "unknown-question"),
    ]
    assert (await make.rate({})).json()["errors"][0]["code"] == "no-answers"


async def test_a_survey_takes_no_ratings_outside_its_days(make, client):
    await make.agency()
    await make.survey(closes_on="2026-06-14")
    answer = await make.rate(BEST)
    assert (answer.status_code, answer.json()["code"]) == (409, "survey-closed")


async def test_the_time_for_rating_a_dossier_ends(make, client):
    await make.agency()
    await make.survey(rating_window_days=1)
    dossier = await make.dossier(returned=False)
    at = {"type": "result_returned", "at": (make.now - timedelta(days=2)).isoformat()}
    path = f"/v1/agencies/A1/dossiers/{dossier}/events"
    assert (await client.post(path, json=at)).status_code == 201
    assert (await make.rate(BEST, dossier=dossier)).json()["code"] == "rating-window-closed"


async def test_a_survey_of_other_agencies_takes_no_rating(surveyed, make):
    await make.agency("A2")
    answer = await make.rate(BEST, agency="A2")
    assert (answer.status_code, answer.json()["code"]) == (409, "agency-not-surveyed")


async def test_a_rating_from_the_future_is_refused(surveyed, make):
    tomorrow = (make.now + timedelta(days=1)).isoformat()
    assert (await make.rate(BEST, rated_at=tomorrow)).json()["code"] == "answers-invalid"


async def test_the_month_of_a_rating_is_the_one_in_vietnam(surveyed, make):
    """18:30 UTC on 31 May is 1 June in Khánh Hòa."""
    dossier = await make.dossier(returned=False, received_at="2026-05-02T08:00:00+07:00")
    event = {"type": "result_returned", "at": "2026-05-31T18:00:00+00:00"}
    await surveyed.post(f"/v1/agencies/A1/dossiers/{dossier}/events", json=event)
    await make.rate(BEST, dossier=dossier, rated_at="2026-05-31T18:30:00+00:00")
    assert (await figure(surveyed, period="2026-05"))["n"] == 0
    assert (await figure(surveyed, period="2026-06"))["n"] == 1
