"""`hailong keys` beside a serving process, on the server that both share."""

import hashlib
import json
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from subprocess import CompletedProcess
from typing import Any

import pytest
from cli.processes import Service, query, run, serving, together, wait_until

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
    limits = ("--scope", "indices:read", "--agency", "H32.15", "--expires", "30")
    create, other, *refused = together(
        lambda: keys("create", NAME, *limits),
        lambda: keys("create", "passing", "--scope", "catalogue:read"),
        lambda: keys("create", "--scope", "indices:write"),
        lambda: keys("create", "--scope", "all", "--agency", "H77"),
        lambda: keys("revoke", "99"),
        lambda: keys("revoke", "99999999999"),
        lambda: keys("create", "device:t1", "--scope", "all"),
        lambda: keys("rotate", "99"),
        lambda: keys("rotate", "1", "--overlap", "soon"),
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
    assert listed(said)[NAME][1:5] == [NAME, "indices:read", "H32.15", "in force"]
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


def stored(service: Service, name: str, what: str) -> Any:
    """What is stored of a key, found by its name."""
    with EmbeddedServer(service.data) as server:
        statement = "SELECT to_jsonb(api_key) ->> :what FROM api_key WHERE name = :name"
        return query(server.start(), statement, name=name, what=what)


def test_keys_are_listed_for_machines_without_their_hashes(service: Service, said: Said) -> None:
    key(said.create)
    listing = run(service.data, "keys", "list", "--json")
    assert (listing.returncode, listing.stderr) == (0, "")
    told = {one["name"]: one for one in json.loads(listing.stdout)}[NAME]
    assert (told["scopes"], told["agencies"]) == (["indices:read"], ["H32.15"])
    assert told["state"] == "in force"
    made, ends = (datetime.fromisoformat(told[name]) for name in ("created_at", "expires_at"))
    assert ends - made == timedelta(days=30)
    assert "hash" not in told


def test_a_rotated_key_goes_on_for_the_overlap_and_the_new_one_like_it(service: Service) -> None:
    old = key(run(service.data, "keys", "create", "rotated", "--scope", "catalogue:read"))
    number = stored(service, "rotated", "id")
    made = run(service.data, "keys", "rotate", number, "--overlap", "7d")
    assert f"Key {number} ends at " in made.stderr
    new = made.stdout.removesuffix("\n")
    assert new not in {"", old}
    for one in (old, new):
        assert service.get("/v1/agencies", one).status_code == 200
        assert service.get("/v1/methods/overall-question@1", one).status_code == 200
        assert service.get("/v1/indices", one, **INDICES).status_code == 403
    again = run(service.data, "keys", "rotate", number, "--overlap", "0d")
    assert again.returncode == 0
    assert service.get("/v1/agencies", old).status_code == 401
    assert service.get("/v1/agencies", new).status_code == 200


def test_the_admin_key_is_changed_where_it_is_set(service: Service) -> None:
    number = stored(service, "admin", "id")
    refused = run(service.data, "keys", "rotate", number)
    assert f"Key {number} is HAILONG_ADMIN_KEY: set another" in refused.stderr
    assert (refused.returncode, refused.stdout) == (2, "")
    assert service.get("/v1/agencies").status_code == 200


def test_a_key_revoked_by_one_command_ends_in_every_serving_process(service: Service) -> None:
    with serving(service.data) as second:
        shared = key(run(service.data, "keys", "create", "shared", "--scope", "catalogue:read"))
        processes = (service, second)
        for process in processes:
            for _ in range(3):  # so that both hold it in memory
                assert process.get("/v1/agencies", shared).status_code == 200
        revoked = run(service.data, "keys", "revoke", stored(service, "shared", "id"))
        assert revoked.returncode == 0
        for process in processes:
            wait_until(
                lambda process=process: process.get("/v1/agencies", shared).status_code == 401,
                "a revoked key goes on",
            )
        for process in processes:
            assert process.get("/v1/agencies", shared).status_code == 401


def test_a_process_writes_the_last_uses_of_keys_when_it_ends(service: Service) -> None:
    with serving(service.data) as second:
        made = key(run(service.data, "keys", "create", "used", "--scope", "catalogue:read"))
        assert second.get("/v1/agencies", made).status_code == 200
        second.send(signal.SIGTERM)
    used = datetime.fromisoformat(stored(service, "used", "last_used_at"))
    assert timedelta(0) < datetime.now(UTC) - used < timedelta(hours=1)


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
        (4, "must not begin as those of devices"),
        (5, "There is no key 99 in force."),
        (6, "Say how long as in 7d, 12h or 30m."),
    ],
)
def test_what_is_not_known_is_refused_with_the_reason(said: Said, place: int, reason: str) -> None:
    refused = said.refused[place]
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "sqlalche" not in refused.stderr
