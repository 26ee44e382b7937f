"""What the tests of the contract share: the service as clients meet it."""

import pytest
from contract.live import serving


@pytest.fixture(scope="session")
def live():
    """The address of a service on a port of its own; the examples are loaded."""
    with serving() as address:
        yield address
