"""A pinned file on the Hub on loopback, and a client with an empty cache."""

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.hubserver import HubServer
from zoo.hub.client import Hub
from zoo.hub.pins import Pin

WEIGHTS = hashlib.shake_256(b"weights").digest(300_000)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
REPO = "org/net"
FILE = "model.safetensors"
DOWNLOAD = "^GET .*/(resolve|cdn)/"
TOKEN = "hf_thisIsTheSecret"
NO_WAITS = (0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return tmp_path / "home"


@pytest.fixture
def pin(hub: HubServer) -> Pin:
    commit = hub.add(REPO, {FILE: WEIGHTS})
    return Pin(repo=REPO, revision=commit, file=FILE, sha256=SHA256, size=len(WEIGHTS))


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Hub:
    return Hub(endpoint=hub.url, cache=tmp_path / "cache", waits_s=NO_WAITS)


def bodies(hub: HubServer) -> list[tuple[str | None, int]]:
    """Of each download so far: the range that was asked for and the bytes that were sent."""
    gets = [r for r in hub.seen(DOWNLOAD) if r.status in (200, 206)]
    return [(r.headers.get("range"), r.sent) for r in gets]


def kept(home: Path, client: Hub) -> list[Path]:
    """Files of the download anywhere, finished or not."""
    assert client.cache is not None
    folders = (home / "partial", client.cache)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if path.stat().st_size > 1000]
