"""The contract: written down, complete, and kept."""

import json
import subprocess
from pathlib import Path

import pytest

from app.api import terms
from app.api.contract import LINKS
from app.domain.access import SCOPES
from app.domain.webhook import WebhookEvent
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "openapi" / "openapi.json"
CONTRACT = create_app(Settings()).openapi()
OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, item in CONTRACT["paths"].items()
    for method, operation in item.items()
]


def resolve(schema):
    name = schema.get("$ref", "").rpartition("/")[2]
    return CONTRACT["components"]["schemas"][name] if name else schema


def test_the_written_contract_is_the_apps():
    assert json.loads(WRITTEN.read_text("utf-8")) == CONTRACT, "run: make openapi"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_says_what_it_does_and_how_it_can_fail(operation):
    assert operation["operationId"]
    assert operation["summary"]
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description") or "$ref" in parameter, parameter
    problems = {
        status: answer for status, answer in operation["responses"].items() if status >= "400"
    }
    if operation["operationId"] != "get_health":
        assert problems
    for answer in problems.values():
        content = answer["content"]["application/problem+json"]
        assert content["schema"]["$ref"].endswith("/Problem")
        assert content["examples"].keys() == set(answer["x-codes"])


@pytest.mark.parametrize("name", CONTRACT["components"]["schemas"])
def test_every_field_says_what_it_means_and_what_null_means(name):
    for field, schema in CONTRACT["components"]["schemas"][name].get("properties", {}).items():
        said = schema.get("description", "")
        assert len(said.split()) > 1, field
        assert ({"type": "null"} in schema.get("anyOf", ())) == ("null" in said), (field, said)


def test_what_names_mean_is_said_of_names_there_are():
    schemas = CONTRACT["components"]["schemas"].values()
    meant = {
        (name, field["description"].partition("; null: ")[0])
        for schema in schemas
        for name, field in schema.get("properties", {}).items()
    }
    for name, said in terms.FIELDS.items():
        assert (name, said.partition("; null: ")[0]) in meant, name
    parameters = {
        parameter.get("name")
        for operation in OPERATIONS
        for parameter in operation.values[0].get("parameters", ())
    }
    assert terms.PARAMETERS.keys() <= parameters


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_says_which_headers_it_answers_with(operation):
    for answer in operation["responses"].values():
        assert {"RateLimit", "RateLimit-Policy", "X-Request-Id"} <= answer["headers"].keys()
        for header in answer["headers"].values():
            name = header.get("$ref", "").rpartition("/")[2]
            assert (CONTRACT["components"]["headers"][name] if name else header)["description"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_examples(operation):
    contents = [
        answer["content"]
        for status, answer in operation["responses"].items()
        if status < "300" and "content" in answer
    ]
    contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
    for content in contents:
        for media in content.values():
            assert "example" in media or resolve(media["schema"]).get("examples"), operation


def test_every_list_says_that_it_links_to_its_next_page():
    every = [one.values[0] for one in OPERATIONS]
    lists = [operation for operation in every if operation["operationId"].startswith("list_")]
    assert len(lists) > 10
    for operation in lists:
        assert {"cursor", "limit"} <= {one.get("name") for one in operation["parameters"]}
        assert "Link" in operation["responses"]["200"]["headers"], operation["operationId"]


def test_operation_ids_are_unique():
    ids = [operation.values[0]["operationId"] for operation in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_spectral_has_nothing_to_say(tmp_path):
    contract = tmp_path / "openapi.json"
    contract.write_text(json.dumps(CONTRACT), "utf-8")
    command = ["node_modules/.bin/spectral", "lint", "--fail-severity", "hint", contract]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_event_is_told_in_the_contract():
    assert CONTRACT["webhooks"].keys() == {event.value for event in WebhookEvent}


def test_every_scope_opens_an_operation():
    named = {scope for one in OPERATIONS for scope in one.values[0].get("x-scopes", ())}
    assert named == SCOPES


def test_links_lead_to_operations_with_parameters_they_have():
    operations = {one.values[0]["operationId"]: one.values[0] for one in OPERATIONS}
    for source, links in LINKS.items():
        answers = operations[source]["responses"].items()
        linked = [answer["links"] for status, answer in answers if status < "300"]
        assert all(answer.keys() == links.keys() for answer in linked)
        assert linked
        for target, parameters in links.items():
            named = {one.get("name") for one in operations[target]["parameters"]}
            assert parameters.keys() <= named, (source, target)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_read_can_be_asked_for_only_when_it_has_changed(operation):
    if "304" in operation["responses"]:
        assert {"$ref": "#/components/parameters/If-None-Match"} in operation["parameters"]
        assert "ETag" in operation["responses"]["200"]["headers"]
