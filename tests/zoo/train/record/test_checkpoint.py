import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from zoo.train.record import checkpoint
from zoo.train.record.checkpoint import Checkpoint, CheckpointError, latest, read, save


def at_step(step: int) -> Checkpoint:
    tensors = {"w": torch.full((3,), float(step)), "order": torch.arange(4, dtype=torch.int32)}
    return Checkpoint(step, tensors, {"epoch": step, "lr": 0.1 + step})


def test_what_is_written_comes_back_and_only_the_newest_stays(tmp_path: Path) -> None:
    for step in (9, 10, 123_456_789):
        save(tmp_path, at_step(step))
        path = latest(tmp_path)
        assert path is not None
        found = read(path)
        assert (found.step, found.state) == (step, {"epoch": step, "lr": 0.1 + step})
        assert torch.equal(found.tensors["w"], at_step(step).tensors["w"])
        assert [p.name for p in tmp_path.iterdir()] == [f"step-{step:08d}"]


def test_there_is_no_checkpoint_where_there_is_no_folder(tmp_path: Path) -> None:
    assert latest(tmp_path / "absent") is None
    assert latest(tmp_path) is None


def test_no_file_of_a_checkpoint_is_a_pickle(tmp_path: Path) -> None:
    path = save(tmp_path, at_step(3))
    assert sorted(p.name for p in path.iterdir()) == ["state.json", "tensors.safetensors"]


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("save_file", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
        ("save_file", SafetensorError("I/O error: No space left on device (os error 28)")),
        ("flush_to_disk", OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))),
    ],
)
def test_a_full_disk_is_named_and_the_checkpoint_before_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    kept = save(tmp_path, at_step(1))

    def full(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(checkpoint, where, full)
    with pytest.raises(CheckpointError, match="the disk is full; free some space there, the one b"):
        save(tmp_path, at_step(2))
    assert [p.name for p in tmp_path.iterdir()] == [kept.name]
    assert read(kept).step == 1


def test_the_same_step_can_be_written_again(tmp_path: Path) -> None:
    save(tmp_path, at_step(5))
    for _ in range(11):  # past .9, where an order of names would not be one of numbers
        path = save(tmp_path, at_step(5))
        assert (latest(tmp_path), read(path).step) == (path, 5)
        assert list(tmp_path.iterdir()) == [path]
    assert save(tmp_path, at_step(6)).name == "step-00000006"


class Killed(BaseException):
    """Stands for kill -9: from then on this process does nothing to the disk."""


def killed_at(number: int, patch: pytest.MonkeyPatch) -> None:
    """Let the `number`-th operation on folders, and all after it, not take place."""
    count = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count < number:
                return real(path, *args, **kwargs)
            if count == number and real is shutil.rmtree and path.is_dir():
                next(path.iterdir()).unlink()  # deleting a folder is not done at once
            raise Killed

        return call

    patch.setattr(shutil, "rmtree", dying(shutil.rmtree))
    patch.setattr(Path, "rename", dying(Path.rename))
    patch.setattr(checkpoint, "flush_to_disk", dying(checkpoint.flush_to_disk))


@pytest.mark.parametrize("step", [7, 8], ids=["the same step again", "the next step"])
def test_whoever_is_killed_while_saving_leaves_a_whole_checkpoint(
    tmp_path: Path, step: int
) -> None:
    for number in range(1, 30):
        folder = tmp_path / str(number)
        save(folder, at_step(7))
        with pytest.MonkeyPatch.context() as patch:
            killed_at(number, patch)
            try:
                save(folder, at_step(step))
            except Killed:
                pass
            else:
                break
        path = latest(folder)
        assert path is not None
        assert read(path).step in {7, step}
        save(folder, at_step(9))
        assert [p.name for p in folder.iterdir()] == ["step-00000009"]
    assert 5 < number < 29  # killed at each operation in turn


def test_a_half_deleted_checkpoint_gives_way_to_a_whole_one_but_is_never_overlooked(
    tmp_path: Path,
) -> None:
    whole = save(tmp_path, at_step(1))
    half = tmp_path / "step-00000002"
    half.mkdir()
    (half / "state.json").write_text("{}")
    assert latest(tmp_path) == whole
    shutil.rmtree(whole)
    assert latest(tmp_path) == half
    with pytest.raises(CheckpointError, match="step-00000002 cannot be read"):
        read(half)


def test_what_a_killed_run_left_is_not_read_and_goes_with_the_next(tmp_path: Path) -> None:
    half = tmp_path / ".step-00000009.77.new"
    half.mkdir()
    (half / "tensors.safetensors").write_bytes(b"half")
    assert latest(tmp_path) is None
    save(tmp_path, at_step(4))
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000004"]


@pytest.mark.parametrize("file", ["state.json", "tensors.safetensors"])
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path: Path, file: str) -> None:
    path = save(tmp_path, at_step(1))
    (path / file).write_bytes(b"{")
    with pytest.raises(CheckpointError, match=r"step-00000001 cannot be read .* with `fresh=True`"):
        read(path)
