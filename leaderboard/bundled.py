"""The models of the zoo that a report may name: their cards, and what their weights are."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from eval.errors import ReportError
from eval.report.report import Report
from zoo.cards import ModelCard
from zoo.registry import FAMILIES, card, own_models

_FLOATS = {"F64": "<f8", "F16": "<f2"}
"""By safetensors' names; in the model they are float32, which a file of half the size is loaded
into."""

_AS_THEY_ARE = {"F32": "float32", "I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool"}


def known_card(name: str) -> ModelCard | None:
    """The card of a model of the zoo, None for a stranger's."""
    return card(name) if name in own_models() else None


def card_of(report: Report) -> ModelCard | None:
    """The card that speaks of the model of a report: none of other weights than the bundled ones.

    Where a card has no bundled weights, nothing proves that these are the ones it means.
    """
    info = known_card(report.model.name)
    if info is None or bundled_digest(info) not in {None, report.model.weights_sha256}:
        return None
    return info


def bundled_digest(info: ModelCard) -> str | None:
    """What `eval.definition.weights_sha256` says of a bundled model, read without torch."""
    if info.bundled is None:
        return None
    return _digest(FAMILIES / info.family / info.bundled.file, info.bundled.sha256)


def bundled_name(weights_sha256: str) -> str | None:
    """The model that these weights are bundled with; None for weights that the package has not."""
    return next((n for n in own_models() if bundled_digest(card(n)) == weights_sha256), None)


@cache
def _digest(path: Path, sha256: str) -> str:
    """The digest of a safetensors file: of each tensor its name, dtype, shape and bytes, by name.

    As `zoo.model.ZooModel` holds them, which keeps the network under "net", and floats in float32.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ReportError(f"{path} is not the file that its card names: reinstall sat-zoo")
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8:start])
    digest = hashlib.sha256()
    for name in sorted(tensors.keys() - {"__metadata__"}):
        part = tensors[name]
        low, high = part["data_offsets"]
        dtype, value = _held(part["dtype"], content[start + low : start + high])
        digest.update(f"net.{name} torch.{dtype} {tuple(part['shape'])}\n".encode())
        digest.update(value)
    return digest.hexdigest()


def _held(dtype: str, value: bytes) -> tuple[str, bytes]:
    """The name of a tensor's dtype in the model, and its bytes there."""
    if dtype in _AS_THEY_ARE:
        return _AS_THEY_ARE[dtype], value
    import numpy as np  # not at import: only a file of another width needs it

    return "float32", np.frombuffer(value, _FLOATS[dtype]).astype("<f4").tobytes()
