"""A service and its worker for the kit to try."""

import pytest
from cli.processes import Service, background, folder, run, serving


@pytest.fixture(scope="session")
def service() -> Service:
    """A service with nothing in it, whose webhooks may go to this machine."""
    allowed = {"webhook_allow_private": True, "rate_limit_per_minute": 1_000_000}
    with folder() as data:
        assert run(data, "migrate").returncode == 0
        with serving(data, **allowed) as started, background(data, "worker", **allowed):
            yield started
