"""The threat model: which changes of an image an attacker may make.

`Threat("Linf", "8/255")` is the set of all images with `|x_adv - x|_inf <= 8/255` and pixels in
[0, 1]. eps is kept as the text people write and as an exact fraction; a float appears only next
to tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from eval.errors import UsageError, unknown
from eval.lengths import length, shortened

if TYPE_CHECKING:
    from torch import Tensor

NORMS = ("Linf", "L2")

TOLERANCE = 1e-6
"""How far outside the ball a float32 image may lie by rounding alone."""


@dataclass(frozen=True)
class Threat:
    """A ball of radius `eps` in `norm`, cut with the pixel range [0, 1].

    Args:
        norm: "Linf" or "L2" (case does not matter).
        eps_text: the radius as a fraction "8/255" or a decimal "0.5"; pixels are in [0, 1].

    Raises:
        UsageError: unknown norm; eps that is not a number, not positive, or larger than the
            pixel range allows (Linf: above 1).

    """

    norm: str
    eps_text: str
    eps: float = field(init=False)

    def __post_init__(self) -> None:
        norm = {known.lower(): known for known in NORMS}.get(self.norm.lower())
        if norm is None:
            raise unknown("norm", self.norm, NORMS)
        text = str(self.eps_text).replace(" ", "")
        object.__setattr__(self, "norm", norm)
        object.__setattr__(self, "eps_text", text)
        object.__setattr__(self, "eps", float(_parse_eps(norm, text)))

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Bring `x_adv` into the ball around `x` and into the pixel range.

        Both (B, C, H, W). Linf: the nearest such point, since both sets are boxes. L2: first the
        nearest point of the ball, then of the pixel range; because `x` lies in [0, 1], clamping
        only moves towards it, so the result is inside both (not always the nearest such point).
        """
        if self.norm == "Linf":
            return x_adv.clamp(min=(x - self.eps).clamp_min(0), max=(x + self.eps).clamp_max(1))
        return (x + shortened(x_adv - x, self.eps)).clamp(0, 1)

    def distance(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Norm of `x_adv - x` for each image: (B, C, H, W) twice -> (B,), in pixel units of [0, 1].

        Computed in float64, so that the tolerance is about the images and not about this sum.
        """
        delta = (x_adv.double() - x.double()).flatten(1)
        return delta.abs().amax(dim=1) if self.norm == "Linf" else length(delta)

    def contains(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Which images are finite, in the ball and in [0, 1], both up to 1e-6: (B,) bool."""
        flat = x_adv.flatten(1)
        in_range = (flat >= -TOLERANCE).all(1) & (flat <= 1 + TOLERANCE).all(1)
        return flat.isfinite().all(1) & in_range & (self.distance(x_adv, x) <= self.eps + TOLERANCE)


def _parse_eps(norm: str, text: str) -> Fraction:
    try:
        eps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"eps {text!r} is not a number: write a fraction, 8/255, or a decimal, 0.03"
        ) from None
    if eps <= 0:
        raise UsageError(f"eps {text!r} is not positive: write for example --eps 8/255")
    if norm == "Linf" and eps > 1:
        hint = f"; did you mean {text}/255?" if eps.denominator == 1 and eps <= 255 else ""
        raise UsageError(
            f"eps {text!r} is above 1, the whole pixel range{hint or ': use a fraction of it'}"
        )
    return eps
