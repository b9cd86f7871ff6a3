from pathlib import Path

from huggingface_hub import constants

from tests.hubserver import HubServer
from tests.zoo.doctor.isolation import CLOSED, TOKEN, Machine
from zoo.doctor.hub import cache, lines, reached


def test_a_hub_that_answers_is_ok(machine: Machine, hub: HubServer) -> None:
    line = reached(hub.url, "none")
    assert line.mark == "ok"
    assert hub.url in line.says
    assert line.facts["endpoint"] == hub.url


def test_a_closed_port_is_said_with_the_way_out(machine: Machine, monkeypatch) -> None:
    line = reached(CLOSED, "none")
    assert line.mark == "broken"
    assert f"{CLOSED} does not answer within 3 s (ConnectError)" in line.says
    assert "check the network" in line.fix
    monkeypatch.setenv("HF_ENDPOINT", CLOSED)
    assert reached(CLOSED, "none").fix.startswith("check HF_ENDPOINT")


def test_what_is_no_hub_is_said(machine: Machine, hub: HubServer, monkeypatch) -> None:
    monkeypatch.setattr("zoo.doctor.hub.PATH", "/no/such/page")
    line = reached(f"{hub.url}/nothing", "none")
    assert (line.mark, line.facts["status"]) == ("broken", 404)


def test_no_token_leaves_the_machine_or_is_shown(
    machine: Machine, hub: HubServer, monkeypatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url.replace("://", "://me:password@"))
    found = list(lines())
    assert "token: set" in found[0].says
    shown = "".join(line.model_dump_json() for line in found)
    assert TOKEN not in shown
    assert "password" not in shown
    assert all(TOKEN not in str(request.headers) for request in hub.requests)


def test_offline_mode_is_said_and_kept(machine: Machine, hub: HubServer, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    line = next(iter(lines()))
    assert (line.mark, line.fix) == ("missing", "unset HF_HUB_OFFLINE to fetch weights")
    assert "token: none" in line.says
    assert not hub.requests


def test_the_cache_counts_a_blob_once(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "one").write_bytes(b"x" * 1500)
    (snapshot / "model").symlink_to(blobs / "one")
    (snapshot / "folder").symlink_to(blobs)
    line = cache(tmp_path)
    assert line.says == f"{tmp_path}, 1.5 kB"
    assert line.facts["bytes"] == 1500


def test_a_cache_that_is_missing_or_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert cache(tmp_path / "none").mark == "missing"
    broken = cache(tmp_path / "file")
    assert broken.mark == "broken"
    assert broken.says.endswith("Not a directory")
    assert "HF_HOME" in broken.fix
