import os
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.errors import WeightsUnavailable
from tests.hubserver import FOREVER, Fault, HubServer
from tests.zoo.hub.conftest import DOWNLOAD, FILE, NO_WAITS, REPO, SHA256, TOKEN, WEIGHTS, bodies
from zoo.hub.client import Hub
from zoo.hub.pins import Pin


@pytest.mark.parametrize("use_cdn", [False, True])
def test_a_pinned_file_is_downloaded_once_and_then_needs_no_network(
    hub: HubServer, client: Hub, pin: Pin, use_cdn: bool
) -> None:
    hub.use_cdn = use_cdn
    assert client.cached(pin) is None
    assert client.fetch(pin).read_bytes() == WEIGHTS
    hub.requests.clear()
    assert client.fetch(pin) == client.cached(pin)
    assert hub.requests == []


def test_the_unmodified_client_finds_what_was_fetched(
    hub: HubServer, client: Hub, pin: Pin
) -> None:
    path = client.fetch(pin)
    hub.requests.clear()
    theirs = hf_hub_download(
        REPO, FILE, revision=pin.revision, cache_dir=client.cache, endpoint=hub.url
    )
    assert Path(theirs) == path
    found = try_to_load_from_cache(REPO, FILE, cache_dir=client.cache, revision=pin.revision)
    assert found == str(path)
    assert hub.requests == []
    assert path.is_symlink()
    assert path.resolve().name == SHA256


def test_what_the_unmodified_client_fetched_is_found(hub: HubServer, client: Hub, pin: Pin) -> None:
    hf_hub_download(REPO, FILE, revision=pin.revision, cache_dir=client.cache, endpoint=hub.url)
    hub.requests.clear()
    assert client.fetch(pin).read_bytes() == WEIGHTS
    assert hub.requests == []


def test_wrong_bytes_in_the_cache_are_not_offered_and_are_replaced(
    hub: HubServer, client: Hub, pin: Pin
) -> None:
    hub.break_next(Fault(wrong=True))  # huggingface_hub does not notice
    hf_hub_download(REPO, FILE, revision=pin.revision, cache_dir=client.cache, endpoint=hub.url)
    assert client.peek(pin) is not None
    assert client.cached(pin) is None
    assert client.fetch(pin).read_bytes() == WEIGHTS


def test_a_file_that_was_touched_is_hashed_again(client: Hub, pin: Pin) -> None:
    path = client.fetch(pin)
    path.write_bytes(bytes(len(WEIGHTS)))
    os.utime(path, ns=(1, 1))
    assert client.cached(pin) is None
    assert client.fetch(pin).read_bytes() == WEIGHTS


def test_a_copy_of_wrong_bytes_on_a_disk_without_symlinks_is_replaced(
    client: Hub, pin: Pin
) -> None:
    path = client.fetch(pin)
    path.unlink()
    path.write_bytes(bytes(len(WEIGHTS)))
    assert client.cached(pin) is None
    assert client.fetch(pin).read_bytes() == WEIGHTS


@given(cuts=st.lists(st.integers(0, len(WEIGHTS)), max_size=3))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_download_goes_on_where_it_stopped(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    monkeypatch.setenv("SAT_ZOO_HOME", str(folder / "home"))
    with HubServer() as hub:
        commit = hub.add(REPO, {FILE: WEIGHTS})
        pin = Pin(repo=REPO, revision=commit, file=FILE, sha256=SHA256, size=len(WEIGHTS))
        for cut in cuts:
            hub.break_next(Fault(cut_after=cut))
        client = Hub(endpoint=hub.url, cache=folder / "cache", waits_s=NO_WAITS)
        assert client.fetch(pin).read_bytes() == WEIGHTS
        start = 0
        for asked, sent in bodies(hub):
            assert asked == (f"bytes={start}-" if start else None)
            start += sent
        assert start == len(WEIGHTS)


def test_a_later_try_goes_on_after_one_that_gave_up(
    hub: HubServer, client: Hub, pin: Pin, home: Path
) -> None:
    hub.break_next(Fault(cut_after=100_000))
    hub.break_next(Fault(on=DOWNLOAD, times=FOREVER, status=503))
    with pytest.raises(WeightsUnavailable, match="answers 503: try again later; what came is kept"):
        client.fetch(pin)
    assert (home / "partial" / f"{SHA256}.part").read_bytes() == WEIGHTS[:100_000]
    assert client.peek(pin) is None
    hub.faults.clear()
    hub.requests.clear()
    assert client.fetch(pin).read_bytes() == WEIGHTS
    assert bodies(hub) == [("bytes=100000-", 200_000)]
    assert not (home / "partial" / f"{SHA256}.part").exists()


def test_a_server_that_ignores_the_range_gives_the_whole_file(
    hub: HubServer, client: Hub, pin: Pin
) -> None:
    hub.break_next(Fault(cut_after=100_000))
    hub.break_next(Fault(ignore_range=True))
    assert client.fetch(pin).read_bytes() == WEIGHTS


@pytest.mark.parametrize("left", [bytes(50_000), bytes(len(WEIGHTS)), bytes(400_000)])
def test_a_partial_file_of_other_bytes_costs_a_new_download_and_no_more(
    client: Hub, pin: Pin, home: Path, left: bytes
) -> None:
    (home / "partial").mkdir(parents=True)
    (home / "partial" / f"{SHA256}.part").write_bytes(left)
    assert client.fetch(pin).read_bytes() == WEIGHTS


def test_the_progress_grows_to_the_whole_size(client: Hub, pin: Pin) -> None:
    told: list[int] = []
    client.fetch(pin, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(WEIGHTS)


def test_httpx_takes_the_token_from_a_redirect_to_another_origin(hub: HubServer, pin: Pin) -> None:
    hub.use_cdn = True
    hub.tokens[TOKEN] = "read"
    url = f"{hub.url}/{REPO}/resolve/{pin.revision}/{FILE}"
    answer = httpx2.get(url, headers={"authorization": f"Bearer {TOKEN}"}, follow_redirects=True)
    assert answer.status_code == 200  # the other origin answers 400 to any Authorization
