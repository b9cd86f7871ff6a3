"""kill -9 in the middle of a real run of the command, and Ctrl-C; then the same command again."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.files.interrupts import Terminated, terminable
from zoo.train.signals import stop_requests

ROOT = Path(__file__).resolve().parents[3]
# A job in the background has SIGINT ignored, and so have the processes that it starts.
CODE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("zoo.train", run_name="__main__", alter_sys=True)
"""
COMMAND = [
    sys.executable,
    *["-c", CODE, "resnet8-silu-sat-digits", "--device", "cpu", "--minutes", "0.0001"],
    *["--set", "epochs=4", "--set", "attack_steps=1", "--set", "ema_decay=0.9"],
]


def start(out: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*COMMAND, "--out", str(out)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(out: Path) -> tuple[str, str]:
    """Runs to the end; returns the weights' digest and what was printed."""
    process = start(out)
    said, wrong = process.communicate(timeout=600)
    assert process.returncode == 0, wrong
    return hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest(), said


@pytest.mark.slow
def test_killed_and_interrupted_runs_end_bit_identical_with_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    undisturbed, _ = finish(tmp_path / "undisturbed")
    out = tmp_path / "disturbed"
    blows = ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 143))
    for number, code in blows:
        process = start(out)
        before = sorted((out / "checkpoints").glob("step-*"))
        while sorted((out / "checkpoints").glob("step-*")) in ([], before):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(number)
        _, wrong = process.communicate(timeout=300)
        assert process.returncode == code
    assert "sat-zoo: stopped at step" in wrong
    digest, said = finish(out)
    assert "going on from step" in said
    assert digest == undisturbed


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests() as request:
        assert not request.is_made()
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.is_made()
        assert request.number == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_is_noted_by_who_answers_it_elsewhere() -> None:
    with terminable() as raised, stop_requests() as request:
        signal.raise_signal(signal.SIGTERM)
        assert request.is_made()
        assert raised == []
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        assert len(raised) == 1


def test_an_ignored_signal_asks_for_nothing() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests() as request:
            signal.raise_signal(signal.SIGINT)
        assert not request.is_made()
    finally:
        signal.signal(signal.SIGINT, before)
