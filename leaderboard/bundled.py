"""The models of the zoo that a report may name: their cards, and what their weights are."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from eval.errors import ReportError
from zoo.cards import ModelCard
from zoo.registry import FAMILIES, card, list_models

_TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_TORCH_NAMES |= {"I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool"}


def known_card(name: str) -> ModelCard | None:
    """The card of a model of the zoo, None for a stranger's."""
    return card(name) if name in list_models() else None


def bundled_digest(info: ModelCard) -> str | None:
    """What `eval.definition.weights_sha256` says of a bundled model, read without torch."""
    if info.bundled is None:
        return None
    return _digest(FAMILIES / info.family / info.bundled.file, info.bundled.sha256)


@cache
def _digest(path: Path, sha256: str) -> str:
    """The digest of a safetensors file: of each tensor its name, dtype, shape and bytes, by name.

    The names are those of `zoo.model.ZooModel`, which keeps the network under "net".
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ReportError(f"{path} is not the file that its card names: reinstall sat-zoo")
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8:start])
    digest = hashlib.sha256()
    for name in sorted(tensors.keys() - {"__metadata__"}):
        part = tensors[name]
        dtype, shape = _TORCH_NAMES[part["dtype"]], tuple(part["shape"])
        digest.update(f"net.{name} torch.{dtype} {shape}\n".encode())
        low, high = part["data_offsets"]
        digest.update(content[start + low : start + high])
    return digest.hexdigest()
