"""Files of `torch.save`, read as data only: whatever needs code to be run is refused.

The bytes are read once, looked at, hashed, and then given to `torch.load(weights_only=True)`, which
builds tensors and plain containers and names the first thing that is neither. No torch at import.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.errors import UsageError, WeightsMismatch, first_line
from eval.files.border import border, plain, read_bytes
from eval.files.limits import check

__all__ = ["PICKLES", "Pickled", "data_only", "read_pickled", "refuse_pickle"]

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tar")
"""How names of files end that hold pickles."""

_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_UNPICKLER = re.compile(r"WeightsUnpickler error:\s*([^\n]+)")
_REMEDY = "it is no whole file of torch.save; fetch or save it again"


@dataclass(frozen=True)
class Pickled:
    """What a file of `torch.save` holds, and the SHA-256 of its bytes."""

    path: Path
    sha256: str
    n_bytes: int
    content: Any = field(repr=False)


def refuse_pickle(name: str) -> None:
    """Raises `UsageError`, with the command that turns it into safetensors, for a pickle's name."""
    if name.lower().endswith(PICKLES):
        raise UsageError(
            f"{name} is no safetensors file, and no other format is opened, since a pickle can run"
            f" code: turn it into one, without running any, with: sat-zoo convert {name}"
        )


def read_pickled(path: Path) -> Pickled:
    """The file of `torch.save` at `path`, on the CPU; no code of it runs.

    Raises `WeightsMismatch` for one that is truncated, larger than the limits, packed to unfold,
    or needs code: then with the name of what it asks for.
    """
    import torch

    with data_only() as files:
        content = torch.load(path, map_location="cpu")
    return Pickled(path, files[-1].sha256, files[-1].n_bytes, content)


@contextmanager
def data_only() -> Iterator[list[Pickled]]:
    """Whatever this thread reads within by `torch.load`, also libraries of others, is data only.

    Gives the list of files that were read, which grows; of what is in them `content` has it. What
    libraries print goes to stderr: stdout belongs to the answer of a command.
    """
    import sys

    import torch

    owner, files, theirs = threading.get_ident(), list[Pickled](), torch.load

    def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != owner:
            return theirs(f, map_location, *args, **kwargs)
        if hasattr(f, "read"):
            return theirs(f, map_location=map_location, weights_only=True)
        files.append(_read(Path(f), map_location, theirs))
        return files[-1].content

    torch.load = load
    try:
        with redirect_stdout(sys.stderr):
            yield files
    finally:
        torch.load = theirs


def _read(path: Path, map_location: Any, load: Any) -> Pickled:
    with border(path, WeightsMismatch, _REMEDY):
        content = read_bytes(path, "weight_bytes")
        _check_form(content)
    with border(path, WeightsMismatch, _REMEDY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protocols: what cannot be read is an error below
        try:
            found = load(io.BytesIO(content), map_location=map_location, weights_only=True)
        except Exception as error:  # of the unpickler, the archive, the tensors
            said = str(error)
            asked = "a TorchScript program" if "TorchScript" in said else _first(_GLOBAL, said)
            if asked is None:
                raise ValueError(_first(_UNPICKLER, said) or first_line(error)) from error
            raise WeightsMismatch(
                f"{plain(str(path), 1000)} asks for {plain(asked)} to be called while it is read,"
                " and a pickle that may call things can run any code: it is refused; save the state"
                " dict alone where it was made, with torch.save(model.state_dict(), FILE)"
            ) from error
    with border(path, WeightsMismatch, "save its state dict again without views"):
        _check_size(found, len(content))
    return Pickled(path, hashlib.sha256(content).hexdigest(), len(content), found)


def _first(pattern: re.Pattern[str], said: str) -> str | None:
    match = pattern.search(said)
    return match[1] if match else None


def _check_form(content: bytes) -> None:
    """Raises `ValueError` for what `torch.save` does not write. The border is around it."""
    if content[:512].lstrip()[:1] == b"<":
        raise ValueError("it is a web page: the download has failed")
    if not content.startswith(b"PK"):
        if not content.startswith(b"\x80"):
            raise ValueError("it begins like no pickle and like no archive")
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
    check("tensors", len(members), "members")
    # torch.save packs nothing: what is larger inside than outside was made to fill a memory.
    if any(one.compress_type != zipfile.ZIP_STORED for one in members):
        raise ValueError("its members are compressed, which torch.save never does")
    if sum(one.file_size for one in members) > len(content):
        raise ValueError("its members lie over each other")


def _check_size(found: Any, n_bytes: int) -> None:
    """Raises `ValueError` if the tensors need far more memory than the file has bytes.

    A view says any shape of a storage of one number. Tied weights stand twice in a state dict.
    """
    total = sum(one.numel() * one.element_size() for one in _tensors(found, 20))
    if total > 4 * n_bytes + 10**6:
        raise ValueError(f"its tensors would unfold to {total:,} bytes, of {n_bytes:,} in the file")


def _tensors(found: Any, depth: int, seen: set[int] | None = None) -> Iterator[Any]:
    """Every tensor in containers within containers, each container once."""
    import torch

    seen = set() if seen is None else seen
    if isinstance(found, torch.Tensor):
        yield found
    elif isinstance(found, dict | list | tuple) and depth and id(found) not in seen:
        seen.add(id(found))
        for inner in found.values() if isinstance(found, dict) else found:
            yield from _tensors(inner, depth - 1, seen)


def explained(error: Exception) -> str:
    """What went wrong in somebody else's loader, on one line."""
    return plain(f"{type(error).__name__}: {first_line(error)}")
