"""Checkpoints: everything a run needs to go on at the exact step, on disk whole or not at all.

A checkpoint is a folder `step-00001234` of `tensors.safetensors` and `state.json`, no pickle, and
`sha256.json`, which holds the digests of both. It is written under a hidden name, flushed and
renamed; the good one before it stays, for the day on which the new one turns out to be damaged, and
older ones are deleted. A step that is written again gets a name of its own, `step-00001234.2`.
Whoever is killed in between leaves a whole one behind, and so does a full disk.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from eval.errors import SatZooError
from eval.files.border import plain, read_bytes, reason
from eval.files.writing import flush_to_disk, sha256_of

_log = logging.getLogger(__name__)

_TENSORS, _STATE, _DIGESTS = "tensors.safetensors", "state.json", "sha256.json"
_FORMAT = 2
"""1: without digests."""

_NAME = re.compile(r"step-(\d{8,})(?:\.(\d+))?")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class CheckpointError(SatZooError):
    """A checkpoint cannot be written or read."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint is not what a run has left; `why` says how."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, plain(why)
        super().__init__(
            f"the checkpoint {path} cannot be read ({self.why}): delete that folder and start"
            " again with `fresh=True`"
        )


@dataclass(frozen=True)
class Checkpoint:
    """What was known at one step. tensors: by name; state: JSON values.

    is_proven: its bytes are those that were written; of older ones, without digests, who knows.
    """

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]
    is_proven: bool = True


def save(folder: Path, checkpoint: Checkpoint, *, before: Path | None = None) -> Path:
    """Write a checkpoint into `folder`; returns its path.

    before: the good one that stays beside it, by default the newest; all others are deleted, and
    that first, so that the disk never holds more than these two.

    Raises `CheckpointError` if the disk is full or cannot be written: the checkpoint before is
    then untouched.
    """
    final = _unused(folder, checkpoint.step)
    fresh = folder / f".{final.name}.{os.getpid()}.{secrets.token_hex(8)}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _delete_others(folder, before or latest(folder))
        fresh.mkdir()
        tensors = {k: t.detach().cpu().contiguous() for k, t in checkpoint.tensors.items()}
        save_file(tensors, fresh / _TENSORS)
        state = {"format": _FORMAT, **checkpoint.state}
        (fresh / _STATE).write_text(json.dumps(state, allow_nan=False) + "\n", "utf-8")
        (fresh / _DIGESTS).write_text(json.dumps(_digests(fresh)) + "\n", "utf-8")
        for path in (*(fresh / name for name in (_TENSORS, _STATE, _DIGESTS)), fresh):
            flush_to_disk(path)
        fresh.rename(final)
        flush_to_disk(folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise _explained(final, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _log.info("checkpoint of step %d: %s", checkpoint.step, final)
    return final


def latest(folder: Path) -> Path | None:
    """The first of `newest_first`; None if there is none."""
    return next(iter(newest_first(folder)), None)


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in `folder` from the highest step, written last, down.

    One that lacks a file comes after all others, but is not passed over: to read it is an error
    that people should see, and to begin again at step 0 would delete it.
    """
    return sorted(_all(folder), key=lambda path: (_is_whole(path), *_place(path)), reverse=True)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises `DamagedCheckpoint` if its bytes are not those that were written, or are none of a
    checkpoint; another `CheckpointError` if they may be good but this process cannot have them.
    """
    with _border(path):
        for name in (_TENSORS, _STATE):
            if not (path / name).is_file():
                raise DamagedCheckpoint(path, f"it has no file {name}")
        is_proven = (path / _DIGESTS).exists()
        if is_proven:
            _check_digests(path)
        state = json.loads(read_bytes(path / _STATE), parse_constant=_no_number)
        if not isinstance(state, dict):
            raise DamagedCheckpoint(path, f"{_STATE} is no object")
        if state.pop("format", 1) != 1 and not is_proven:
            raise DamagedCheckpoint(path, f"it has no file {_DIGESTS}")
        return Checkpoint(_place(path)[0], load_file(path / _TENSORS), state, is_proven)


@contextmanager
def _border(path: Path) -> Iterator[None]:
    """As `eval.files.border.border`, but what only this process lacks is no damage."""
    try:
        yield
    except CheckpointError:
        raise
    except (PermissionError, MemoryError) as problem:
        raise CheckpointError(
            f"the checkpoint {path} cannot be read ({reason(problem)}): mend that, and the same"
            " command goes on"
        ) from problem
    except Exception as problem:
        raise DamagedCheckpoint(path, reason(problem)) from problem


def _digests(path: Path) -> dict[str, str]:
    return {name: sha256_of(path / name) for name in (_STATE, _TENSORS)}


def _check_digests(path: Path) -> None:
    said = json.loads(read_bytes(path / _DIGESTS))
    if not isinstance(said, dict):
        raise DamagedCheckpoint(path, f"{_DIGESTS} is no object")
    for name, digest in _digests(path).items():
        if said.get(name) != digest:
            raise DamagedCheckpoint(path, f"{name} is not what was written")


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


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


def _delete_others(folder: Path, kept: Path | None) -> None:
    for path in folder.iterdir():
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
