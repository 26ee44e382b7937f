"""The contract's examples: valid, and what the service really answers to the requests shown."""

import json
from datetime import UTC, date, datetime
from functools import partial

import jsonschema
import pytest
from conftest import NOW, driver
from sqlalchemy import text

from app.api import texts
from app.cli.demo import EDITION, EXAMPLES, LOADED, read_requests
from app.db import devices, webhooks
from app.db.limits import Quotas
from app.db.tables import OperationError
from app.domain import webhook
from app.main import create_app
from app.settings import Settings

CONTRACT = create_app(Settings()).openapi()
SCHEMAS = CONTRACT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, item in CONTRACT["paths"].items()
    for method, operation in item.items()
}

# What stands for a name in a path or for a query parameter, unless a step says otherwise.
PLACES = {
    "agency": "H32.15",
    "channel": "e_office",
    "code": "already-rated",
    "counter": "Q05",
    "criterion": "overall",
    "device": "Q05-tablet",
    "dossier": "000.00.15.H32-230712-0001",
    "edition": EDITION["code"],
    "kind": "dossiers",
    "method": "top2-share@1",
    "number": "1",
    "owner": "so-ban-nganh",
    "peer_group": "so-ban-nganh",
    "period": "2022",
    "population": "500",
    "procedure": "2.000629",
    "questionnaire": "counter-3-level",
    "source": "sipas",
    "survey": "tthc-2023",
    "version": "1",
    "webhook": "cong-dich-vu",
}
IN_2022 = datetime(2022, 11, 1, tzinfo=UTC)
IN_2023 = datetime(2023, 8, 1, tzinfo=UTC)
NEW_AGENCY = {"name": {"vi": "Sở mới"}, "kind": "department", "valid_from": "2025-03-01"}

# In an order in which each finds what it needs: what is said besides the example that is sent.
STEPS = {
    "put_agency": {},
    "get_agency": {},
    "list_agencies": {},
    "put_counter": {},
    "get_counter": {},
    "list_counters": {},
    "put_procedure": {},
    "get_procedure": {},
    "list_procedures": {},
    "put_questionnaire": {},
    "get_questionnaire": {},
    "list_questionnaires": {},
    "put_survey": {},
    "get_survey": {},
    "list_surveys": {},
    "put_distribution": {"survey": "sct-2022-b"},
    "get_distribution": {"survey": "sct-2022-b"},
    "put_target": {},
    "get_target": {},
    "put_published_index": {},
    "get_published_index": {},
    "get_indices": {"query": {"agency": "H32.15", "period": "2022", "survey": "sct-2022-a"}},
    "get_ranking": {"query": {"peer_group": "so-ban-nganh", "period": "2022", "source": "sipas"}},
    "register_dossier": {},
    "record_event": {"at": IN_2023},
    "get_dossier": {},
    "list_dossiers": {},
    "issue_invitation": {"at": IN_2023},
    "open_invitation": {"at": IN_2023, "token": lambda given: given["issue_invitation"]["token"]},
    "get_invitation_qr": {"at": IN_2023, "token": lambda given: given["issue_invitation"]["token"]},
    "revoke_invitation": {"at": IN_2023},
    "submit_rating": {},
    "list_ratings": {},
    "get_rating": {"rating": lambda given: given["submit_rating"]["id"]},
    "void_rating": {"rating": lambda given: given["submit_rating"]["id"]},
    "submit_ratings": {},
    "submit_tally_sheet": {},
    "issue_survey_invitations": {"survey": "sct-2022-b", "at": IN_2022},
    "send_rating": {"at": IN_2023, "token": lambda given: given["another"]["token"]},
    "count_survey_invitations": {"survey": "sct-2022-b", "at": IN_2022},
    "revoke_survey_invitations": {"survey": "sct-2022-b", "at": IN_2022},
    "import_rows": {},
    "get_operation": {"operation": lambda given: given["import_rows"]["id"]},
    "list_operations": {},
    "get_operation_errors": {"operation": lambda given: given["import_rows"]["id"]},
    "get_import_template": {},
    "export_ratings": {},
    "export_dossiers": {},
    "get_device_gaps": {},
    "put_self_assessment": {"period": "2023"},
    "get_self_assessment": {"period": "2023"},
    "put_webhook": {},
    "get_webhook": {},
    "list_webhooks": {},
    "add_webhook_secret": {},
    "delete_webhook_secret": {},
    "list_deliveries": {},
    "redeliver": {"delivery": lambda given: given["list_deliveries"]["items"][0]["id"]},
    "delete_webhook": {},
    "list_methods": {},
    "get_method": {},
    "get_sample_size": {"query": {"population": "500", "response_rate": "60"}},
    "discard_edition": {"edition": "ban-nhap"},
    "freeze_edition": {"body": EDITION | {"title": {"vi": "Năm 2025"}}},
    "publish_edition": {},
    "get_edition": {},
    "get_latest_edition": {},
    "list_editions": {},
    "get_data_package": {},
    "get_published_ranking": {},
    "get_published_indices": {
        "agency": lambda given: given["get_edition"]["agencies"][0]["agency"]
    },
    "get_differences": {},
    "put_peer_group": {},
    "get_peer_group": {},
    "list_peer_groups": {},
    "record_succession": {},
    "get_health": {},
    "get_readiness": {},
    "explain_problem": {},
}
# An edition's document holds more than what is always there.
WHOLE = {"get_edition", "get_latest_edition"}
# Of these the whole answer is known beforehand.
EXACT = {
    *(name for name in STEPS if name.startswith("put_") and name != "put_webhook"),
    *("get_agency", "get_counter", "get_procedure", "get_questionnaire", "get_survey"),
    *("get_distribution", "get_target", "get_published_index", "get_self_assessment"),
    *("get_peer_group", "get_health", "get_readiness"),
}


# HTTP's own: of an answer's form, of who may keep it, and what browsers are told with a page.
PLAIN = {
    *("cache-control", "content-disposition", "content-language", "content-length"),
    *("content-security-policy", "content-type", "referrer-policy", "vary", "www-authenticate"),
    *("x-content-type-options", "x-robots-tag"),
}
JSON, ROWS = "application/json", "application/x-ndjson"


async def draft(caller, _session, _given):
    """An edition that was frozen, to be discarded."""
    body = EDITION | {"code": "ban-nhap", "title": {"vi": "Bản nháp"}}
    assert (await caller.post("/v1/editions", json=body)).status_code == 201


async def delivery(_caller, session, _given):
    """An event that the webhook is told of, sent once without an answer."""
    period = (date(2026, 1, 1), date(2026, 3, 31))
    event = webhook.edition_published("so-ban-nganh-2026-q1", "so-ban-nganh", period, None, NOW)
    await webhooks.enqueue(session, NOW, event)
    await session.commit()


async def invited(caller, _session, given):
    """Another dossier, whose result was returned, so that it can be rated."""
    path = f"/v1/agencies/H32.15/dossiers/{PLACES['dossier'][:-1]}2"
    await caller.put(path, json=SCHEMAS["DossierIn"]["examples"][0])
    returned = await caller.post(f"{path}/events", json=SCHEMAS["EventIn"]["examples"][0])
    given["another"] = returned.json()["invitation"]


async def tablet(_caller, session, _given):
    """A device at the counter."""
    await devices.create(session, "hld_1", PLACES["device"], ("H32.15", "Q05"), NOW)
    await session.commit()


async def fault(_caller, session, given):
    """A row of the file that was refused, as the worker would have noted it."""
    place = {"row": 17, "column": "Câu hỏi q9", "cell": "5"}
    found = {"line": 18, "pointer": "/answers/q9", "code": "unknown-question", "params": place}
    operation = given["import_rows"]["id"]
    session.add(OperationError(operation_id=operation, number=1, **found))
    await session.commit()


# What must be there before, and no request makes it.
BEFORE = {
    "discard_edition": draft,
    "get_device_gaps": tablet,
    "get_operation_errors": fault,
    "list_deliveries": delivery,
    "send_rating": invited,
}


def example(content, media=JSON):
    """What is shown of a body: of rows the first; None of what is no JSON."""
    if media == ROWS:
        return json.loads(content[media]["example"].splitlines()[0])
    if media != JSON:
        return None
    name = content[media]["schema"]["$ref"].rpartition("/")[2]
    return SCHEMAS[name]["examples"][0]


def said(value):
    """The value without nulls: a field that may be missing may as well be null."""
    if isinstance(value, list):
        return [said(one) for one in value]
    if isinstance(value, dict):
        return {name: said(one) for name, one in value.items() if one is not None}
    return value


def differences(answer, shown, at=""):
    """Where the answer has other fields, or fields of another type, than what is shown."""
    if isinstance(answer, dict) and isinstance(shown, dict):
        if at.endswith(("/answers", "/counts", "/points")):  # their fields are the questions
            return
        for name in sorted((answer.keys() ^ shown.keys()) - {"en"}):  # no text must have English
            if answer.get(name, shown.get(name)) is not None:
                yield f"{at}/{name} is {'answered' if name in answer else 'shown'} only"
        both = answer.keys() & shown.keys()
        yield from (one for n in both for one in differences(answer[n], shown[n], f"{at}/{n}"))
    elif isinstance(answer, list) and isinstance(shown, list):
        first = zip(answer[:1], shown[:1], strict=False)
        yield from (one for pair in first for one in differences(*pair, f"{at}/0"))
    elif None not in (answer, shown) and kind(answer) is not kind(shown):
        yield f"{at} is {answer!r}, shown is {shown!r}"


def kind(value):
    return float if type(value) is int else type(value)


def test_every_operation_is_replayed():
    assert STEPS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", [name for name, one in SCHEMAS.items() if "examples" in one])
def test_every_example_is_valid(name):
    document = {"components": CONTRACT["components"], "$ref": f"#/components/schemas/{name}"}
    for shown in SCHEMAS[name]["examples"]:
        jsonschema.Draft202012Validator(document).validate(shown)


@pytest.fixture
async def loaded(app, client):
    """A caller of a service that holds the demonstration's data, and its clock."""
    for folder in LOADED:
        for method, path, body in read_requests(EXAMPLES / folder):
            assert (await client.request(method, path, json=body)).status_code == 201
    await client.put("/v1/agencies/H32.20", json=NEW_AGENCY)
    return client


def request(name, given):
    """The method, the address, the query, headers and body of the example."""
    step, (method, path, operation) = STEPS[name], OPERATIONS[name]
    told = {one: step[one] for one in step.keys() - {"at", "body", "query"}}
    places = PLACES | {n: one(given) if callable(one) else one for n, one in told.items()}
    parameters = operation.get("parameters", ())
    asked = [p["name"] for p in parameters if p.get("in") == "query" and p["required"]]
    query = step.get("query", {one: places[one] for one in asked})
    headers = {"Accept": JSON} if name == "open_invitation" else {}
    if name in NAMED:
        headers["Idempotency-Key"] = name
    sent = {"method": method, "url": path.format_map(places), "params": query, "headers": headers}
    content = operation.get("requestBody", {}).get("content", {})
    if JSON in content:
        sent["json"] = step.get("body") or example(content)
    elif ROWS in content:
        sent |= {"content": content[ROWS]["example"], "headers": headers | {"Content-Type": ROWS}}
    elif content:
        (form,) = content.values()
        sent["data"] = form["example"]
    return sent


# Those that a key names, so that they can be sent again.
NAMED = {
    name
    for name, (_, _, operation) in OPERATIONS.items()
    if any(one.get("name") == "Idempotency-Key" for one in operation.get("parameters", ()))
}


def undeclared(name, answer):
    """The headers of the answer that the contract does not name."""
    declared = OPERATIONS[name][2]["responses"].get(str(answer.status_code), {}).get("headers", {})
    known = PLAIN | {one.lower() for one in declared}
    return [f"header {one} is not declared" for one in answer.headers if one not in known]


def body_of(name, answer, media):
    """The body as it can be compared with what is shown."""
    if media == ROWS:
        return json.loads(answer.text.splitlines()[0])
    if media != JSON:
        return None
    whole, shown = answer.json(), OPERATIONS[name][2]["responses"][str(answer.status_code)]
    return {n: whole[n] for n in example(shown["content"])} if name in WHOLE else whole


def wrong_with(name, answer):
    """What the contract does not show so, and the body."""
    said_of = OPERATIONS[name][2]["responses"].get(str(answer.status_code))
    if said_of is None or answer.status_code >= 400:
        return [f"{answer.status_code} {answer.text}"], None
    content, media = said_of.get("content", {}), answer.headers.get("content-type", "")
    media = media.partition(";")[0]
    if not content and not answer.content:
        return undeclared(name, answer), None
    if media not in content:
        return [f"{media} is not shown"], None
    body, shown = body_of(name, answer, media), example(content, media)
    if name in EXACT:
        wrong = [] if said(body) == said(shown) else [f"{body} is not {shown}"]
    else:
        wrong = list(differences(body, shown))
    return wrong + undeclared(name, answer), body


async def test_what_is_shown_is_what_is_answered(app, loaded, session, connection):
    app.state.quotas = Quotas(partial(driver, connection), 10_000)
    clock, found, given = app.state.clock, {}, {}
    for name, step in STEPS.items():
        moment = step.get("at", clock())
        app.state.clock = lambda moment=moment: moment
        if name in BEFORE:
            await BEFORE[name](loaded, session, given)
        answer = await loaded.request(**request(name, given))
        wrong, given[name] = wrong_with(name, answer)
        if name in NAMED:
            again = await loaded.request(**request(name, given))
            wrong += undeclared(name, again)
            # Of a batch each outcome says so.
            if again.headers.get("Idempotent-Replayed") != "true" and name != "submit_ratings":
                wrong.append(f"is not replayed: {again.status_code} {again.text}")
        app.state.clock = clock
        found |= {name: wrong} if wrong else {}
    assert found == {}, "\n".join(f"{name}: {wrong}" for name, wrong in found.items())


@pytest.mark.parametrize("code", CONTRACT["components"]["examples"])
def test_every_example_of_a_problem_is_one(code):
    shown = CONTRACT["components"]["examples"][code]["value"]
    schema = {"components": CONTRACT["components"], "$ref": "#/components/schemas/Problem"}
    jsonschema.Draft202012Validator(schema).validate(shown)
    assert (shown["code"], shown["type"]) == (code, f"/problems/{code}")
    assert shown["title"] == texts.say("vi", code)
    statuses = {
        status
        for _, _, operation in OPERATIONS.values()
        for status, answer in operation["responses"].items()
        if code in answer.get("x-codes", ())
    }
    assert statuses == {str(shown["status"])}


SHEET = {"agency": "H32.15", "survey": "sct-2022-a", "channel": "paper", "period": "2022-10"}
# A request that is refused so, as the operation of the contract.
REFUSED = {
    "malformed-request": (
        "put_agency",
        "/v1/agencies/A1",
        {"content": "{", "headers": {"Content-Type": JSON}},
    ),
    "credential-unknown": (
        "list_agencies",
        "/v1/agencies",
        {"headers": {"Authorization": "Bearer hl_0"}},
    ),
    "agency-not-found": ("get_agency", "/v1/agencies/none", {}),
    "precondition-failed": (
        "put_agency",
        "/v1/agencies/H32.15",
        {"json": NEW_AGENCY, "headers": {"If-Match": '"0"'}},
    ),
    "invalid-request": ("put_agency", "/v1/agencies/A1", {"json": {"colour": "red"}}),
    "sheet-does-not-add-up": (
        "submit_tally_sheet",
        "/v1/tally-sheets",
        {"json": {**SHEET, "forms": 13, "counts": {"q4": {"5": 15}}}},
    ),
    "too-many-requests": ("list_agencies", "/v1/agencies", {}),
}


@pytest.mark.parametrize("code", REFUSED)
async def test_a_refusal_is_what_its_example_shows(code, app, loaded, connection):
    await connection.execute(text("SELECT 1"))
    app.state.quotas = Quotas(partial(driver, connection), 1 if code.startswith("too-") else 9)
    name, path, sent = REFUSED[code]
    sent = sent | {"headers": {"Accept-Language": "vi"} | sent.get("headers", {})}
    for _ in range(2):  # a quota of one is used up by the first
        answer = await loaded.request(OPERATIONS[name][0], path, **sent)
    shown, said_of = CONTRACT["components"]["examples"][code]["value"], answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(differences(said_of, shown)) == []
    for field in ("type", "title", "status", "code"):
        assert said_of[field] == shown[field]
    assert answer.status_code == shown["status"]
    assert code in OPERATIONS[name][2]["responses"][str(answer.status_code)]["x-codes"]
    assert undeclared(name, answer) == []
