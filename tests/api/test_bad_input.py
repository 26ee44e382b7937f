"""Whatever comes in: a clear problem, nothing stored, nothing logged that identifies a person."""

import json

import pytest
from factories import five_levels, questionnaire
from sqlalchemy import text

from app.db.tables import SQLModel

JSON = {"Content-Type": "application/json"}
AGENCY = {"name": {"vi": "Sở Mẫu"}, "kind": "department", "valid_from": "2010-01-01"}
FIGURES = {"agency": "A1", "survey": "s1", "period": "2026"}
SPAN = {"period": None, "first": "2026-01-01", "last": "2026-03-31"}


async def counts(session):
    """How many rows each table holds."""
    return {
        table.name: await session.scalar(text(f"SELECT count(*) FROM {table.name}"))  # noqa: S608
        for table in SQLModel.metadata.sorted_tables
    }


@pytest.fixture
async def surveyed(make, client):
    await make.agency()
    await make.survey()
    return client


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1e400",
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"forms": ' + b"9" * 5000 + b"}",
        b"NaN",
    ],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("path", ["/v1/ratings", "/v1/tally-sheets", "/v1/agencies/A1/succession"])
async def test_what_is_no_request_is_refused_and_nothing_is_stored(surveyed, session, path, body):
    before = await counts(session)
    answer = await surveyed.post(path, content=body, headers=JSON)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert await counts(session) == before


async def test_ten_megabytes_are_refused_unread(surveyed):
    body = json.dumps(AGENCY | {"kind": "x" * 10_000_000})
    answer = await surveyed.put("/v1/agencies/A9", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_ten_megabytes_without_a_length_are_refused_as_well(surveyed):
    async def chunks():
        for _ in range(160):
            yield b" " * 65_536

    answer = await surveyed.put("/v1/agencies/A9", content=chunks(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"name": {"vi": "a\x00b"}}, "/name/vi", "bad-text"),
        ({"name": {"vi": "a\x1bb"}}, "/name/vi", "bad-text"),
        ({"name": {"vi": "   "}}, "/name/vi", "blank"),
        ({"name": {"vi": ""}}, "/name/vi", "too-short"),
        ({"name": {"vi": "x" * 501}}, "/name/vi", "too-long"),
        ({"name": {"vi": 5}}, "/name/vi", "wrong-type"),
        ({"name": {"en": "x"}}, "/name/vi", "missing"),
        ({"name": "Sở"}, "/name", "wrong-type"),
        ({"kind": "x" * 65}, "/kind", "too-long"),
        ({"kind": "một"}, "/kind", "bad-code"),
        ({"kind": ["department"]}, "/kind", "wrong-type"),
        ({"valid_from": "2010-02-30"}, "/valid_from", "bad-day"),
        ({"valid_from": 20100101}, "/valid_from", "bad-day"),
        ({"valid_from": "0001-01-01"}, "/valid_from", "bad-day"),
        ({"valid_to": "2009-01-01"}, "/valid_to", "ends-before-it-begins"),
        ({"parent": "A404"}, "/parent", "agency-not-found"),
        ({"colour": "red"}, "/colour", "unknown-field"),
    ],
)
async def test_each_fault_of_a_body_has_its_pointer_and_code(
    surveyed, session, change, pointer, code
):
    before = await counts(session)
    answer = await surveyed.put("/v1/agencies/A9", json=AGENCY | change)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    assert await counts(session) == before


async def test_a_lone_surrogate_is_refused(surveyed):
    body = json.dumps(AGENCY | {"name": {"vi": "\ud800"}})
    answer = await surveyed.put("/v1/agencies/A9", content=body, headers=JSON)
    assert answer.json()["errors"][0]["code"] in {"bad-text", "wrong-type"}


async def test_all_faults_are_named_at_once(surveyed):
    body = {"name": {}, "kind": 5, "valid_from": "soon", "colour": "red"}
    answer = await surveyed.put("/v1/agencies/H%2032", json=body)
    assert [e["pointer"] for e in answer.json()["errors"]] == [
        "/path/agency",
        "/name/vi",
        "/kind",
        "/valid_from",
        "/colour",
    ]


async def test_vietnamese_typed_in_pieces_is_stored_composed(surveyed, make):
    decomposed = "Sở"
    answer = await make.put("/v1/agencies/A9", AGENCY | {"name": {"vi": decomposed}})
    assert answer["name"]["vi"] == "Sở"


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"period": "2026-05-01"}, "/query/period", "too-long"),
        ({"period": "2026-5"}, "/query/period", "bad-period"),
        ({"period": "quý 1"}, "/query/period", "bad-period"),
        (
            {"period": None, "first": "2026-01-02", "last": "2026-03-31"},
            "/query/first",
            "not-whole-months",
        ),
        (
            {"period": None, "first": "2026-01-01", "last": "2026-03-30"},
            "/query/last",
            "not-whole-months",
        ),
        ({"period": None, "first": "2026-01-01"}, "/query", "one-of-period-or-first-and-last"),
        ({"first": "2026-01-01"}, "/query", "one-of-period-or-first-and-last"),
        ({"period": None}, "/query", "one-of-period-or-first-and-last"),
        ({"source": "sipas"}, "/query", "one-of-survey-or-source"),
        ({"survey": None}, "/query", "one-of-survey-or-source"),
        ({"agency": "A404"}, "/query/agency", "agency-not-found"),
        ({"survey": "s404"}, "/query/survey", "survey-not-found"),
        ({"method": "sipas@1"}, "/query/method", "method-not-found"),
        ({"method": "top2-share"}, "/query/method", "bad-format"),
        ({"by": "officer"}, "/query/by", "not-allowed"),
        ({"base": "people"}, "/query/base", "not-allowed"),
        ({"method": "overall-question@1", "by": "question"}, "/query/by", "not-allowed"),
        ({"method": "mean-score@1", "base": "forms"}, "/query/base", "not-allowed"),
        ({"colour": "red"}, "/query/colour", "unknown-field"),
        ({"agency": "A\x00"}, "/query/agency", "bad-code"),
    ],
)
async def test_each_fault_of_a_query_has_its_pointer_and_code(surveyed, query, pointer, code):
    params = {name: value for name, value in (FIGURES | query).items() if value is not None}
    answer = await surveyed.get("/v1/indices", params=params)
    assert answer.status_code in {404, 422}
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rated_at": "2026-06-15T09:00:00"}, "/rated_at"),
        ({"rated_at": "2026-06-15"}, "/rated_at"),
        ({"rated_at": 1781510400}, "/rated_at"),
        ({"answers": {"q1": 5}}, "/answers/q1"),
        ({"answers": ["q1"]}, "/answers"),
        ({"answers": {"q/1": "5"}}, "/answers/q~11"),
        ({"channel": "fax"}, "/channel"),
        ({"comment": "x" * 4001}, "/comment"),
        ({"comment": "a\x00"}, "/comment"),
        ({"device_seq": "413"}, "/device_seq"),
        ({"device_seq": 2**63}, "/device_seq"),
        ({"dossier": "000.00.01.H00-260230-0001"}, "/dossier"),
        ({"name": "Nguyễn Văn A"}, "/name"),
    ],
)
async def test_each_fault_of_a_rating_has_its_pointer(surveyed, make, change, pointer):
    fields = {"dossier": "000.00.01.H00-260601-0001"} | change
    answer = await make.rate(fields.pop("answers", {"q1": "5"}), **fields)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_a_problem_is_told_in_the_readers_language(surveyed):
    said = {}
    for asked in ("vi", "en", "en-GB,en;q=0.9", "fr", "fr, en;q=0.5, vi;q=0.4", "", "en;q=0"):
        answer = await surveyed.get("/v1/agencies/A404", headers={"Accept-Language": asked})
        said[asked] = (answer.headers["Content-Language"], answer.json()["title"])
    assert {said[asked][0] for asked in ("vi", "fr", "", "en;q=0")} == {"vi"}
    assert {said[asked][0] for asked in ("en", "en-GB,en;q=0.9", "fr, en;q=0.5, vi;q=0.4")} == {
        "en"
    }
    assert said["vi"][1] != said["en"][1]


async def test_a_problem_document_is_as_rfc_9457_says(surveyed, anonymous):
    answer = await surveyed.get("/v1/agencies/A404")
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "instance", "code", "errors"}
    assert problem["status"] == answer.status_code
    assert problem["instance"] == "/v1/agencies/A404"
    page = await anonymous.get(problem["type"])
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert problem["code"] in page.text
    assert (await anonymous.get("/problems/none")).status_code == 404


async def test_other_methods_and_addresses_are_problems_too(surveyed):
    answer = await surveyed.delete("/v1/agencies/A1")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]
    assert (await surveyed.get("/v2")).json()["code"] == "route-not-found"


async def test_a_request_keeps_its_id(surveyed):
    given = await surveyed.get("/healthz", headers={"X-Request-Id": "portal-77"})
    made = await surveyed.get("/healthz", headers={"X-Request-Id": "no spaces, please"})
    assert given.headers["X-Request-Id"] == "portal-77"
    assert len(made.headers["X-Request-Id"]) == 36


async def test_what_nobody_foresaw_is_a_problem_without_details(surveyed, app, session):
    await session.execute(text("ALTER TABLE agency RENAME TO agency_gone"))
    await session.commit()
    answer = await surveyed.get("/v1/agencies/A1")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "agency_gone" not in answer.text


async def test_what_does_not_fit_together_is_named_with_what_does_not_exist(surveyed):
    body = {"title": {"vi": "Đợt"}, "questionnaire": "none", "version": 1}
    days = {"opens_on": "2026-02-01", "closes_on": "2026-01-01"}
    answer = await surveyed.put("/v1/surveys/s9", json=body | days)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/closes_on", "ends-before-it-begins"),
        ("/agencies", "one-of-agencies-or-peer-group"),
        ("/questionnaire", "questionnaire-not-found"),
    ]


async def test_a_method_of_printed_values_makes_no_figures_of_ratings(surveyed):
    answer = await surveyed.get("/v1/indices", params=FIGURES | {"method": "as-published@1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "method-not-applicable")


async def test_a_problem_with_one_fault_says_what_to_do(surveyed, make):
    answer = await make.sheet({"q1": {"5": 11}}, 10)
    problem = answer.json()
    assert problem["detail"].startswith(problem["errors"][0]["detail"])
    assert "accept" in problem["detail"]


async def test_tens_of_thousands_of_faults_are_not_all_named(surveyed, make):
    answer = await make.rate({f"q{n}": 5 for n in range(20_000)}, dossier="H00-260601-0001")
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 100


async def test_no_criterion_takes_the_code_of_the_overall_figure(client):
    form = questionnaire(("overall", [five_levels("q1")]))
    answer = await client.put("/v1/questionnaires/f/versions/1", json=form)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/criteria/0/code", "reserved-code")
    ]


@pytest.mark.parametrize(
    ("path", "body", "pointer", "wanted"),
    [
        ("/v1/ratings", {"answers": {"q1": 5}}, "/answers/q1", ("chuỗi ký tự", "a text")),
        ("/v1/ratings", {"answers": ["q1"]}, "/answers", ("đối tượng", "an object")),
        ("/v1/ratings", {"device_seq": "4"}, "/device_seq", ("số nguyên", "a whole number")),
        ("/v1/ratings", {"id": 5}, "/id", ("UUID", "a UUID")),
        ("/v1/ratings/batch", [], "", ("đối tượng", "an object")),
        ("/v1/ratings/batch", {"ratings": {}}, "/ratings", ("danh sách", "a list")),
        ("/v1/agencies/A1/succession", {"successors": 5}, "/successors", ("danh sách", "a list")),
    ],
)
async def test_what_is_of_the_wrong_type_is_told_which_is_wanted(
    surveyed, path, body, pointer, wanted
):
    for language, named in zip(("vi", "en"), wanted, strict=True):
        answer = await surveyed.post(path, json=body, headers={"Accept-Language": language})
        (fault,) = [one for one in answer.json()["errors"] if one["code"] == "wrong-type"]
        assert fault["pointer"] == pointer
        assert named in fault["detail"]


async def test_a_number_and_a_truth_value_are_told_apart_from_texts(surveyed, make):
    surveyed.headers["Accept-Language"] = "en"
    target = await surveyed.put("/v1/targets/A1/2026/overall", json={"value": "83"})
    form = questionnaire(("access", [five_levels("q1")]))
    form["criteria"][0]["questions"][0]["options"][0]["counted"] = "yes"
    counted = await surveyed.put("/v1/questionnaires/f/versions/1", json=form)
    for answer, named in ((target, "a number"), (counted, "true or false")):
        (fault,) = answer.json()["errors"]
        assert fault["code"] == "wrong-type"
        assert named in fault["detail"]


async def test_a_label_for_an_answer_is_told_that_codes_of_options_are_wanted(surveyed, make):
    answers = {"q1": "Rất hài lòng", "q2": "Rất-" * 20, "Câu hỏi 3": "5"}
    answer = await make.rate(answers, dossier="none")
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("/dossier", "bad-dossier-code"),
        ("/answers/q1", "unknown-option"),
        ("/answers/q2", "unknown-option"),
        ("/answers/Câu hỏi 3", "unknown-question"),
    ]
    answer = await make.rate({"q1": "Rất hài lòng"}, dossier=await make.dossier())
    assert answer.status_code == 422
    assert "not its label" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/agency", "/survey", "/dossier", "/channel", "/answers"]),
        ({"agency": 5}, ["/survey", "/dossier", "/agency", "/channel", "/answers"]),
        ({"invitation": "A"}, ["/channel", "/answers"]),
        ({"invitation": "A", "survey": "s1"}, ["/survey", "/channel", "/answers"]),
    ],
)
async def test_all_that_a_rating_lacks_is_named_at_once(surveyed, body, pointers):
    alone = (await surveyed.post("/v1/ratings", json=body)).json()
    assert [one["pointer"] for one in alone["errors"]] == pointers
    (among,) = (await surveyed.post("/v1/ratings/batch", json={"ratings": [body]})).json()[
        "outcomes"
    ]
    assert among["problem"]["errors"] == alone["errors"]


async def test_what_is_said_twice_is_refused_wherever_json_is_sent(anonymous, app):
    twice = b'{"answers": {"q1": "5", "q1": "1"}}'
    asked = 0
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                answer = await anonymous.request(method, path, content=twice, headers=JSON)
                said = (answer.status_code, answer.json()["code"])
                assert said == (400, "malformed-request"), (method, path)
                asked += 1
    assert asked > 20
