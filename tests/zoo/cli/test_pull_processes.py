import hashlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import zoo
from eval.report.report import Report
from tests.commandline import PATIENCE_S, Processes, processes_of
from tests.hubserver import Fault, HubServer
from zoo.hub.pins import Pin, write_pin
from zoo.weights.find import find_weights

Run = Callable[..., Any]
NAME = "resnet50-silu-sat"  # too large ever to be bundled; what we publish under it is small
UNPUBLISHED = "resnet8-relu-smooth-both-at-digits"
WEIGHTS = save({"a": np.arange(75_000, dtype=np.float32)})
DOWNLOAD = "^GET .*/resolve/"


@pytest.fixture
def pin(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    pin = Pin(
        repo=f"org/{NAME}",
        revision=hub.add(f"org/{NAME}", {"model.safetensors": WEIGHTS}),
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        size=len(WEIGHTS),
    )
    write_pin(NAME, pin)
    return pin


@pytest.fixture
def processes(hub: HubServer, tmp_path: Path) -> Iterator[Processes]:
    with processes_of(
        HF_ENDPOINT=hub.url,
        HF_HOME=str(tmp_path / "hf"),
        SAT_ZOO_HOME=str(tmp_path / "home"),
        HF_HUB_DISABLE_XET="1",
    ) as all_of_them:
        yield all_of_them


def wait_for_bytes(hub: HubServer, n_bytes: int) -> None:
    for _ in range(100 * PATIENCE_S):
        if sum(request.sent for request in hub.seen(DOWNLOAD)) >= n_bytes:
            return
        time.sleep(0.01)
    pytest.fail("the download did not get so far")


@pytest.mark.parametrize(("blow", "code"), [("SIGKILL", -9), ("SIGINT", 130), ("SIGTERM", 143)])
def test_a_later_process_goes_on_where_one_was_stopped_in_mid_file(
    hub: HubServer, pin: Pin, processes: Processes, tmp_path: Path, blow: str, code: int
) -> None:
    hub.break_next(Fault(pause_s=0.05, chunk=8192))
    first = processes.start("pull", NAME)
    wait_for_bytes(hub, 50_000)
    first.send_signal(signal.Signals[blow])
    assert first.wait(PATIENCE_S) == code
    partial = tmp_path / "home" / "partial" / f"{pin.sha256}.part"
    n_there = partial.stat().st_size
    assert 0 < n_there < len(WEIGHTS)
    second = processes.start("pull", NAME, "--to", str(tmp_path / "to"))
    assert second.wait(PATIENCE_S) == 0
    download = hub.seen(DOWNLOAD)[-1]
    assert download.headers["range"] == f"bytes={n_there}-"
    assert download.sent == len(WEIGHTS) - n_there
    assert (tmp_path / "to" / f"{NAME}.safetensors").read_bytes() == WEIGHTS
    assert not partial.exists()


def test_two_processes_that_want_the_same_model_download_it_once_and_it_stays_offline(
    hub: HubServer, pin: Pin, processes: Processes
) -> None:
    hub.break_next(Fault(pause_s=0.05))
    pullers = [processes.start("pull", NAME) for _ in range(2)]
    assert [puller.wait(PATIENCE_S) for puller in pullers] == [0, 0]
    assert [request.sent for request in hub.seen(DOWNLOAD)] == [len(WEIGHTS)]
    hub.requests.clear()
    offline = processes.start("pull", NAME, HF_HUB_OFFLINE="1")
    elsewhere = processes.start("pull", NAME, HF_HUB_OFFLINE="1", HF_HOME="/nonexistent")
    assert offline.wait(PATIENCE_S) == 0
    assert elsewhere.wait(PATIENCE_S) == 3
    assert "HF_HUB_OFFLINE is set: unset it to download" in elsewhere.communicate()[1]
    assert hub.requests == []


def test_push_pull_and_eval_are_one_way_that_then_needs_no_network(
    hub: HubServer, processes: Processes, tmp_path: Path
) -> None:
    def done(*args: str, **env: str) -> str:
        process = processes.start(*args, **env)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        assert "hf_writer" not in out + err
        return out

    twin = zoo.card("resnet8-relu-at-digits")  # the same network with other gradients
    weights = str(find_weights(twin).path)
    hub.tokens["hf_writer"] = "write"
    args = ("push", UNPUBLISHED, "--namespace", "org", "--weights", weights)
    assert f"org/{UNPUBLISHED}" in done(*args, HF_TOKEN="hf_writer")
    shutil.rmtree(tmp_path / "hf", ignore_errors=True)
    done("pull", UNPUBLISHED)
    short = ("eval", UNPUBLISHED, "--attack", "fgsm", "--n", "8", "--json")
    report = Report.model_validate_json(done(*short))
    assert report.model.source == "hub"
    hub.requests.clear()
    nowhere = "http://127.0.0.1:9"  # the discard port: nobody listens
    again = Report.model_validate_json(done(*short, "--fresh", HF_ENDPOINT=nowhere))
    assert hub.requests == []
    assert again.images == report.images
