"""Data folders and services that many tests share; a test that damages one gets its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.processes import FAST, Demonstration, Service, copied, folder, run, serving

from app.db.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def demonstration() -> Iterator[Demonstration]:
    """The demonstration on an empty folder."""
    with folder() as data:
        yield Demonstration(run(data, "demo", "--once"), data)


@pytest.fixture(scope="session")
def loaded(demonstration: Demonstration) -> Path:
    """A stopped data folder with the examples, to be copied and not to be used."""
    assert demonstration.said.returncode == 0, demonstration.said.stderr
    return demonstration.data


@pytest.fixture
def data(loaded: Path) -> Iterator[Path]:
    """A data folder with the examples, for one test to do with as it likes."""
    with copied(loaded) as made:
        yield made


@pytest.fixture(scope="session")
def service(loaded: Path) -> Iterator[Service]:
    """A service with the examples that no test may disturb."""
    with copied(loaded) as made, serving(made) as started:
        yield started


@pytest.fixture(scope="session")
def external_server(loaded: Path) -> Iterator[str]:
    """The address of a server that no hailong started and none will stop."""
    with copied(loaded) as data, EmbeddedServer(data, FAST) as server:
        yield server.start()
