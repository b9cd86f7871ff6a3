import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from tests.hubserver import FOREVER, Fault, HubServer
from tests.hubserver.repos import File
from tests.zoo.hub.conftest import (
    DOWNLOAD,
    FILE,
    NO_WAITS,
    REPO,
    TOKEN,
    WEIGHTS,
    kept,
)
from zoo.hub import client as client_module
from zoo.hub import transfer
from zoo.hub.client import Hub
from zoo.hub.pins import Pin


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(wrong=True, times=FOREVER), r"has sha256 \w{12}, the pin says"),
        (Fault(keep=1000, times=FOREVER), "is shorter on http.* than its pin says"),
        (Fault(on=DOWNLOAD, times=FOREVER, keep=0), "cannot be reached, or breaks off"),
    ],
)
def test_other_bytes_than_pinned_are_neither_offered_nor_kept(
    hub: HubServer, client: Hub, pin: Pin, home: Path, fault: Fault, said: str
) -> None:
    hub.break_next(fault)
    with pytest.raises((WeightsMismatch, WeightsUnavailable), match=said):
        client.fetch(pin)
    assert kept(home, client) == []
    assert client.cached(pin) is None
    hub.faults.clear()
    assert client.fetch(pin).read_bytes() == WEIGHTS


def test_a_web_page_in_place_of_the_file_is_called_so(
    hub: HubServer, client: Hub, pin: Pin
) -> None:
    page = b"<html>log in</html>"
    commit = hub.add(REPO, {FILE: page})
    pin = pin.model_copy(update={"revision": commit, "size": len(page)})
    with pytest.raises(WeightsMismatch, match="and begins like a web page: these are not"):
        client.fetch(pin)


def test_another_size_than_pinned_is_refused_without_a_download(
    hub: HubServer, client: Hub, pin: Pin
) -> None:
    with pytest.raises(WeightsMismatch, match="has 300,000 bytes, the pin says 299,999"):
        client.fetch(pin.model_copy(update={"size": 299_999}))
    assert hub.seen(DOWNLOAD) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_failure_that_passes_is_waited_out(
    hub: HubServer, client: Hub, pin: Pin, method: str, status: int
) -> None:
    hub.break_next(Fault(on=f"^{method} .*/resolve/", status=status, times=2))
    assert client.fetch(pin).read_bytes() == WEIGHTS


def test_the_wait_is_as_long_as_the_hub_asks(
    hub: HubServer, client: Hub, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("zoo.hub.transfer.sleep", waits.append)
    hub.break_next(Fault(on=DOWNLOAD, status=429, retry_after=17))
    client.fetch(pin)
    assert waits == [17.0]


def test_a_wait_of_an_hour_is_refused(hub: HubServer, client: Hub, pin: Pin) -> None:
    hub.break_next(Fault(on="^HEAD .*/resolve/", status=429, retry_after=3600, times=FOREVER))
    with pytest.raises(WeightsUnavailable, match=r"asked too often \(429\): try again in some"):
        client.fetch(pin)
    assert len(hub.seen("/resolve/")) == 1


Change = Callable[[HubServer], object]
REFUSALS: list[tuple[Change, str]] = [
    (lambda hub: hub.repos.clear(), "does not exist on http.*, or is private: log in"),
    (lambda hub: setattr(hub.repos[REPO], "private", True), "or is private: log in with"),
    (lambda hub: setattr(hub.repos[REPO], "gated", True), "is gated: ask for access on http"),
    (lambda hub: hub.repos[REPO].commits.clear(), "has no revision '[0-9a-f]{40}'"),
    (
        lambda hub: hub.repos[REPO].commits.update(
            {o: type(c)(o, None, "", {}) for o, c in hub.repos[REPO].commits.items()}
        ),
        r"has no file 'model\.safetensors' at",
    ),
    (lambda hub: hub.break_next(Fault(on="", status=403, times=9)), r"refuses \(403\)"),
    (
        lambda hub: hub.break_next(Fault(on="^HEAD .*/resolve/", status=404)),
        "answers 404: try again later",
    ),
]


@pytest.mark.parametrize(("change", "said"), REFUSALS)
def test_a_refusal_is_one_sentence_with_a_remedy(
    hub: HubServer, client: Hub, pin: Pin, change: Change, said: str
) -> None:
    change(hub)
    with pytest.raises(WeightsUnavailable, match=said) as caught:
        client.fetch(pin)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_private_repository_opens_to_its_token(hub: HubServer, client: Hub, pin: Pin) -> None:
    hub.repos[REPO].private = True
    hub.use_cdn = True
    hub.tokens[TOKEN] = "read"
    known = Hub(client.endpoint, client.cache, TOKEN, NO_WAITS)
    assert known.fetch(pin).read_bytes() == WEIGHTS
    sent_to = {r.origin for r in hub.requests if "authorization" in r.headers}
    assert sent_to == {"hub"}  # and not to where the Hub sent us


def test_no_message_holds_the_token(
    hub: HubServer, client: Hub, pin: Pin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    hub.repos[REPO].private = True
    stranger = Hub(client.endpoint, client.cache, TOKEN, NO_WAITS)
    with pytest.raises(WeightsUnavailable, match=r"does not accept the token \(401\)") as caught:
        stranger.fetch(pin)
    hub.tokens[TOKEN] = "read"
    hub.break_next(Fault(times=FOREVER, status=503))
    with pytest.raises(WeightsUnavailable):
        stranger.fetch(pin)
    assert TOKEN not in str(caught.value) + str(caught.value.__cause__) + caplog.text


def test_a_hub_that_is_not_there_is_named(pin: Pin, tmp_path: Path) -> None:
    nobody = Hub("http://127.0.0.1:9", tmp_path / "cache", waits_s=(0.0,))
    with pytest.raises(WeightsUnavailable, match=r"127\.0\.0\.1:9 cannot be reached.*ConnectError"):
        nobody.fetch(pin)


def test_offline_a_cached_file_is_given_and_another_is_not_asked_for(
    hub: HubServer, client: Hub, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailable, match=r"not in the Hub cache .* HF_HUB_OFFLINE is set"):
        client.fetch(pin)
    assert hub.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = client.fetch(pin)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert client.fetch(pin) == path
    path.write_bytes(bytes(len(WEIGHTS)))
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsMismatch, match=r"has not the sha256 .* HF_HUB_OFFLINE is set"):
        client.fetch(pin)
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE is set"):
        client.resolve(REPO, "main")


def test_a_full_disk_is_one_sentence(
    client: Hub, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(transfer, "append", full)
    with pytest.raises(SatZooError, match="the disk is full; free some space") as caught:
        client.fetch(pin)
    assert caught.value.exit_code == 1
    assert client.peek(pin) is None


def test_a_disk_that_is_too_small_is_noticed_before_the_download(
    hub: HubServer, client: Hub, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 299_999})
    monkeypatch.setattr(client_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SatZooError, match="the disk is full"):
        client.fetch(pin)
    assert hub.seen(DOWNLOAD) == []


def test_a_read_only_cache_is_noticed_before_the_download_and_gives_what_it_has(
    hub: HubServer, client: Hub, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def refuse(path: Path, *args: object, **options: object) -> None:
        if path.name == "blobs":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        make(path, *args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(SatZooError, match=r"written: Read-only file system .*HF_HOME"):
            client.fetch(pin)
        assert hub.seen(DOWNLOAD) == []
    path = client.fetch(pin)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert client.fetch(pin) == path


def test_a_home_on_another_disk_than_the_cache_is_no_obstacle(
    client: Hub, pin: Pin, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def across(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", across)
    path = client.fetch(pin)
    assert path.read_bytes() == WEIGHTS
    assert {found.resolve() for found in kept(home, client)} == {path.resolve()}


@pytest.mark.parametrize("revision", ["main", "v1/rc"])
def test_a_branch_is_resolved_to_what_can_be_pinned(
    hub: HubServer, client: Hub, pin: Pin, revision: str
) -> None:
    commit = hub.add(REPO, {FILE: WEIGHTS}, branch=revision)
    assert client.resolve(REPO, revision) == pin.model_copy(update={"revision": commit})


def test_what_cannot_be_resolved_is_said(hub: HubServer, client: Hub, pin: Pin) -> None:
    with pytest.raises(UsageError, match="'net' is no OWNER/NAME of the Hub"):
        client.resolve("net", "main")
    with pytest.raises(UsageError, match=r"'x.bin' is not a safetensors file"):
        client.resolve(REPO, "main", "x.bin")
    with pytest.raises(WeightsUnavailable, match="has no revision 'v9'"):
        client.resolve(REPO, "v9")
    hub.repos[REPO].commit({FILE: File(WEIGHTS, is_lfs=False)}, branch="small")
    with pytest.raises(WeightsUnavailable, match="tells no size and sha256 of"):
        client.resolve(REPO, "small")
