"""The digest of bundled weights is that of the model which they are loaded into."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

import zoo
from eval.definition import weights_sha256
from leaderboard.bundled import _digest
from zoo.loading import from_weights
from zoo.weights.file import Found, read

NAME = "resnet8-silu-sat-digits"


def halved(value: Tensor) -> Tensor:
    """As files of half the size have them: convolutions and layers, and no statistics."""
    return value.half() if value.is_floating_point() and value.ndim > 1 else value


@pytest.mark.parametrize("changed", [Tensor.clone, halved, Tensor.double], ids=["32", "16", "64"])
def test_floats_of_any_size_are_digested_as_the_model_holds_them(
    changed: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    floats = zoo.load(NAME).net.state_dict()
    kept = {n: changed(v) if v.is_floating_point() else v for n, v in floats.items()}
    content = save(kept)
    path, sha256 = tmp_path / "weights.safetensors", hashlib.sha256(content).hexdigest()
    path.write_bytes(content)

    model = from_weights(zoo.card(NAME), read(NAME, Found(path, "file", sha256)).weights(), "file")

    assert {v.dtype for v in model.state_dict().values()} <= {torch.float32, torch.int64}
    assert _digest(path, sha256) == weights_sha256(model)
