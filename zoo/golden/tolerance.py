"""How far logits may be from golden ones, and how that is measured.

The distance is the largest difference of a logit, in units of the spread of the golden ones: their
standard deviation within the image, or from image to image where that is smaller. So a network
whose logits are of the order of 0.1 is held to as many digits as one with 20, and one that says
nearly the same of every image is held to what it says of each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

Logits = NDArray[np.float32]

RAW: Mapping[tuple[str, str], float] = {
    ("cpu", "fp32"): 1e-3,
    ("cpu", "reduced"): 0.1,
    ("cuda", "fp32"): 1e-3,
    ("cuda", "reduced"): 0.1,
    ("mps", "fp32"): 1e-2,
}
"""By device and precision. fp32 kernels differ by 1e-6 to 1e-5; other weights by 1 or more.
"reduced": torch was told to round products, to TF32 (its default for convolutions on CUDA) or
bf16. Where they come from, and which were measured, stands in docs/golden.md."""

PICTURES = 10
"""Times as far on pictures: another JPEG decoder may differ by a level at single pixels."""


def tolerance(device: torch.device, *, of_pictures: bool = False) -> float:
    """How far logits that `device` computes now may be from golden ones."""
    allowed = RAW.get((device.type, precision(device)), RAW["mps", "fp32"])
    return min(0.1, allowed * PICTURES) if of_pictures else allowed


def precision(device: torch.device) -> str:
    """Whether this torch multiplies fp32 as such there: "fp32", or "reduced"."""
    rounds = torch.get_float32_matmul_precision() != "highest"
    if device.type == "cuda":
        rounds |= torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    return "reduced" if rounds else "fp32"


def distances(logits: Logits, golden: Logits, among: Logits | None = None) -> NDArray[np.float64]:
    """For each image, the largest difference of a logit in units of the golden ones' spread.

    logits, golden: (B, K). among: (B', K), more golden logits that say how images differ. Infinite
    where a logit is no number, or the shapes differ.
    """
    if logits.shape != golden.shape:
        return np.full(len(golden), np.inf)
    within = golden.std(1, dtype=np.float64)
    between = float((golden if among is None else among).std(0, dtype=np.float64).mean())
    spread = np.minimum(within, between) if len(golden) > 1 and between > 0 else within
    worst = np.abs(logits.astype(np.float64) - golden).max(1)
    found = worst / np.where(spread > 0, spread, 1)
    return np.where(np.isfinite(found), found, np.inf)
