"""Google Drive on loopback: files, the pages it sends instead of them, and what goes wrong."""

from collections.abc import Iterator

import pytest

from tests.driveserver.pages import PAGES
from tests.driveserver.server import FOREVER, DriveServer, Fault, Request

__all__ = ["FOREVER", "PAGES", "DriveServer", "Fault", "Request", "drive"]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[DriveServer]:
    """An empty Drive that this process, and its children, take for the real one."""
    with DriveServer() as server:
        monkeypatch.setenv("SAT_ZOO_DRIVE_ENDPOINT", server.url)
        yield server
