"""A weight file, read once: what is hashed is what is loaded, copied or sent. No torch here.

`Found` says where it lies and what was promised of its bytes; `read` holds it to that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import WeightsMismatch
from eval.files.border import border, read_bytes
from zoo.weights.header import checked_header

if TYPE_CHECKING:
    from torch import Tensor

    from eval.described import Source

__all__ = ["REPAIR", "Found", "WeightFile", "Weights", "load_file", "read", "read_weights"]

REPAIR = {
    "file": "make or fetch it again",
    "bundled": "reinstall sat-zoo",
    "library": "reinstall the package that brings it",
    "store": "import it again with sat-zoo import",
    "hub": "look at it with sat-zoo pull --check, then fetch it again with sat-zoo pull",
}


_REMEDY = "it is no safetensors file, or is truncated; fetch or export it again"


@dataclass(frozen=True)
class Found:
    """A weight file and why it was taken."""

    path: Path
    source: Source
    sha256: str | None  # what the bytes must hash to; None if nobody promised anything


@dataclass(frozen=True)
class WeightFile:
    """The bytes of a weight file in memory, and all that follows from them.

    path: where they were read, for sentences only. Nothing here opens it again, so whoever replaces
    or changes the file meanwhile changes neither the digest nor the tensors.
    """

    path: Path
    content: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def weights(self) -> Weights:
        """The tensors of these bytes, a copy: the bytes may then be dropped.

        Raises `WeightsMismatch` if they are no safetensors file.
        """
        from safetensors.torch import load

        with border(self.path, WeightsMismatch, _REMEDY):
            metadata = checked_header(self.content)
            return Weights(self.path, self.sha256, load(self.content), metadata)


@dataclass(frozen=True)
class Weights:
    """Tensors, and the SHA-256 of the file's bytes that they were parsed from.

    tensors: by the file's own names, on the CPU. metadata: what the file's header says beside them.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    metadata: Mapping[str, str]


def load_file(path: Path) -> WeightFile:
    """Read a weight file, whatever it holds. Raises `WeightsMismatch` if it cannot be read."""
    with border(path, WeightsMismatch, _REMEDY):
        return WeightFile(path, read_bytes(path, "weight_bytes"))


def read(name: str, found: Found) -> WeightFile:
    """The weight file of the model `name`, read once; it is the one that was promised.

    Raises `WeightsMismatch` for a file that cannot be read or has another sha256 than promised.
    """
    try:
        file = load_file(found.path)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{name}: {error}") from error
    if found.sha256 is not None and file.sha256 != found.sha256:
        raise WeightsMismatch(
            f"{name}: {found.path} has sha256 {file.sha256[:12]}, not {found.sha256[:12]} as"
            f" promised: the file was changed; {REPAIR[found.source]}"
        )
    return file


def read_weights(name: str, found: Found) -> Weights:
    """All of the file, parsed from the very bytes that were verified; raises as `read`."""
    file = read(name, found)
    try:
        return file.weights()
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{name}: {error}") from error
