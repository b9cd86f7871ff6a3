"""The Hugging Face Hub on loopback, for tests with the unmodified client."""

from collections.abc import Iterator

import pytest

from tests.hubserver.exchange import FOREVER, Fault, Request
from tests.hubserver.server import HubServer

__all__ = ["FOREVER", "Fault", "HubServer", "Request", "hub"]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """An empty Hub; its address is `hub.url`."""
    with HubServer() as server:
        yield server
