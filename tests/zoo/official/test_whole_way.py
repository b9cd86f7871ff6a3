"""From the Drive to a report, with a checkpoint of the release's own graph and size."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from eval.data.imagenet import imagenet
from tests.driveserver import DriveServer, Fault
from zoo.weights.store import Store

NAME, FIXTURE = "resnet50-silu-sat", "resnet50-silu"
N = 4


@pytest.fixture
def checkpoint(shared: Path, drive: DriveServer, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """The Drive with the fixture's checkpoint under the ids of the card; asks to confirm."""
    folder = shared / "tfparity"
    spec = importlib.util.spec_from_file_location("make_data", folder / "make_data.py")
    assert spec
    assert spec.loader
    make_data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_data)
    make_data.build(FIXTURE, str(tmp_path))
    official = zoo.card(NAME).official
    assert official
    files = {"index": f"{FIXTURE}.index", "data": f"{FIXTURE}.data-00000-of-00001"}
    for kind, name in files.items():
        drive.files[official.drive_ids[kind]] = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
    drive.unscanned = {official.drive_ids["data"]}
    yield {kind: drive.files[official.drive_ids[kind]] for kind in files}
    drive.files.clear()


@pytest.fixture
def validation(shared: Path, tmp_path: Path) -> Path:
    """Four pictures of the sample as if they were validation ones: true names, true classes."""
    for path in sorted((shared / "data/imagenet-sample").glob("n*/*.JPEG"))[::20][:N]:
        label = imagenet.synsets().index(path.parent.name)
        number = int(np.flatnonzero(imagenet.val_labels() == label)[0]) + 1
        folder = tmp_path / "imagenet/val" / path.parent.name
        folder.mkdir(parents=True)
        shutil.copy(path, folder / f"ILSVRC2012_val_{number:08d}.JPEG")
    return tmp_path / "imagenet"


def start(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from zoo.cli import main; main()", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_after(drive: DriveServer, n_bytes: int) -> None:
    """Start a pull and kill it when the Drive has sent so many bytes more."""
    before = sum(request.sent for request in drive.requests)
    process = start("pull", NAME, "--source", "official")
    deadline = time.monotonic() + 600
    while sum(request.sent for request in drive.requests) < before + n_bytes:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(300) == -signal.SIGKILL
    process.communicate()


@pytest.mark.slow
def test_a_pull_killed_twice_ends_with_the_logits_of_tensorflow_and_a_report(
    drive: DriveServer,
    checkpoint: dict[str, bytes],
    validation: Path,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    size = len(checkpoint["data"])
    for _ in range(2):
        drive.break_next(Fault(pause_s=0.02, chunk=2**20))
        drive.break_next(Fault(pause_s=0.02, chunk=2**20))
        kill_after(drive, size // 4)
        drive.faults.clear()
    last = start("pull", NAME, "--source", "official")
    _, said = last.communicate(timeout=600)
    assert last.returncode == 0, said
    sent = [(r.headers.get("range"), r.sent) for r in drive.requests if r.sent > 10**6]
    assert [begins is None for begins, _ in sent] == [True, False, False]
    assert sent[2][1] < 0.6 * size

    arrays, reference = (
        dict(np.load(shared / "tfparity" / f"{file}.npz")) for file in ("inputs", FIXTURE)
    )
    model = zoo.load(NAME)
    assert model.source == "store"
    for name in ("even", "odd"):
        x = torch.from_numpy(arrays[name]).permute(0, 3, 1, 2).float() / 255
        logits, expected = model(x.flip(1)), reference[f"logits/{name}"]
        assert np.abs(logits.numpy() - expected).max() <= 1e-4 * expected.std()
    stored = Store().find(NAME)
    assert stored
    assert len(stored.provenance["golden"]["first_logits"]) == 2

    report = tmp_path / "report.json"
    args = ["--attack", "clean", "--data-dir", str(validation), "--allow-partial"]
    run = start("eval", NAME, *args, "--out", str(report))
    _, said = run.communicate(timeout=600)
    assert run.returncode == 0, said
    found = json.loads(report.read_text())
    assert found["model"]["name"] == NAME
    assert found["data"]["n"] == N
