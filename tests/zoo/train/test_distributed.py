import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from eval.errors import SatZooError
from zoo.train import distributed
from zoo.train.distributed import Ranks, processes

SCRIPT = Path(__file__).with_name("two_processes.py")
ROOT = Path(__file__).resolve().parents[3]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"WORLD_SIZE", "RANK", "LOCAL_RANK"}}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | more


def launch(out: Path) -> dict[str, Any]:
    starter = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*starter, "--nproc-per-node=2", str(SCRIPT), str(out)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(out.read_text())
    return told


@pytest.mark.slow
def test_two_processes_train_as_one_and_stop_as_one(tmp_path: Path) -> None:
    # One launch for all that is asked: starting two processes costs more than what they do.
    two = launch(tmp_path / "out.json")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment(), capture_output=True, text=True, check=True
    )
    one = json.loads(done.stdout)
    for case in ("pieces", "awp", "free"):
        # The loss curve is that of the doubled batch; only the order of fp32 sums differs.
        torch.testing.assert_close(
            torch.tensor(two[case]), torch.tensor(one[case]), rtol=1e-5, atol=1e-5
        )
        # Neither the attack nor the search for weights exchanges gradients.
        assert two[f"{case} exchanges"] == two[f"{case} updates"]
    assert [two[f"{case} updates"] for case in ("pieces", "awp", "free")] == [15, 20, 30]
    # A request to one process stops both, at one step, and they go on bit-identical.
    assert two["stopped"].startswith("stopped at step 4 of 20; the checkpoint")
    assert two["resumed_is_identical"]
    assert two["streams_differ"]
    assert two["refused"].endswith("`out` must lie on a disk that all nodes share")


@pytest.mark.slow
def test_a_process_that_dies_stops_the_others_with_a_message(tmp_path: Path) -> None:
    port = 20_000 + os.getpid() % 20_000
    command = [sys.executable, "-m", "zoo.train", "resnet8-silu-sat-digits", "--device", "cpu"]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    both = [
        subprocess.Popen(
            [*command, "--out", str(tmp_path / "run")],
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **shared),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    first, second = both
    try:
        assert first.stdout is not None
        while not first.stdout.readline().startswith("epoch   1"):
            assert first.poll() is None, first.communicate()
        second.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        _, said = first.communicate(timeout=300)
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert time.monotonic() - killed_at < 150
    assert first.returncode == 1
    assert "process 0 of 2 stopped because another one died or hung" in said
    assert "run the same command again" in said


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_meets_nobody_says_where_it_waited(
    monkeypatch: pytest.MonkeyPatch, rank: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    monkeypatch.setattr(distributed, "PATIENCE", timedelta(seconds=1))
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": rank}
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SatZooError) as caught, processes("cpu"):
        pass
    said = str(caught.value)
    assert said.startswith(f"process {rank} of 2 did not meet the others at 127.0.0.1:{port} (")
    assert "check that all 2 were started with that MASTER_ADDR and MASTER_PORT" in said
    assert "\n" not in said
    assert not torch.distributed.is_initialized()


def test_a_variable_of_the_meeting_place_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    said = r"process \? of 2 did not meet the others at \?:\? .*variable RANK"
    with pytest.raises(SatZooError, match=said), processes("cpu"):
        pass


def test_alone_every_exchange_is_free() -> None:
    alone = Ranks()
    values = torch.arange(3.0)
    assert alone.is_first
    assert alone.total(values) is values
    assert alone.from_first(values) is values
    assert alone.gather(values) == [values]
    assert alone.any(True, False) == [True, False]
    assert alone.share(values).tolist() == [0, 1, 2]


def test_shares_are_disjoint_and_differ_by_at_most_one() -> None:
    positions = torch.arange(11)
    shares = [Ranks(rank, 4).share(positions).tolist() for rank in range(4)]
    assert [one for share in shares for one in share] == positions.tolist()
    assert {len(share) for share in shares} == {2, 3}


@pytest.mark.parametrize(
    ("name", "local_rank", "found", "made_current"),
    [
        ("cuda", None, "cuda", []),
        (None, None, "cuda", []),
        ("cuda:1", None, "cuda:1", ["cuda:1"]),
        ("cuda", "1", "cuda:1", ["cuda:1"]),
        ("cpu:0", None, "cpu:0", []),
    ],
)
def test_only_a_card_with_a_number_is_made_the_current_one(
    name: str | None,
    local_rank: str | None,
    found: str,
    made_current: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # torch.cuda.set_device refuses "cuda" without a number.
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.append(str(device)))
    monkeypatch.setattr(distributed, "usable_device", torch.device)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    with processes(name) as ranks:
        assert str(ranks.device) == found
    assert asked == made_current
