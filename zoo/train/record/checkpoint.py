"""Checkpoints: everything a run needs to go on at the exact step, on disk whole or not at all.

A checkpoint is a folder `step-00001234` of `tensors.safetensors` and `state.json`, no pickle. It
is written under a hidden name, flushed and renamed, and only then are older ones deleted: whoever
is killed in between leaves a whole one behind. A step that is written again gets a name of its own,
`step-00001234.2`, for the same reason. A full disk leaves the one before.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from eval.errors import SatZooError
from eval.files.writing import flush_to_disk

_TENSORS, _STATE = "tensors.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{8,})(?:\.(\d+))?")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class CheckpointError(SatZooError):
    """A checkpoint cannot be written or read."""


@dataclass(frozen=True)
class Checkpoint:
    """What was known at one step. tensors: by name; state: JSON values."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint into `folder` and delete the older ones; returns its path.

    Raises `CheckpointError` if the disk is full or cannot be written: the checkpoint before is
    then untouched.
    """
    final = _unused(folder, checkpoint.step)
    fresh = folder / f".{final.name}.{os.getpid()}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        tensors = {k: t.detach().cpu().contiguous() for k, t in checkpoint.tensors.items()}
        save_file(tensors, fresh / _TENSORS)
        (fresh / _STATE).write_text(json.dumps(checkpoint.state) + "\n", "utf-8")
        for path in (fresh / _TENSORS, fresh / _STATE, fresh):
            flush_to_disk(path)
        fresh.rename(final)
        flush_to_disk(folder)
    except (OSError, SafetensorError) as error:
        raise _explained(final, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _delete_others(final)
    return final


def latest(folder: Path) -> Path | None:
    """The checkpoint in `folder` with the highest step, written last; None if there is none.

    One that lacks a file comes after all others, but is not passed over: to read it is an error
    that people should see, and to begin again at step 0 would delete it.
    """
    return max(_all(folder), key=lambda path: (_is_whole(path), *_place(path)), default=None)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises `CheckpointError` if it is damaged."""
    try:
        state = json.loads((path / _STATE).read_text("utf-8"))
        return Checkpoint(_place(path)[0], load_file(path / _TENSORS), state)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"the checkpoint {path} cannot be read ({error}): delete that folder and start again"
            " with `fresh=True`"
        ) from error


def _place(path: Path) -> tuple[int, int]:
    """The step of a checkpoint, and which writing of that step it is, from 1."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise ValueError("its name is not that of a checkpoint")
    return int(found[1]), int(found[2] or 1)


def _all(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def _is_whole(path: Path) -> bool:
    return all((path / name).is_file() for name in (_TENSORS, _STATE))


def _unused(folder: Path, step: int) -> Path:
    times = [_place(path)[1] for path in _all(folder) if _place(path)[0] == step]
    return folder / f"step-{step:08d}{f'.{max(times) + 1}' if times else ''}"


def _delete_others(kept: Path) -> None:
    for path in kept.parent.iterdir():
        # Of hidden folders, those of killed runs too: one run at a time writes here.
        if path != kept and (_NAME.fullmatch(path.name) or path.name.startswith(".step-")):
            shutil.rmtree(path, ignore_errors=True)


def _explained(path: Path, error: Exception) -> CheckpointError:
    # safetensors writes from Rust, whose errors carry their number only in the text.
    said = re.search(r"os error (\d+)", str(error))
    number = error.errno if isinstance(error, OSError) else int(said[1]) if said else None
    problem = "the disk is full" if number in _FULL else str(error)
    return CheckpointError(
        f"the checkpoint {path} cannot be written: {problem}; free some space there, the one"
        " before it is untouched"
    )
