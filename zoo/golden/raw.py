"""The fixed tensors that weights are asked about: noise computed with whole numbers.

The same bits on every machine, whatever random generator its torch has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.cards import InputSpec

IMAGES = "fixed-1"
"""Name of what `raw_images` makes: another one if it ever changes."""

N_RAW = 8
SEED = 0
_SIDE = 64
_FIELDS = 8  # an image of fields has 8 x 8 of them


def raw_size(spec: InputSpec) -> int:
    """The edge of the fixed tensors for a model that takes `spec`: at most 64 pixels.

    Networks that end in a global mean take any size. At 64 one that halves five times still has
    2 x 2 places at its end, so that every 3 x 3 kernel is asked with more than its middle; at 32
    it would have one. A pass costs a twelfth of one at 224 pixels, an eighty-eighth of one at 600.
    CIFAR's, which halve three times, have 2 x 2 places at 16; the digits are 8 and stay so.
    """
    if spec.size > _SIDE:
        return _SIDE
    return 16 if spec.size == 32 else spec.size


def raw_levels(channels: int, size: int, n: int = N_RAW, seed: int = SEED) -> NDArray[np.uint8]:
    """(n, channels, size, size): levels 0 to 255 from an integer hash of position and seed.

    The first two are noise of single pixels, the others of fields of an eighth of the edge, which
    a turned or mirrored picture shows more clearly.
    """
    shape = (n, channels, size, size)
    h = np.arange(np.prod(shape), dtype=np.uint32) ^ np.uint32(seed)
    h *= np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA77)
    h ^= h >> np.uint32(13)
    levels = (h >> np.uint32(24)).astype(np.uint8).reshape(shape)
    edge = -(-size // _FIELDS)
    corners = np.arange(size) // edge * edge
    levels[2:] = levels[2:, :, corners][..., corners]
    return levels


def raw_images(channels: int, size: int, n: int = N_RAW, seed: int = SEED) -> Tensor:
    """`raw_levels` as float32 in [0, 1]; fewer are the first ones of more."""
    return torch.from_numpy(raw_levels(channels, size, n, seed) / np.float32(255))


def raw_sha256(channels: int, size: int, n: int = N_RAW, seed: int = SEED) -> str:
    """SHA-256 of the levels."""
    return hashlib.sha256(raw_levels(channels, size, n, seed).tobytes()).hexdigest()


def answers(forward: Callable[[Tensor], Tensor], batch: Tensor) -> NDArray[np.float32]:
    """The logits of `forward`, in fp32 and without autocast around it."""
    with torch.inference_mode(), torch.autocast(batch.device.type, enabled=False):
        logits = forward(batch)
    return logits.float().cpu().numpy()
