"""What the operator can mend is said in one line, with what to do, and nothing is served."""

from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cli.processes import (
    Service,
    folder,
    free_port,
    new_database,
    query,
    run,
    server_runs,
    together,
)

CLOSED_PORT = free_port()
SWORDFISH = "swordfish, and long enough for a reference key"
NEWER = (
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('9999')",
)
# What each line must hold.
TOLD = {
    "a database without a schema": ["hailong migrate"],
    "a database of a newer version": ["newer hailong"],
    "a database that does not answer": [f"127.0.0.1:{CLOSED_PORT}", "HAILONG_DATABASE_URL"],
    "another kind of database": ["HAILONG_DATABASE_URL", "sqlite", "postgresql"],
    "an address whose port is no number": ["HAILONG_DATABASE_URL"],
    "an address with an unknown parameter": ["HAILONG_DATABASE_URL"],
    "another reference key": ["HAILONG_REFERENCE_KEY", "reference.key"],
    "a taken port": ["HAILONG_PORT"],
    "a port that is no number": ["HAILONG_PORT: "],
}
Refused = dict[str, CompletedProcess[str]]


@pytest.fixture(scope="module")
def fresh() -> Iterator[Path]:
    with folder() as data:
        yield data


@pytest.fixture(scope="module")
def refused(service: Service, external_server: str, fresh: Path) -> Iterator[Refused]:
    """What `hailong serve` says to settings that it cannot serve with."""
    empty, newer = new_database(external_server), new_database(external_server)
    query(newer, *NEWER)
    free = free_port()
    with folder() as none:
        settings = {
            "a database without a schema": (fresh, {}),
            "a database of a newer version": (none, {"database_url": newer}),
            "a database that does not answer": (
                none,
                {"database_url": f"postgresql://me:swordfish@127.0.0.1:{CLOSED_PORT}/hailong"},
            ),
            "another kind of database": (none, {"database_url": "sqlite:///swordfish.db"}),
            "an address whose port is no number": (
                none,
                {"database_url": "postgresql://me:swordfish@127.0.0.1:port/hailong"},
            ),
            "an address with an unknown parameter": (
                none,
                {"database_url": f"{empty}&nonsense=1"},
            ),
            "another reference key": (service.data, {"reference_key": SWORDFISH}),
            "a taken port": (service.data, {"port": service.port}),
            "a port that is no number": (none, {"port": "abc"}),
        }
        calls = [
            lambda data=data, chosen=chosen: run(data, "serve", **{"port": free, **chosen})
            for data, chosen in settings.values()
        ]
        yield dict(zip(settings, together(*calls), strict=True))


@pytest.mark.parametrize("why", TOLD)
def test_serving_is_refused_in_one_line_that_says_what_to_do(refused: Refused, why: str) -> None:
    said = refused[why]
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.startswith("hailong: ")
    assert said.stderr.count("\n") == 1
    for words in TOLD[why]:
        assert words in said.stderr


def test_no_refusal_tells_a_secret(refused: Refused) -> None:
    assert not [why for why, said in refused.items() if "swordfish" in said.stderr]


def test_a_refusal_stops_the_database_that_was_started_for_it(
    refused: Refused, fresh: Path
) -> None:
    assert refused
    assert (fresh / "pg").exists()
    assert not server_runs(fresh)


def test_a_refusal_beside_a_service_leaves_it_running(service: Service, refused: Refused) -> None:
    assert refused
    assert service.is_ready()


def test_each_setting_that_cannot_be_has_a_line_of_its_own(fresh: Path) -> None:
    said = run(fresh, "migrate", port="abc", workers="99")
    assert said.returncode == 1
    told = sorted(said.stderr.splitlines())
    assert [line.partition(": Input should be ")[0] for line in told] == [
        "hailong: HAILONG_PORT",
        "hailong: HAILONG_WORKERS",
    ]
    assert "64" in told[1]
