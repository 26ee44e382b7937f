"""`hailong keys` beside a serving process, on the server that both share."""

import hashlib
from dataclasses import dataclass
from subprocess import CompletedProcess

import pytest
from cli.processes import Service, query, run, together

from app.db.embedded import EmbeddedServer

NAME = "reader [sct]"  # Brackets must not be taken for markup.
INDICES = {"agency": "H32.15", "survey": "sct-2022-a", "period": "2022"}


@dataclass(frozen=True)
class Said:
    """What each key command said beside the service, and its database server before and after."""

    create: CompletedProcess[str]
    create_other: CompletedProcess[str]
    refused: list[CompletedProcess[str]]
    list: CompletedProcess[str]
    servers: tuple[int | None, int | None]


@pytest.fixture(scope="module")
def said(service: Service) -> Said:
    def keys(*arguments: str) -> CompletedProcess[str]:
        return run(service.data, "keys", *arguments)

    server = EmbeddedServer(service.data)
    before = server.postmaster_pid()
    limits = ("--scope", "indices:read", "--agency", "H32.15", "--days", "30")
    create, other, *refused = together(
        lambda: keys("create", *limits, "--name", NAME),
        lambda: keys("create", "--scope", "catalogue:read", "--name", "passing"),
        lambda: keys("create", "--scope", "indices:write"),
        lambda: keys("create", "--scope", "all", "--agency", "H77"),
        lambda: keys("revoke", "99"),
        lambda: keys("revoke", "99999999999"),
    )
    shown = keys("list")
    return Said(create, other, refused, shown, (before, server.postmaster_pid()))


def key(made: CompletedProcess[str]) -> str:
    assert (made.returncode, made.stderr) == (0, "")
    return made.stdout.removesuffix("\n")


def listed(said: Said) -> dict[str, list[str]]:
    """The listed cells of each key, by its name."""
    assert (said.list.returncode, said.list.stderr) == (0, "")
    rows = [line.split("│")[1:-1] for line in said.list.stdout.splitlines()]
    return {row[1].strip(): [cell.strip() for cell in row] for row in rows if row}


def test_a_new_key_works_at_once_within_its_scope_and_agency(service: Service, said: Said) -> None:
    reader = key(said.create)
    assert service.get("/v1/indices", reader, **INDICES).status_code == 200
    other = service.get("/v1/indices", reader, **INDICES | {"agency": "H00.01"})
    assert (other.status_code, other.json()["code"]) == (403, "agency-not-allowed")
    unscoped = service.get("/v1/agencies", reader)
    assert (unscoped.status_code, unscoped.json()["code"]) == (403, "scope-missing")


def test_a_key_is_listed_with_its_grants_and_never_shown_again(said: Said) -> None:
    reader = key(said.create)
    assert reader.startswith("hl_")
    assert listed(said)[NAME][1:4] == [NAME, "indices:read", "H32.15"]
    assert reader.removeprefix("hl_")[:12] not in said.list.stdout


def test_a_key_is_kept_as_its_hash_only(service: Service, said: Said) -> None:
    reader = key(said.create)
    with EmbeddedServer(service.data) as server:
        url = server.start()
        kept = query(url, "SELECT string_agg(api_key::text, ' ') FROM api_key")
        digest = hashlib.sha256(reader.encode()).digest()
        found = query(url, "SELECT name FROM api_key WHERE hash = :digest", digest=digest)
    assert found == NAME
    assert reader not in kept


def test_a_revoked_key_is_refused_at_once(service: Service, said: Said) -> None:
    passing, number = key(said.create_other), listed(said)["passing"][0]
    assert service.get("/v1/agencies", passing).status_code == 200
    revoked = run(service.data, "keys", "revoke", number)
    assert (revoked.returncode, revoked.stdout) == (0, f"Key {number} is revoked.\n")
    refused = service.get("/v1/agencies", passing)
    assert (refused.status_code, refused.json()["code"]) == (401, "credential-unknown")


def test_key_commands_leave_the_service_and_its_database_running(
    service: Service, said: Said
) -> None:
    before, after = said.servers
    assert before == after
    assert before is not None
    assert service.is_ready()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (0, "Unknown scope indices:write; known: all, "),
        (1, "There is no agency with the code H77."),
        (2, "There is no key 99 in force."),
        (3, "Invalid value"),
    ],
)
def test_what_is_not_known_is_refused_with_the_reason(said: Said, place: int, reason: str) -> None:
    refused = said.refused[place]
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "sqlalche" not in refused.stderr
