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
from zoo.train.record.checkpoint import (
    Checkpoint,
    CheckpointError,
    DamagedCheckpoint,
    latest,
    read,
    save,
)


def at_step(step: int) -> Checkpoint:
    tensors = {"w": torch.full((3,), float(step)), "order": torch.arange(4, dtype=torch.int32)}
    return Checkpoint(step, tensors, {"epoch": step, "lr": 0.1 + step})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_comes_back_and_the_one_before_it_stays(tmp_path: Path) -> None:
    written: list[str] = []
    for step in (9, 10, 123_456_789):
        save(tmp_path, at_step(step))
        path = latest(tmp_path)
        assert path is not None
        found = read(path)
        assert (found.step, found.state) == (step, {"epoch": step, "lr": 0.1 + step})
        assert torch.equal(found.tensors["w"], at_step(step).tensors["w"])
        written.append(f"step-{step:08d}")
        assert names(tmp_path) == sorted(written[-2:])


def test_there_is_no_checkpoint_where_there_is_no_folder(tmp_path: Path) -> None:
    assert latest(tmp_path / "absent") is None
    assert latest(tmp_path) is None


def test_no_file_of_a_checkpoint_is_a_pickle(tmp_path: Path) -> None:
    path = save(tmp_path, at_step(3))
    assert names(path) == ["sha256.json", "state.json", "tensors.safetensors"]


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
        assert len(list(tmp_path.iterdir())) == 2
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
        assert names(folder) == sorted([path.name, "step-00000009"])
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


def test_the_good_one_that_is_named_stays_and_not_a_newer_one(tmp_path: Path) -> None:
    good = save(tmp_path, at_step(5))
    save(tmp_path, at_step(8))
    save(tmp_path, at_step(6), before=good)
    assert names(tmp_path) == ["step-00000005", "step-00000006"]


@pytest.mark.parametrize("file", ["state.json", "tensors.safetensors", "sha256.json"])
def test_a_flipped_bit_is_found_in_every_byte_of_every_file(tmp_path: Path, file: str) -> None:
    path = save(tmp_path, at_step(1))
    whole = (path / file).read_bytes()
    for place in range(len(whole.rstrip())):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        (path / file).write_bytes(changed)
        with pytest.raises(DamagedCheckpoint, match="step-00000001 cannot be read"):
            read(path)


@pytest.mark.parametrize("file", ["state.json", "tensors.safetensors", "sha256.json"])
def test_a_file_that_is_cut_short_gone_or_no_file_is_named(tmp_path: Path, file: str) -> None:
    path = save(tmp_path, at_step(1))
    whole = (path / file).read_bytes()
    for n_bytes in (0, 1, len(whole) // 2, len(whole) - 2):
        (path / file).write_bytes(whole[:n_bytes])
        with pytest.raises(DamagedCheckpoint):
            read(path)
    (path / file).unlink()
    with pytest.raises(DamagedCheckpoint, match=f"it has no file {file}"):
        read(path)
    (path / file).symlink_to("/dev/zero")
    with pytest.raises(DamagedCheckpoint):
        read(path)


@pytest.mark.parametrize(
    "state", ["[]", "3", '{"epoch": NaN}', '{"lr": -Infinity}', "[" * 5000, "1" * 5000, "\xff"]
)
def test_a_state_that_is_none_is_one_sentence(tmp_path: Path, state: str) -> None:
    path = save(tmp_path, at_step(1))
    (path / "sha256.json").unlink()
    (path / "state.json").write_bytes(state.encode("latin-1"))
    with pytest.raises(DamagedCheckpoint) as damaged:
        read(path)
    assert str(damaged.value).isprintable()
    assert len(str(damaged.value)) < 500


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    kept = save(tmp_path, at_step(1))
    with pytest.raises(CheckpointError, match="cannot be written"):
        save(tmp_path, Checkpoint(2, {"w": torch.zeros(1)}, {"loss": float("nan")}))
    assert names(tmp_path) == [kept.name]


def test_what_only_this_process_lacks_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path, at_step(1))

    def lacks(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(checkpoint, "load_file", lacks)
    with pytest.raises(CheckpointError, match=r"more memory than there is.*mend that") as caught:
        read(path)
    assert not isinstance(caught.value, DamagedCheckpoint)


def test_a_link_under_a_name_of_a_killed_run_is_not_written_through(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "checkpoints"
    victim.mkdir()
    folder.mkdir()
    (folder / f".step-00000001.{os.getpid()}.new").symlink_to(victim)
    save(folder, at_step(1))
    assert list(victim.iterdir()) == []
