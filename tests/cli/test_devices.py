"""`hailong devices` beside a serving process, on the server that both share."""

import hashlib
from dataclasses import dataclass
from subprocess import CompletedProcess

import pytest
from cli.processes import Service, query, run, together

from app.db.embedded import EmbeddedServer

AGENCY, COUNTER, OTHER_COUNTER = "H00.01", "Q01", "Q02"
PLACE = ("--agency", AGENCY, "--counter", COUNTER)


@dataclass(frozen=True)
class Said:
    """What each device command said beside the service."""

    create: CompletedProcess[str]
    replaced: CompletedProcess[str]
    replace: CompletedProcess[str]
    refused: list[CompletedProcess[str]]
    list: CompletedProcess[str]


@pytest.fixture(scope="module")
def said(service: Service) -> Said:
    def devices(*arguments: str) -> CompletedProcess[str]:
        return run(service.data, "devices", *arguments)

    create, replaced = together(
        lambda: devices("create", "tablet-1", *PLACE), lambda: devices("create", "tablet-2", *PLACE)
    )
    replace, *refused = together(
        lambda: devices("create", "tablet-2", *PLACE),
        lambda: devices("create", "tablet-1", "--agency", AGENCY, "--counter", OTHER_COUNTER),
        lambda: devices("create", "tablet-3", "--agency", "H77", "--counter", COUNTER),
        lambda: devices("create", "tablet-3", "--agency", AGENCY, "--counter", "Q77"),
        lambda: devices("create", "tablet 3", *PLACE),
        lambda: devices("revoke", "tablet-3"),
    )
    return Said(create, replaced, replace, refused, devices("list"))


def key(made: CompletedProcess[str]) -> str:
    assert (made.returncode, made.stderr) == (0, "")
    return made.stdout.removesuffix("\n")


def answered(service: Service, presented: str) -> tuple[int, str]:
    answer = service.get("/v1/agencies", presented)
    return answer.status_code, answer.json()["code"]


def test_a_device_is_listed_with_its_counter_and_numbers_but_not_its_key(said: Said) -> None:
    assert (said.list.returncode, said.list.stderr) == (0, "")
    rows = [line.split("│")[1:-1] for line in said.list.stdout.splitlines()]
    listed = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if row}
    agency, counter, created, revoked, last, missing = listed["tablet-1"]
    assert (agency, counter, revoked, last, missing) == (AGENCY, COUNTER, "", "0", "0")
    assert created
    assert key(said.create).removeprefix("hld_")[:12] not in said.list.stdout


def test_a_devices_key_is_kept_as_its_hash_only(service: Service, said: Said) -> None:
    made = key(said.create)
    assert made.startswith("hld_")
    with EmbeddedServer(service.data) as server:
        url = server.start()
        kept = query(url, "SELECT string_agg(device::text, ' ') FROM device")
        digest = hashlib.sha256(made.encode()).digest()
        found = query(url, "SELECT code FROM device WHERE hash = :digest", digest=digest)
    assert found == "tablet-1"
    assert made not in kept


def test_a_new_device_works_at_once_and_a_replaced_key_no_longer(
    service: Service, said: Said
) -> None:
    known, unknown = (403, "scope-missing"), (401, "credential-unknown")
    assert answered(service, key(said.create)) == known
    assert answered(service, key(said.replace)) == known
    assert answered(service, key(said.replaced)) == unknown
    revoked = run(service.data, "devices", "revoke", "tablet-2")
    assert (revoked.returncode, revoked.stdout) == (0, "Device tablet-2 is revoked.\n")
    assert answered(service, key(said.replace)) == unknown


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (0, f"Device tablet-1 is registered at counter {COUNTER} of agency {AGENCY}; "),
        (1, "There is no agency with the code H77."),
        (2, "The agency has no counter with the code Q77."),
        (3, "A code has 1 to 64 characters"),
        (4, "There is no device tablet-3 in force."),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(said: Said, place: int, reason: str) -> None:
    refused = said.refused[place]
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
