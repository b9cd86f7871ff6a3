"""`sat-zoo pull` from the official release: a Drive on loopback, processes that are killed."""

import json
import os
import pty
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from eval.errors import WeightsUnavailable
from eval.files.writing import sha256_of
from tests.commandline import PATIENCE_S, Processes, processes_of
from tests.driveserver import FOREVER, DriveServer, Fault
from tests.tfcheckpoint import small_card, variables_of, write
from zoo import registry
from zoo.cards import ModelCard
from zoo.hub.pins import Pin, write_pin
from zoo.official import load_tf
from zoo.weights.store import Store

Run = Callable[..., Any]
NAME = "small-resnet"
DATA = "small.data-00000-of-00001"
DIGITS = "resnet8-silu-sat-digits"


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """A model of the release that is small enough to be fetched in a test."""
    card = small_card(NAME, classes=1000, parameters=77_000)
    monkeypatch.setitem(registry._cards(), NAME, card)
    return card


@pytest.fixture
def drive(drive: DriveServer, info: ModelCard, tmp_path: Path) -> DriveServer:
    prefix = write(tmp_path / "x", variables_of(info))
    drive.files["id-of-index"] = Path(f"{prefix}.index").read_bytes()
    drive.files["id-of-data"] = Path(f"{prefix}.data-00000-of-00001").read_bytes()
    return drive


def test_a_pull_converts_the_release_and_a_second_one_asks_nobody(
    sat_zoo: Run, drive: DriveServer, info: ModelCard, tmp_path: Path
) -> None:
    done = sat_zoo("pull", NAME, "--to", str(tmp_path / "to"))
    assert done.code == 0
    assert "about 308.0 kB  official release, small" in done.out
    assert "to download: about 308.0 kB\n" in done.out
    assert done.out.endswith("1 of 1 models are here\n")
    size = len(drive.files["id-of-data"])
    assert f"sat-zoo: {NAME}: {DATA} has {size / 1e6:.1f} MB\n" in done.err
    assert f"sat-zoo: {NAME}: every tensor has its checksum; converting\n" in done.err
    state = load_tf(info, tmp_path / "x")
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model = zoo.load(NAME)
    assert model.source == "store"
    assert all(torch.equal(state[key], value) for key, value in model.net.state_dict().items())
    assert model(x).isfinite().all()
    stored = Store().find(NAME)
    assert stored
    assert sha256_of(tmp_path / "to" / f"{NAME}.safetensors") == stored.sha256
    n_asked = len(drive.requests)
    done = sat_zoo("pull", NAME, "--source", "official")
    assert "imported\nto download: 0 bytes\n1 of 1 models are here\n" in done.out
    assert len(drive.requests) == n_asked
    done = sat_zoo("pull", NAME, "--check")
    assert done.code == 0
    assert f"ok   {NAME}  store" in done.out


def test_loading_alone_fetches_nothing_and_names_the_command(
    sat_zoo: Run, drive: DriveServer
) -> None:
    sat_zoo("list")  # sets the home
    said = rf"fetch them \(about 308\.0 kB, official release, small\) with: sat-zoo pull {NAME};"
    with pytest.raises(WeightsUnavailable, match=said):
        zoo.load(NAME)
    assert drive.requests == []


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([NAME, "--source", "hub"], 3, f"no repository of the Hub is pinned for {NAME}; the weig"),
        ([DIGITS, "--source", "official"], 3, f"{DIGITS} is not among the models that the auth"),
        ([NAME, "--source", "hub", "--repo", "a/b", "--revision", "c"], 2, "name two places: le"),
    ],
)
def test_a_source_that_does_not_have_it_is_told(
    sat_zoo: Run, drive: DriveServer, args: list[str], code: int, said: str
) -> None:
    done = sat_zoo("pull", *args)
    assert done.code == code
    assert said in done.err
    assert done.err.count("\n") == 1
    assert drive.requests == []


def test_a_source_can_be_chosen_over_a_pin(sat_zoo: Run, drive: DriveServer) -> None:
    sat_zoo("list")
    write_pin(NAME, Pin(repo="a/b", revision="0" * 40, sha256="0" * 64, size=10**9))
    assert "official release" in sat_zoo("pull", NAME, "--source", "official").out
    assert Store().find(NAME)


def test_own_weights_in_the_store_are_not_replaced_by_a_pull(
    sat_zoo: Run, drive: DriveServer
) -> None:
    sat_zoo("list")
    Store().put(NAME, {"a": torch.zeros(1)}, {"source": "trained"})
    assert "imported\nto download: 0 bytes\n" in sat_zoo("pull", NAME).out
    done = sat_zoo("pull", NAME, "--source", "official")
    assert done.code == 2
    assert f"has other weights of {NAME}" in done.err
    assert drive.requests == []


def test_without_a_network_only_the_first_of_many_is_tried(
    sat_zoo: Run, drive: DriveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setenv("SAT_ZOO_DRIVE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("eval.files.download.time.sleep", waits.append)
    done = sat_zoo("pull", "resnext50-*", NAME)
    assert done.code == 3
    assert done.err.startswith("sat-zoo: 3 of 3 models were not pulled: resnext50-32x4d-silu-sat:")
    assert done.err.count("could not be fetched") == 1
    assert len(waits) == 4
    n_bytes = sum(4 * zoo.card(n).parameters for n in (*zoo.list_models("resnext50-*"), NAME))
    assert f"to download: about {n_bytes / 1e6:.1f} MB" in done.out


@pytest.fixture
def processes(info: ModelCard, tmp_path: Path) -> Iterator[Processes]:
    """Processes that know the small card too."""
    card = tmp_path / "card.json"
    card.write_text(info.model_dump_json())
    first = (
        "from pathlib import Path; from zoo import registry; from zoo.cards import ModelCard;"
        f"card = ModelCard.model_validate_json(Path({str(card)!r}).read_text());"
        "registry._cards()[card.name] = card"
    )
    with processes_of(first, SAT_ZOO_HOME=str(tmp_path / "home")) as all_of_them:
        yield all_of_them


def wait_for_bytes(drive: DriveServer, file_id: str, n_bytes: int) -> None:
    for _ in range(100 * PATIENCE_S):
        if sum(request.sent for request in drive.asked(file_id)) >= n_bytes:
            return
        time.sleep(0.01)
    pytest.fail("the download did not get so far")


def test_a_later_process_goes_on_where_two_were_stopped_in_mid_file(
    drive: DriveServer, processes: Processes, tmp_path: Path
) -> None:
    content = drive.files["id-of-data"]
    part = tmp_path / "home" / "partial" / "small" / f".{DATA}.part"
    starts = []
    for blow, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        drive.break_next(Fault("id-of-data", pause_s=0.05, chunk=8192))
        process = processes.start("pull", NAME, "--source", "official")
        n_before = sum(request.sent for request in drive.asked("id-of-data"))
        wait_for_bytes(drive, "id-of-data", n_before + 50_000)
        process.send_signal(blow)
        assert process.wait(PATIENCE_S) == code
        starts.append(part.stat().st_size)
        said = process.communicate()[1]
    assert [line for line in said.splitlines() if line][-3:] == [
        f"sat-zoo: what has come is kept in {tmp_path / 'home' / 'partial'}",
        f"sat-zoo: go on with: sat-zoo pull {NAME} --source official",
        "sat-zoo: stopped by SIGTERM",
    ]
    assert 0 < starts[0] < starts[1] < len(content)
    last = processes.start("pull", NAME, "--source", "official")
    assert last.wait(PATIENCE_S) == 0
    asked = drive.asked("id-of-data")
    assert [r.headers.get("range") for r in asked] == [None, *(f"bytes={n}-" for n in starts)]
    assert asked[-1].sent == len(content) - starts[1]
    assert len(drive.asked("id-of-index")) == 1
    provenance = json.loads((tmp_path / "home/store" / NAME / "provenance.json").read_text())
    assert provenance["files"][DATA]["size_bytes"] == len(content)
    assert not part.exists()


def test_of_two_pulls_at_once_one_works_and_the_other_waits(
    drive: DriveServer, processes: Processes
) -> None:
    drive.break_next(Fault("id-of-data", pause_s=0.05, chunk=8192))
    first = processes.start("pull", NAME)
    wait_for_bytes(drive, "id-of-data", 1)
    second = processes.start("pull", NAME)
    assert [first.wait(PATIENCE_S), second.wait(PATIENCE_S)] == [0, 0]
    assert f"{NAME}: another process is fetching it; waiting" in second.communicate()[1]
    assert [request.sent for request in drive.asked("id-of-data")] == [
        len(drive.files["id-of-data"])
    ]


def test_a_pull_that_waits_for_the_quota_says_so(sat_zoo: Run, drive: DriveServer) -> None:
    drive.break_next(Fault("id-of-data", FOREVER, page="quota"))
    done = sat_zoo("pull", NAME)
    assert done.code == 3
    assert "quota exceeded" in done.err
    assert f"sat-zoo import {NAME} --checkpoint FOLDER/small" in done.err


def test_a_terminal_is_asked_once_and_a_yes_fetches(
    drive: DriveServer, processes: Processes, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    command = ["eval", NAME, "--attack", "clean", "--norm", "Linf", "--eps", "4/255"]
    process = processes.start(*command, "--data-dir", str(tmp_path), stdin=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"\n")
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        said += piece
    out, _ = process.communicate()
    os.close(ours)
    text = " ".join(said.decode().split())
    question = "fetch about 308.0 kB from the official release, small and convert? [Y/n]"
    assert text.count(question) == 1
    assert (tmp_path / "home/store" / NAME / "model.safetensors").is_file()
    assert process.returncode == 1  # there is no ImageNet here, which is said
    assert "imagenet (val) was not found" in text
    assert "https://image-net.org" in text
    assert out == ""
