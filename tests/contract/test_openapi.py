"""The contract: written down, complete, and kept."""

import json
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings

WRITTEN = Path(__file__).parents[2] / "openapi" / "openapi.json"
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
    problems = {
        status: answer for status, answer in operation["responses"].items() if status >= "400"
    }
    if operation["operationId"] != "get_health":
        assert problems
    for answer in problems.values():
        content = answer["content"]["application/problem+json"]
        assert content["schema"]["$ref"].endswith("/Problem")
        assert content["examples"]


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


def test_operation_ids_are_unique():
    ids = [operation.values[0]["operationId"] for operation in OPERATIONS]
    assert len(ids) == len(set(ids))
