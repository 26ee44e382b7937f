"""What is called a breaking change of the contract, and what is not."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from contract.breaking import breaking

ROOT = Path(__file__).parents[2]
SURVEY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code"],
    "properties": {
        "code": {"type": "string", "maxLength": 64, "pattern": "^[a-z]+$"},
        "channel": {"enum": ["paper", "tablet"], "type": "string"},
        "opens_on": {"type": "string", "format": "date"},
        "forms": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
        "part_of": {"anyOf": [{"$ref": "#/components/schemas/Survey"}, {"type": "null"}]},
        "agencies": {"type": "array", "items": {"type": "string"}},
    },
}
OLD = {
    "paths": {
        "/surveys/{code}": {
            "put": {
                "operationId": "put_survey",
                "security": [{"key": []}],
                "x-scopes": ["a:read", "b:read"],
                "parameters": [
                    {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 500}},
                    {"$ref": "#/components/parameters/held"},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Survey"}},
                        "text/csv": {"schema": {"type": "string"}},
                    }
                },
                "responses": {
                    "200": {
                        "headers": {"ETag": {}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Shown"}},
                            "text/csv": {"schema": {"type": "string"}},
                        },
                    },
                    "201": {},
                    "404": {},
                },
            }
        },
        "/public": {"get": {"operationId": "get", "responses": {"200": {}}}},
    },
    "webhooks": {
        "closed": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Told"}}
                    }
                }
            }
        }
    },
    "components": {
        "parameters": {"held": {"name": "held", "in": "header", "schema": {"type": "string"}}},
        "schemas": {
            "Survey": SURVEY,
            "Shown": json.loads(json.dumps(SURVEY).replace("Survey", "Shown")),
            "Told": {
                "type": "object",
                "required": ["code"],
                "properties": {"code": {"type": "string"}},
            },
        },
    },
}
PUT = "paths /surveys/{code} put"
SENT = "components schemas Survey"
SHOWN = "components schemas Shown"
GONE = object()


def changed(place, value):
    """The old contract with one thing in it changed, or taken away."""
    new = copy.deepcopy(OLD)
    *steps, last = place.split(" ")
    at = new
    for step in steps:
        at = at[int(step) if isinstance(at, list) else step]
    last = int(last) if isinstance(at, list) else last
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    return new


BREAKS = {
    "path": ("paths /public", GONE, "GET /public: is gone"),
    "operation": (PUT, GONE, "PUT /surveys/{code}: is gone"),
    "name": (f"{PUT} operationId", "set_survey", "is named set_survey, was put_survey"),
    "guard": ("paths /public get security", [{"key": []}], "needs a credential now"),
    "scope": (f"{PUT} x-scopes", ["a:read"], "scope b:read is not enough any more"),
    "parameter": (f"{PUT} parameters 1", OLD["components"]["parameters"]["held"], "limit is gone"),
    "new parameter": (
        f"{PUT} parameters 2",
        {"name": "on", "in": "query", "required": True, "schema": {}},
        "query parameter on must be given now",
    ),
    "required parameter": (f"{PUT} parameters 1 required", True, "limit must be given now"),
    "parameter's bound": (f"{PUT} parameters 1 schema maximum", 100, "has maximum 100, had 500"),
    "shared parameter": ("components parameters held schema type", "integer", "not integer"),
    "body": (f"{PUT} requestBody required", True, "a body must be sent now"),
    "media of the body": (f"{PUT} requestBody content text/csv", GONE, "text/csv is gone"),
    "field of the body": (f"{SENT} properties channel", GONE, "/channel is gone"),
    "required field": (f"{SENT} required", ["code", "channel"], "/channel must be given now"),
    "value": (f"{SENT} properties channel enum", ["paper"], 'may not be "tablet" any more'),
    "new enum": (f"{SENT} properties opens_on enum", ["2026-01-01"], "may not be any value"),
    "type": (f"{SENT} properties code type", "integer", "/code is string, not integer"),
    "null": (f"{SENT} properties forms", {"type": "integer"}, "/forms is null, not integer"),
    "length": (f"{SENT} properties code maxLength", 8, "/code has maxLength 8, had 64"),
    "pattern": (f"{SENT} properties code pattern", "^[a-m]+$", "/code has pattern ^[a-m]+$"),
    "bound of a choice": (f"{SENT} properties forms anyOf 0 minimum", 1, "has minimum 1, had 0"),
    "format": (f"{SENT} properties opens_on format", "date-time", "of format date, not date-time"),
    "items": (f"{SENT} properties agencies items type", "integer", "/agencies/* is string"),
    "status": (f"{PUT} responses 201", GONE, "is not answered 201 any more"),
    "header": (f"{PUT} responses 200 headers ETag", GONE, "200: header ETag is gone"),
    "media of the answer": (f"{PUT} responses 200 content text/csv", GONE, "text/csv is gone"),
    "field of the answer": (f"{SHOWN} properties channel", GONE, "/channel is gone"),
    "promise": (f"{SHOWN} required", [], "200: application/json/code may be missing"),
    "new value": (f"{SHOWN} properties channel enum", ["paper", "tablet", "x"], 'may be "x"'),
    "free value": (f"{SHOWN} properties channel", {"type": "string"}, "may be any value"),
    "new null": (
        f"{SHOWN} properties code",
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "/code is null, not string",
    ),
    "webhook": ("webhooks closed", GONE, "POST closed: is not told any more"),
    "field of a webhook": ("components schemas Told properties code", GONE, "/code is gone"),
}

ALLOWED = {
    "path": ("paths /new", {"get": {"operationId": "new", "responses": {}}}),
    "optional parameter": (f"{PUT} parameters 2", {"$ref": "#/components/parameters/held"}),
    "wider bound": (f"{PUT} parameters 1 schema maximum", 1000),
    "field of the body": (f"{SENT} properties note", {"type": "string"}),
    "value of the body": (f"{SENT} properties channel enum", ["paper", "tablet", "x"]),
    "null in the body": (
        f"{SENT} properties code",
        {"anyOf": [{"type": "string", "maxLength": 64, "pattern": "^[a-z]+$"}, {"type": "null"}]},
    ),
    "fewer required": (f"{SENT} required", []),
    "number for integer": (f"{SENT} properties forms anyOf 0", {"type": "number", "minimum": 0}),
    "field of the answer": (f"{SHOWN} properties note", {"type": "string"}),
    "fewer values of the answer": (f"{SHOWN} properties channel enum", ["paper"]),
    "longer text in the answer": (f"{SHOWN} properties code maxLength", 100),
    "code": (f"{PUT} responses 404", GONE),
    "no guard": (f"{PUT} security", [{"key": []}, {}]),
    "another scope": (f"{PUT} x-scopes", ["a:read", "b:read", "c:read"]),
    "words": (f"{PUT} description", "Another sentence."),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_client_of_the_old_contract_would_trip_over(kind):
    place, value, said = BREAKS[kind]
    found = list(breaking(OLD, changed(place, value)))
    assert any(said in one for one in found), found


@pytest.mark.parametrize("kind", ALLOWED)
def test_no_client_trips_over(kind):
    assert list(breaking(OLD, changed(*ALLOWED[kind]))) == []


def test_the_check_names_what_breaks_since_a_commit_and_fails(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True)

    def written(contract):
        (tmp_path / "openapi").mkdir(exist_ok=True)
        (tmp_path / "openapi" / "openapi.json").write_text(json.dumps(contract), "utf-8")

    def check(*since):
        command = [sys.executable, ROOT / "tests" / "contract" / "breaking.py", *since]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return ran.returncode, ran.stdout.splitlines()

    git("init", "-q")
    git("config", "user.email", "a@example.org")
    git("config", "user.name", "A")
    written(OLD)
    git("add", ".")
    git("commit", "-qm", "First")
    assert check() == (0, ["no tag yet: there is no contract to compare with"])
    written(changed("paths /public", GONE))
    git("tag", "v1")
    git("commit", "-qam", "Second")
    gone = "GET /public: is gone"
    assert check("HEAD") == (0, ["0 breaking changes since HEAD"])
    assert check() == (1, [gone, "1 breaking changes since v1"])


def test_a_clone_without_the_tags_has_nothing_to_compare_with(tmp_path):
    made, clone = tmp_path / "made", tmp_path / "clone"
    who = ("-c", "user.email=a@example.org", "-c", "user.name=A")
    for arguments in (
        ("init", "-q", made),
        ("-C", made, *who, "commit", "-q", "--allow-empty", "-m", "First"),
        ("-C", made, "tag", "v1"),
        ("-C", made, *who, "commit", "-q", "--allow-empty", "-m", "Second"),
        ("clone", "-q", "--depth=1", "--no-tags", f"file://{made}", clone),
    ):
        subprocess.run(["git", *arguments], check=True, capture_output=True)
    command = [sys.executable, ROOT / "tests" / "contract" / "breaking.py"]
    said = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout
    assert said.startswith("no tag yet")


def test_every_change_is_checked_for_what_it_breaks():
    commands = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert commands.index("make breaking") < commands.index("exec make test")
