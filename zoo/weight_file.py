"""A weight file, read once: what is hashed is what is loaded, copied or sent. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from eval.errors import WeightsMismatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WeightFile", "Weights", "load_file"]


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

        try:
            tensors = load(self.content)
        except SafetensorError as error:
            raise _unreadable(self.path, error) from error
        return Weights(self.path, self.sha256, tensors, _metadata(self.content))


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
    try:
        return WeightFile(path, path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error


def _metadata(content: bytes) -> dict[str, str]:
    """`__metadata__` of the header, which lies behind its length in 8 bytes."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    found: dict[str, str] = header.get("__metadata__") or {}
    return found


def _unreadable(path: Path, error: Exception) -> WeightsMismatch:
    return WeightsMismatch(
        f"{path} is not a readable safetensors file ({error}): it may be truncated; fetch or export"
        " it again"
    )
