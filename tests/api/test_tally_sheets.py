"""Paper tally sheets: flagged, never repaired, counted once."""

import pytest
from factories import five_levels, option, questionnaire

GOOD = {"q1": {"5": 6, "4": 4}, "q2": {"5": 3, "3": 2, "na": 5}}
FLAWED = {"q1": {"5": 6, "4": 7}, "q2": {"5": 10}}
QUERY = {"agency": "A1", "survey": "s1", "period": "2026"}


@pytest.fixture
async def surveyed(make, client):
    await make.agency()
    await make.survey()
    return client


async def figures(client, **query):
    answer = await client.get("/v1/indices", params=QUERY | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["figures"]


async def test_a_sheet_is_counted_with_its_basis(surveyed, make):
    answer = await make.sheet(GOOD, 10)
    assert (answer.status_code, answer.json()["basis"]) == (201, "sheet")
    first, second = await figures(surveyed, by="question")
    assert (first["value"], first["n"]) == (100.0, 10)
    assert (second["value"], second["n"]) == (60.0, 5)
    assert [o["count"] for o in second["options"]] == [3, 0, 2, 0, 0, 5]


async def test_fewer_answers_than_forms_is_a_note_and_no_error(surveyed, make):
    answer = await make.sheet({"q1": {"5": 9}}, 10)
    assert [(f["code"], f["question"]) for f in answer.json()["findings"]] == [
        ("unanswered", "q1"),
        ("unanswered", "q2"),
    ]


async def test_more_answers_than_forms_are_refused_with_a_pointer(surveyed, make):
    answer = await make.sheet(FLAWED, 10)
    assert (answer.status_code, answer.json()["code"]) == (422, "sheet-does-not-add-up")
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/counts/q1", "more-answers-than-forms")
    assert "13" in fault["detail"]
    assert (await figures(surveyed))[0]["status"] == "pending"


async def test_an_accepted_flaw_stays_visible_with_its_reason(surveyed, make):
    accept = [{"pointer": "/counts/q1", "reason": "Theo số liệu đã công bố"}]
    answer = await make.sheet(FLAWED, 10, accept=accept)
    assert answer.status_code == 201
    first, second = await figures(surveyed, by="question")
    assert [f["reason"] for f in first["findings"]] == ["Theo số liệu đã công bố"]
    assert second["findings"] == []


async def test_accepting_what_is_not_wrong_is_refused(surveyed, make):
    accept = [{"pointer": "/counts/q1", "reason": "cho chắc"}]
    answer = await make.sheet(GOOD, 10, accept=accept)
    assert answer.json()["errors"][0]["code"] == "nothing-to-accept"


async def test_every_unknown_question_and_option_is_named(surveyed, make):
    answer = await make.sheet({"q1": {"7": 1}, "q8": {"5": 1}}, 10)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/counts/q1/7", "unknown-option"),
        ("/counts/q8", "unknown-question"),
    ]


async def test_the_same_sheet_sent_twice_is_counted_once(surveyed, make):
    first, again = [await make.sheet(GOOD, 10) for _ in range(2)]
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await figures(surveyed, by="question"))[0]["n"] == 10


async def test_a_reworded_reason_does_not_make_another_sheet(surveyed, make):
    for reason in ("Theo số liệu đã công bố", "Đúng như thông báo"):
        accept = [{"pointer": "/counts/q1", "reason": reason}]
        answer = await make.sheet(FLAWED, 10, accept=accept)
        assert answer.status_code == 201
    (first, _) = await figures(surveyed, by="question")
    assert (first["denominator"], first["n"]) == (13, 10)
    assert [f["reason"] for f in first["findings"]] == ["Theo số liệu đã công bố"]


async def test_zeros_that_are_written_out_do_not_make_another_sheet(surveyed, make):
    for counts in ({"q1": {"5": 9}}, {"q1": {"5": 9, "4": 0}}, {"q1": {"5": 9}, "q2": {}}):
        assert (await make.sheet(counts, 9)).status_code == 201
    assert (await figures(surveyed, by="question"))[0]["n"] == 9


async def test_versions_that_changed_a_scale_are_not_pooled_option_by_option(make, client):
    await make.agency()
    options = [option("a", satisfied=True), option("b")]
    for version, na in ((1, option("na")), (2, option("na", counted=False))):
        form = questionnaire(
            ("c", [{"code": "q1", "text": {"vi": "?"}, "options": [*options, na]}])
        )
        await make.put(f"/v1/questionnaires/f/versions/{version}", form)
        body = {"title": {"vi": "Đợt"}, "questionnaire": "f", "version": version}
        days = {"opens_on": "2026-01-01", "agencies": ["A1"]}
        await make.put(f"/v1/surveys/s{version}", body | days)
    await make.sheet({"q1": {"a": 5, "na": 5}}, 10, survey="s1")
    await make.sheet({"q1": {"a": 2, "na": 20}}, 22, survey="s2")
    found = {}
    for order in (["s1", "s2"], ["s2", "s1"]):
        query = QUERY | {"survey": order, "by": "option"}
        answer = (await client.get("/v1/indices", params=query)).json()
        assert all(f["value"] is None or f["value"] <= 100 for f in answer["figures"])
        found[order[0]] = sorted((f["code"], f["value"] or 0) for f in answer["figures"])
    assert found["s1"] == found["s2"]
    assert len(found["s1"]) == 5


async def test_two_offices_with_the_same_counts_say_so_by_their_keys(surveyed, make):
    body = {"agency": "A1", "survey": "s1", "channel": "paper", "period": "2026-05", "forms": 10}
    for key in ("office-1", "office-2", "office-2"):
        answer = await surveyed.post(
            "/v1/tally-sheets", json=body | {"counts": GOOD}, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 201
    assert (await figures(surveyed, by="question"))[0]["n"] == 20
    other = await surveyed.post(
        "/v1/tally-sheets",
        json=body | {"counts": {"q1": {"5": 1}}},
        headers={"Idempotency-Key": "office-1"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("period", "code"),
    [("2026", "not-one-month"), ("2026-05-01", "too-long"), ("2026-13", "bad-period")],
)
async def test_a_sheet_is_of_one_whole_month(surveyed, make, period, code):
    answer = await make.sheet(GOOD, 10, period=period)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/period", code)]


@pytest.mark.parametrize(
    ("period", "code"), [("2025-12", "survey-closed"), ("2026-07", "in-the-future")]
)
async def test_a_sheet_lies_in_the_days_of_its_survey(surveyed, make, period, code):
    answer = await make.sheet(GOOD, 10, period=period)
    assert answer.json()["errors"][0]["code"] == code


@pytest.mark.parametrize("count", [-1, 2**31, 1.5, "6", True, None, [6]])
async def test_a_count_is_a_whole_number_that_can_be(surveyed, make, count):
    answer = await make.sheet({"q1": {"5": count}}, 10)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["pointer"] == "/counts/q1/5"


async def test_shares_of_forms_count_those_who_left_a_question_out(surveyed, make):
    await make.sheet({"q1": {"5": 5}}, 10)
    answers, forms = [
        (await figures(surveyed, by="question", base=base))[0] for base in ("answers", "forms")
    ]
    assert (answers["value"], answers["denominator"]) == (100.0, 5)
    assert (forms["value"], forms["denominator"], forms["n"]) == (50.0, 10, 10)


async def test_a_flawed_sheet_gives_no_share_of_its_forms(surveyed, make):
    accept = [{"pointer": "/counts/q1", "reason": "Theo số liệu đã công bố"}]
    await make.sheet(FLAWED, 10, accept=accept)
    (first, _) = await figures(surveyed, by="question", base="forms")
    assert (first["status"], first["value"], first["met"]) == ("exempt", None, None)
    assert [f["month"] for f in first["findings"]] == ["2026-05"]


async def test_forms_that_were_reported_but_not_counted_are_noted(make, client):
    await make.agency()
    await make.survey(closes_on="2026-06-30")
    await make.put(
        "/v1/surveys/s1/distributions/A1/paper", {"issued": 20, "returned": 12, "invalid": 1}
    )
    await make.sheet(GOOD, 10)
    answer = (await client.get("/v1/indices", params=QUERY)).json()
    assert answer["forms"] == {"issued": 20, "returned": 12, "valid": 11, "response_rate": 60.0}
    (finding,) = answer["figures"][0]["findings"]
    assert (finding["code"], finding["survey"]) == ("forms-differ-from-distribution", "s1")
    await make.peer_group("g", "A1")
    query = {"peer_group": "g", "survey": "s1", "period": "2026"}
    (row,) = (await client.get("/v1/rankings", params=query)).json()["rows"]
    assert [f["code"] for f in row["findings"]] == ["forms-differ-from-distribution"]


async def test_a_response_rate_is_of_all_surveys_or_not_given(make, client):
    await make.agency()
    for code in ("s1", "s2"):
        await make.survey(code, closes_on="2026-06-30")
        await make.sheet({"q1": {"5": 8}, "q2": {"5": 8}}, 8, survey=code)
    await make.put(
        "/v1/surveys/s1/distributions/A1/paper", {"issued": 10, "returned": 8, "invalid": 0}
    )
    both = await client.get("/v1/indices", params=QUERY | {"survey": ["s1", "s2"]})
    nothing = {"issued": None, "returned": None, "valid": 16, "response_rate": None}
    assert (both.json()["forms"], both.json()["figures"][0]["findings"]) == (nothing, [])
    one = await client.get("/v1/indices", params=QUERY)
    assert one.json()["forms"]["response_rate"] == 80.0


async def test_questions_of_different_questionnaires_are_kept_apart(make, client):
    await make.agency()
    await make.survey("s1")
    form = questionnaire(("access", [five_levels("q1")]))
    await make.survey("s2", form=form)
    await make.sheet({"q1": {"5": 6}}, 6)
    await make.sheet({"q1": {"1": 6}}, 6, survey="s2")
    query = QUERY | {"survey": ["s1", "s2"]}
    by_question = (await client.get("/v1/indices", params=query | {"by": "question"})).json()
    assert [(f["questionnaire"], f["code"], f["value"]) for f in by_question["figures"]] == [
        ("s1-form", "q1", 100.0),
        ("s1-form", "q2", None),
        ("s2-form", "q1", 0.0),
    ]
    by_criterion = (await client.get("/v1/indices", params=query | {"by": "criterion"})).json()
    assert [(f["code"], f["value"]) for f in by_criterion["figures"]] == [
        ("access", 50.0),
        ("attitude", None),
    ]
