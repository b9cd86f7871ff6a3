"""The local weight store: one folder a model, complete or not there.

`SAT_ZOO_HOME/store/NAME/` holds `model.safetensors` and `provenance.json`, the weights and how they
came to be, and mostly `golden.safetensors`, what they answered on fixed images. They appear
together, by one rename of a finished folder. No torch here.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from eval.errors import SatZooError, UsageError, WeightsMismatch
from eval.files.home import home
from eval.files.writing import flush_to_disk
from zoo.weights.beside import golden_beside

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Store", "Stored"]

_WEIGHTS = "model.safetensors"
_PROVENANCE = "provenance.json"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ABANDONED_S = 24 * 3600


@dataclass(frozen=True)
class Stored:
    """Weights in the store; `sha256` is what the file at `path` had when it was written."""

    path: Path
    sha256: str
    provenance: Mapping[str, Any]


class Store:
    """A weight store in the folder `root`, by default `home() / "store"`.

    A replacement moves the old folder aside, renames the new one into place and only then deletes
    the old one. Whoever is killed in between leaves both whole, and the next look puts the old
    one back. Nothing rests on a lock: of two processes that write at once, one wins whole.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = home() / "store" if root is None else root

    def put(
        self,
        name: str,
        state_dict: Mapping[str, "Tensor"],
        provenance: Mapping[str, object],
        golden: Callable[[str], bytes] | None = None,
    ) -> Path:
        """Keep the weights of the model `name`; returns their path.

        provenance: JSON values; the name, the SHA-256, the date and our version are added.
        golden: from that SHA-256 to the file of golden logits that is kept with them.

        Raises `UsageError` for a name that no model can have, `SatZooError` if the disk is full or
        cannot be written: what was stored before is then untouched.
        """
        _check_name(name)
        with _explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self._restore(name)
            self._sweep(name)
            fresh = self._hidden(name, "new")
            try:
                fresh.mkdir()
                _write(fresh, name, state_dict, provenance, golden)
                self._swap(fresh, self.root / name)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                self._restore(name)
                raise
            flush_to_disk(self.root)
        return self.root / name / _WEIGHTS

    def find(self, name: str) -> Stored | None:
        """The stored weights of the model `name`, None if there are none.

        Raises `WeightsMismatch` if somebody took a file out of the entry or broke it.
        """
        _check_name(name)
        folder = self.root / name
        if not folder.is_dir():
            self._restore(name)
        if not folder.is_dir():
            return None
        try:
            provenance = json.loads((folder / _PROVENANCE).read_text("utf-8"))
            sha256 = provenance["sha256"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise _incomplete(folder, _PROVENANCE) from error
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise _incomplete(folder, _PROVENANCE)
        if not (folder / _WEIGHTS).is_file():
            raise _incomplete(folder, _WEIGHTS)
        return Stored(folder / _WEIGHTS, sha256, provenance)

    def _swap(self, fresh: Path, final: Path) -> None:
        """Rename `fresh` to `final`; a folder that is there moves aside and is deleted after."""
        aside: list[Path] = []
        while True:
            try:
                fresh.rename(final)
                break
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            # Another process may fill the gap before we do: its folder moves aside next time.
            old = self._hidden(final.name, "old")
            with contextlib.suppress(FileNotFoundError):
                final.rename(old)
                aside.append(old)
        for old in aside:
            shutil.rmtree(old, ignore_errors=True)

    def _restore(self, name: str) -> None:
        """Put a whole folder back that a killed replacement had moved aside."""
        for old in self.root.glob(f".{name}.old.*"):
            if (old / _WEIGHTS).is_file() and (old / _PROVENANCE).is_file():
                with contextlib.suppress(OSError):  # the entry is there: nothing to put back
                    old.rename(self.root / name)

    def _sweep(self, name: str) -> None:
        """Delete what killed processes left behind."""
        for kind in ("new", "old"):
            for folder in self.root.glob(f".{name}.{kind}.*"):
                if _is_abandoned(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _hidden(self, name: str, kind: str) -> Path:
        """A fresh path beside the entry that says which process owns it."""
        owner = f"{platform.node()}.{os.getpid()}"
        return self.root / f".{name}.{kind}.{owner}.{secrets.token_hex(4)}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"model name {name!r}: only lower-case letters, digits and single hyphens can stand in"
            " one (all names: sat-zoo list)"
        )


def _incomplete(folder: Path, file: str) -> WeightsMismatch:
    return WeightsMismatch(
        f"{folder} is not complete: its {file} is missing or broken; delete the folder and import"
        f" again with: sat-zoo import {folder.name}"
    )


def _is_abandoned(folder: Path) -> bool:
    """Whether nobody works in a hidden folder: its process is dead, or it is a day old.

    A process can be asked only on its own machine: a store may lie on a disk that others mount.
    """
    host, pid, _ = folder.name.rsplit(".", 2)
    try:
        if host.endswith(f".{platform.node()}"):
            os.kill(int(pid), 0)  # signal 0 only asks
        return time.time() - folder.stat().st_mtime > _ABANDONED_S
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # somebody else's process, gone meanwhile, or not our name
        return False


def _write(
    folder: Path,
    name: str,
    state_dict: Mapping[str, "Tensor"],
    provenance: Mapping[str, object],
    golden: Callable[[str], bytes] | None,
) -> None:
    from safetensors.torch import save

    weights = folder / _WEIGHTS
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state_dict.items()}
    # The digest is of what was meant to be written: one of what the disk then says would vouch for
    # whatever happened to the bytes on their way.
    content = save(tensors, metadata={"format": "pt"})
    weights.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    record = {
        **provenance,
        "name": name,
        "sha256": sha256,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "written_by": f"sat-zoo {version('sat-zoo')}",
    }
    (folder / _PROVENANCE).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    beside = () if golden is None else (golden_beside(weights),)
    if golden is not None:
        golden_beside(weights).write_bytes(golden(sha256))
    for path in (weights, folder / _PROVENANCE, *beside, folder):
        flush_to_disk(path)


@contextlib.contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turn what the disk says into one sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        is_full = isinstance(error, OSError) and error.errno in _FULL
        problem = "the disk is full" if is_full else f"{error}"
        raise SatZooError(
            f"the weight store {root} cannot be written: {problem}; free some space there or name"
            " another folder in SAT_ZOO_HOME"
        ) from error
