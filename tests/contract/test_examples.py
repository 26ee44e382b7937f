"""The contract's examples: valid, and what the service really answers to the requests shown."""

from datetime import UTC, datetime

import jsonschema
import pytest

from app.cli.demo import EDITION, EXAMPLES, LOADED, read_requests
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
    "counter": "Q05",
    "criterion": "overall",
    "dossier": "000.00.15.H32-230712-0001",
    "edition": EDITION["code"],
    "method": "top2-share@1",
    "owner": "so-ban-nganh",
    "peer_group": "so-ban-nganh",
    "period": "2022",
    "population": "500",
    "procedure": "2.000629",
    "questionnaire": "counter-3-level",
    "source": "sipas",
    "survey": "tthc-2023",
    "version": "1",
    "rating": "",
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
    "put_procedure": {},
    "get_procedure": {},
    "put_questionnaire": {},
    "get_questionnaire": {},
    "put_survey": {},
    "get_survey": {},
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
    "submit_rating": {},
    "list_ratings": {},
    "void_rating": {"rating": lambda given: given["submit_rating"]["id"]},
    "submit_ratings": {},
    "submit_tally_sheet": {},
    "issue_survey_invitations": {"survey": "sct-2022-b", "at": IN_2022},
    "count_survey_invitations": {"survey": "sct-2022-b", "at": IN_2022},
    "revoke_survey_invitations": {"survey": "sct-2022-b", "at": IN_2022},
    "put_self_assessment": {"period": "2023"},
    "get_self_assessment": {"period": "2023"},
    "put_webhook": {},
    "get_webhook": {},
    "list_webhooks": {},
    "add_webhook_secret": {},
    "list_methods": {},
    "get_method": {},
    "get_sample_size": {"query": {"population": "500", "response_rate": "60"}},
    "freeze_edition": {"body": EDITION | {"title": {"vi": "Năm 2025"}}},
    "publish_edition": {},
    "get_edition": {},
    "get_latest_edition": {},
    "list_editions": {},
    "get_published_ranking": {},
    "get_published_indices": {
        "agency": lambda given: given["get_edition"]["agencies"][0]["agency"]
    },
    "get_differences": {},
    "put_peer_group": {},
    "get_peer_group": {},
    "record_succession": {},
    "get_health": {},
    "get_readiness": {},
}
# Files and pages, whose examples stand for their form only, or what the worker must do first.
OTHER = {
    "delete_webhook",
    "delete_webhook_secret",
    "discard_edition",
    "explain_problem",
    "export_dossiers",
    "export_ratings",
    "get_data_package",
    "get_device_gaps",
    "get_import_template",
    "get_invitation_qr",
    "get_operation",
    "get_operation_errors",
    "import_rows",
    "list_deliveries",
    "list_operations",
    "open_invitation",
    "redeliver",
    "revoke_invitation",
    "send_rating",
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


def example(content):
    (media,) = [one for name, one in content.items() if name == "application/json"]
    name = media["schema"]["$ref"].rpartition("/")[2]
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
        for name in sorted(answer.keys() ^ shown.keys()):
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


def test_every_operation_is_replayed_or_named_as_one_that_is_not():
    assert STEPS.keys() | OTHER == OPERATIONS.keys()
    assert not STEPS.keys() & OTHER


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
    """The method, the address, the query and the body of the example, and the moment it is sent."""
    step, (method, path, operation) = STEPS[name], OPERATIONS[name]
    told = {one: step[one] for one in step.keys() & PLACES.keys()}
    places = PLACES | {n: one(given) if callable(one) else one for n, one in told.items()}
    body = operation.get("requestBody")
    sent = step.get("body") or (example(body["content"]) if body else None)
    parameters = operation.get("parameters", ())
    asked = [p["name"] for p in parameters if p.get("in") == "query" and p["required"]]
    query = step.get("query", {one: places[one] for one in asked})
    return {"method": method, "url": path.format_map(places), "params": query, "json": sent}


async def test_what_is_shown_is_what_is_answered(app, loaded):
    clock, found, given = app.state.clock, {}, {}
    for name, step in STEPS.items():
        moment = step.get("at", clock())
        app.state.clock = lambda moment=moment: moment
        answer = await loaded.request(**request(name, given))
        app.state.clock = clock
        shown = OPERATIONS[name][2]["responses"].get(str(answer.status_code), {}).get("content")
        if answer.status_code >= 300 or shown is None:
            found[name] = f"{answer.status_code} {answer.text}"
            continue
        given[name], shown = answer.json(), example(shown)
        if name in WHOLE:
            given[name] = {one: given[name][one] for one in shown}
        if name in EXACT:
            wrong = [] if said(given[name]) == said(shown) else [f"{given[name]} is not {shown}"]
        else:
            wrong = list(differences(given[name], shown))
        found |= {name: wrong} if wrong else {}
    assert found == {}, "\n".join(f"{name}: {wrong}" for name, wrong in found.items())
