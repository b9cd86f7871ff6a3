"""What imported weights answer on fixed images: their golden logits, and the digest of these.

The provenance keeps a few numbers of the first two images, with which `known.py` tells whether
another conversion of the same files answers otherwise; all logits lie in a file of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zoo import networks
from zoo.cards import ModelCard
from zoo.golden.file import Golden
from zoo.golden.record import record
from zoo.model import ZooModel

_N_KEPT = 10
_N_IMAGES = 2
_UNKNOWN = "0" * 64  # the weights have no file yet


def golden(card: ModelCard, state: Mapping[str, Tensor]) -> Golden:
    """What the weights `state` of `card` answer; `of` says of which file they become.

    Raises `WeightsMismatch` if a logit is not finite.
    """
    with torch.device("meta"):
        net = networks.build(card)
    net.load_state_dict(state, strict=True, assign=True)
    return record(ZooModel(net, card, None).eval(), _UNKNOWN)


def of(weights_sha256: str, found: Golden) -> bytes:
    """The file of golden logits beside the weight file with that digest."""
    about = found.about.model_copy(update={"weights_sha256": weights_sha256})
    return replace(found, about=about).to_bytes()


def summary(found: Golden) -> dict[str, Any]:
    """For the provenance."""
    logits = torch.from_numpy(found.raw[:_N_IMAGES])
    return {
        "images": found.about.images,
        "first_logits": logits[:, :_N_KEPT].tolist(),
        "mean": logits.mean(1).tolist(),
        "std": logits.std(1).tolist(),
        "argmax": logits.argmax(1).tolist(),
        "torch": found.about.torch,
    }
