"""What attacks maximise: functions of logits (B, K) and labels (B,), one value an image (B,).

All grow as the prediction gets worse for the defender.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """`-log softmax(z)_y`."""
    return F.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """`max_{i != y} z_i - z_y`: positive exactly where the image is misclassified.

    Minus infinity where a logit is not finite: such an image counts as right, see `eval.verify`,
    and no comparison with NaN may stop a search.

    Source: Carlini & Wagner 2017, arXiv 1608.04644, section V.A, f_6.
    """
    gap = _largest_other(logits, y) - _at(logits, y)
    return torch.where(is_finite(logits), gap, -torch.inf)


def is_finite(logits: Tensor) -> Tensor:
    """Which images have finite logits only: (B, K) -> (B,) bool."""
    return logits.abs().amax(1) < torch.inf  # which NaN is not


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """Difference of logits ratio, `-(z_y - max_{i != y} z_i) / (z_pi1 - z_pi3)`.

    pi sorts the logits in decreasing order. Invariant to shift and scale of the logits, which is
    what defeats models with vanishing cross-entropy gradients. With two classes the ratio would be
    constant, so the margin itself is returned.

    Source: Croce & Hein 2020, arXiv 2003.01690, equation (6).
    """
    if logits.shape[1] == 2:
        return margin(logits, y)
    top = logits.topk(3, dim=1).values
    return margin(logits, y) / (top[:, 0] - top[:, -1] + 1e-12)


def dlr_targeted(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """Targeted DLR, `-(z_y - z_t) / (z_pi1 - (z_pi3 + z_pi4) / 2)`, with target classes t (B,).

    With three classes `(z_pi3 + z_pi4) / 2` becomes z_pi3; with two the ratio would be constant, so
    `z_t - z_y` is returned.

    Source: Croce & Hein 2020, arXiv 2003.01690, equation (7).
    """
    if logits.shape[1] == 2:
        return difference(logits, y, target)
    top = logits.topk(min(4, logits.shape[1]), dim=1).values
    low = top[:, 2:].mean(dim=1)
    return difference(logits, y, target) / (top[:, 0] - low + 1e-12)


def difference(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """`z_t - z_y`: zero on the boundary between the classes y and t, both (B,)."""
    return _at(logits, target) - _at(logits, y)


def _at(logits: Tensor, index: Tensor) -> Tensor:
    return logits.gather(1, index[:, None]).squeeze(1)


def _largest_other(logits: Tensor, y: Tensor) -> Tensor:
    return logits.scatter(1, y[:, None], -torch.inf).amax(dim=1)
