"""The rules of the house that no linter knows."""

import ast
import json
import re
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from app.api import faults, methods, statuses, texts
from app.domain.errors import DomainError
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    p
    for folder in ("app", "hailong_conformance")
    for p in (ROOT / folder).rglob("*.py")
    if "versions" not in p.parts
)
LONGEST_MODULE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 40, 5

PUBLIC = {
    "/",
    "/docs",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/problems/{code}",
    "/r/thanks",
    "/r/{token:token}",
    "/r/{token}.svg",
    "/static-docs",
}
PUBLIC_TO_READ = {
    "/v1/editions",
    "/v1/editions/latest",
    "/v1/editions/{edition}",
    "/v1/editions/{edition}/datapackage.zip",
    "/v1/editions/{edition}/indices/{agency}",
    "/v1/editions/{edition}/rankings/{criterion}",
}


def functions(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def inherited(kind):
    return {kind} | {child for direct in kind.__subclasses__() for child in inherited(direct)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_are_short(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE
    for function in functions(path):
        if any("router" in ast.dump(decorator) for decorator in function.decorator_list):
            continue  # a route's arguments are its contract
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= LONGEST_FUNCTION, f"{function.name}: {lines} lines"
        parameters = function.args.args + function.args.kwonlyargs
        mine = [one for one in parameters if one.arg not in {"self", "cls"}]
        assert len(mine) <= MOST_PARAMETERS, f"{function.name}: {len(mine)} parameters"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_say_what_a_module_is_of(path):
    vague = {"utils", "helpers", "common", "manager", "service_layer", "misc"}
    assert path.stem not in vague


@pytest.mark.parametrize(
    "path", sorted((ROOT / "app" / "domain").glob("*.py")), ids=lambda p: p.stem
)
def test_the_domain_has_no_clock_and_no_chance(path):
    source = path.read_text("utf-8")
    assert not re.search(
        r"\.now\(|\.utcnow\(|\.today\(|time\.time|import random|(import|from) secrets|uuid4", source
    )


def test_every_domain_error_has_a_status_and_a_sentence():
    for error in inherited(DomainError) - {DomainError}:
        assert error in statuses.STATUS, error.__name__
        assert error.__doc__
        assert error.__doc__.endswith(".")


def test_every_code_is_explained_in_both_languages():
    source = "".join(path.read_text("utf-8") for path in MODULES)
    codes = {error.code for error in inherited(DomainError) - {DomainError}}
    codes |= set(statuses.PROTOCOL.values()) | faults.OWN | set(faults._CODES.values())  # noqa: SLF001
    codes |= set(re.findall(r'(?:Fault\([^,()]+, |Finding\(\s*|refuse\(\s*)"([a-z-]+)"', source))
    wanted = {f"{code}{part}" for code in codes for part in ("", ":detail", ":help")}
    wanted |= {
        f"method:{method}:{part}"
        for method in methods.ids()
        for part in ("name", "formula", "example", "limits")
    }
    for language in texts.LANGUAGES:
        assert wanted - set(texts.catalogue(language)) == set()


def test_both_languages_say_the_same_with_the_same_parameters():
    vietnamese, english = (texts.catalogue(language) for language in texts.LANGUAGES)
    assert set(vietnamese) == set(english)
    for text_id, said in vietnamese.items():
        assert said
        assert set(re.findall(r"{(\w+)}", said)) == set(re.findall(r"{(\w+)}", english[text_id]))


@pytest.mark.parametrize("readme", ["README.md", "README.vi.md"])
def test_every_setting_is_documented(readme):
    text = (ROOT / readme).read_text("utf-8")
    missing = [name for name in Settings.model_fields if f"HAILONG_{name.upper()}" not in text]
    assert missing == []


def guards(dependant):
    """The scopes that a route's dependencies ask for, one of each tuple."""
    own = getattr(dependant.call, "scopes", None)
    found = {own} if isinstance(own, tuple) else set()
    return found.union(*(guards(dependency) for dependency in dependant.dependencies))


def test_every_route_names_a_scope_or_is_listed_as_public():
    walked = 0
    for route in iter_route_contexts(create_app(Settings()).routes):
        if route.path in PUBLIC or (route.path in PUBLIC_TO_READ and route.methods == {"GET"}):
            continue
        walked += 1
        assert len(guards(route.dependant)) == 1, route.path
    assert walked > 25


def test_every_route_says_what_it_does():
    for route in iter_route_contexts(create_app(Settings()).routes):
        if (
            getattr(route.original_route, "include_in_schema", False)
            and route.path != "/openapi.json"
        ):
            assert route.endpoint.__doc__, route.path


def test_no_package_registry_is_named():
    hosts = re.compile(r"(pypi|pythonhosted|npmjs|debian)\.(org|net|com)")
    named = [
        path.name
        for path in (*ROOT.glob("*.lock"), ROOT / "package-lock.json")
        if hosts.search(path.read_text("utf-8"))
    ]
    assert named == []


def test_the_image_installs_the_versions_that_are_tested():
    def versions(name):
        found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
        return dict(found)

    tested, shipped = versions("requirements.lock"), versions("requirements-server.lock")
    assert shipped
    assert shipped.items() <= tested.items()


def test_examples_are_valid_json_in_composed_unicode():
    for path in (ROOT / "examples").rglob("*.json"):
        json.loads(path.read_text("utf-8"))
