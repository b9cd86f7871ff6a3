"""What imported weights answer on two fixed images: the same on every machine, or something is off.

The images are computed with whole numbers, so that they are the same bits everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eval.errors import WeightsMismatch
from zoo import networks
from zoo.cards import ModelCard
from zoo.model import ZooModel

IMAGES = "fixed-1"
"""Name of `golden_images()`: another one if they ever change."""

_SHAPE = (2, 3, 64, 64)  # networks that end in a global mean take any size; a small one is quick
_N_KEPT = 10


def golden_images() -> Tensor:
    """(2, 3, 64, 64) in [0, 1]: noise from an integer hash of the position."""
    h = np.arange(np.prod(_SHAPE), dtype=np.uint32)
    h *= np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA77)
    h ^= h >> np.uint32(13)
    levels = (h >> np.uint32(24)).astype(np.float32).reshape(_SHAPE)
    return torch.from_numpy(levels / np.float32(255))


def golden(card: ModelCard, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the weights `state` of `card` answer on `golden_images()`, for the provenance.

    Raises `WeightsMismatch` if a logit is not finite.
    """
    with torch.device("meta"):
        net = networks.build(card)
    net.load_state_dict(state, strict=True, assign=True)
    with torch.inference_mode():
        logits = ZooModel(net, card, None).eval()(golden_images())
    if not logits.isfinite().all():
        raise WeightsMismatch(
            f"{card.name}: the converted network answers with logits that are not finite: the"
            " checkpoint is damaged, or is of another network"
        )
    return {
        "images": IMAGES,
        "first_logits": logits[:, :_N_KEPT].tolist(),
        "mean": logits.mean(1).tolist(),
        "std": logits.std(1).tolist(),
        "argmax": logits.argmax(1).tolist(),
        "torch": torch.__version__,
    }
