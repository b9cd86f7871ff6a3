"""Random numbers that are a function of (seed, image id, stage, run, step) and of nothing else.

A generator with state would make a verdict depend on the batch an image happened to share. Here
each image has a 64-bit key and the numbers are hashes of (key, counter): SplitMix64, Steele, Lea &
Flood 2014, "Fast splittable pseudorandom number generators". Integer arithmetic only, so CPU and
GPU draw the same numbers.
"""

import hashlib
import math

import torch
from torch import Tensor


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MULTIPLY_1 = _signed(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = _signed(0x94D049BB133111EB)


def image_key(seed: int, image_id: str, stage: str) -> int:
    """The 64-bit key, as a signed integer, of one image in one stage."""
    text = f"{seed}\n{stage}\n{image_id}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def split(keys: Tensor, index: Tensor | int) -> Tensor:
    """Independent keys for the sub-stream `index` (a restart, a target) of each key: (B,) int64."""
    # As a tensor, the product wraps around; as a Python integer it would overflow.
    index = torch.as_tensor(index, device=keys.device)
    return _mix(_mix(keys ^ _GAMMA) + (index + 1) * _GAMMA)


def bits(keys: Tensor, counter: int | Tensor, n: int) -> Tensor:
    """64 random bits for the counters `counter .. counter + n - 1`: keys (B,) -> (B, n) int64.

    `counter` may be a (B,) tensor: every image then reads its own place of its own stream.
    """
    steps = torch.arange(1, n + 1, device=keys.device)
    start = counter[:, None] if isinstance(counter, Tensor) else counter
    return _mix(keys[:, None] + (start + steps) * _GAMMA)


def uniform(keys: Tensor, counter: int | Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uniform float32 in [0, 1) on a grid of 2^-24: keys (B,) -> (B, *shape)."""
    drawn = bits(keys, counter, math.prod(shape))
    return (_shift_right(drawn, 40).float() * 2.0**-24).view(len(keys), *shape)


def normal(keys: Tensor, counter: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal float32 (Box & Muller 1958): keys (B,) -> (B, *shape)."""
    n = math.prod(shape)
    u = uniform(keys, counter, (2, n))
    # 1 - u lies in (0, 1], so the logarithm is finite.
    radius = torch.sqrt(-2.0 * torch.log1p(-u[:, 0]))
    return (radius * torch.cos(2 * math.pi * u[:, 1])).view(len(keys), *shape)


def signs(u: Tensor) -> Tensor:
    """-1 where a uniform number is below 1/2, else 1; any shape, which stays."""
    return torch.where(u < 0.5, -1.0, 1.0).to(u.dtype)


def _shift_right(z: Tensor, n: int) -> Tensor:
    # torch shifts int64 arithmetically; the mask removes the copies of the sign bit.
    return (z >> n) & ((1 << (64 - n)) - 1)


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift_right(z, 30)) * _MULTIPLY_1
    z = (z ^ _shift_right(z, 27)) * _MULTIPLY_2
    return z ^ _shift_right(z, 31)
