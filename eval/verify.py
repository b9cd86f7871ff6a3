"""What counts as an adversarial image. Nothing else in the project decides that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eval.ieee import ieee_fp32
from eval.threat import Threat


@dataclass(frozen=True)
class Verified:
    """Result for each image, (B,) bool.

    is_broken: inside the ball, inside [0, 1], finite, and misclassified.
    is_broken_8bit: is_broken, and misclassified also after rounding to 8 bits.
    """

    is_broken: Tensor
    is_broken_8bit: Tensor


def predict(model: nn.Module, x: Tensor) -> Tensor:
    """Logits (B, K) of images (B, C, H, W), whatever the caller's autocast.

    In the model's own precision: float32 with all its bits, or float64 where it computes in that.
    (Not under `inference_mode`, where a model that takes gradients in its forward would fail.)
    """
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False), ieee_fp32():
        logits: Tensor = model(x.contiguous())
    return logits if logits.dtype == torch.float64 else logits.float()


def verify(model: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor, threat: Threat) -> Verified:
    """Check claimed adversarial images with the untouched model.

    `x`, `x_adv` (B, C, H, W) float32, `y` (B,); the model returns logits (B, K). An image whose
    logits are not finite is not broken: a model that breaks down is not a successful attack.
    """
    is_inside = threat.contains(x_adv, x)
    is_broken = is_inside & _is_fooled(model, x_adv, y)
    # Only broken images are worth the second pass.
    is_broken_8bit = is_broken.clone()
    if bool(is_broken.any()):
        rounded = (x_adv[is_broken] * 255).round() / 255
        is_broken_8bit[is_broken] = _is_fooled(model, rounded, y[is_broken])
    return Verified(is_broken, is_broken_8bit)


def _is_fooled(model: nn.Module, x_adv: Tensor, y: Tensor) -> Tensor:
    # Images may hold NaN or infinities here; the model's answer to them does not count.
    logits = predict(model, torch.nan_to_num(x_adv, nan=0.0, posinf=1.0, neginf=0.0))
    return logits.isfinite().all(1) & (logits.argmax(1) != y)
