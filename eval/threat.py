"""The threat model: which changes of an image an attacker may make.

`Threat("Linf", "8/255")` is the set of all images with `|x_adv - x|_inf <= 8/255` and pixels in
[0, 1]. eps is kept as one exact fraction and its text, however it was written; a float appears
only next to tensors.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Self, SupportsFloat

from eval.errors import UsageError, unknown
from eval.files.border import plain
from eval.lengths import length, shortened
from eval.radius import Number, exact, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

NORMS = ("Linf", "L2")
_NAMES = {"inf": "Linf", "infinity": "Linf", "∞": "Linf", "2": "L2"}

Norm = str | SupportsFloat
"""How a public function takes a norm: a name, or its number, as a tensor or numpy's too."""

EXAMPLE = "`eps='8/255'`"

TOLERANCE = 1e-6
"""How far outside the ball a float32 image may lie by rounding alone."""


@dataclass(frozen=True)
class Threat:
    """A ball of radius `eps` in `norm`, cut with the pixel range [0, 1].

    Args:
        norm: "Linf" or "L2" (case does not matter; "inf", "2" and the numbers are understood).
        eps_text: the radius as a fraction "8/255" or a decimal "0.5"; pixels are in [0, 1]. It is
            kept in one spelling, so that "16/510" becomes "8/255". For a float use `Threat.of`.

    Raises:
        UsageError: unknown norm; eps that is not a number, not positive, or larger than the
            pixel range allows (Linf: above 1).

    """

    norm: str
    eps_text: str
    eps: float = field(init=False)

    def __post_init__(self) -> None:
        norm = norm_name(self.norm)
        radius = _radius(norm, self.eps_text)
        object.__setattr__(self, "norm", norm)
        object.__setattr__(self, "eps_text", text_of(radius))
        object.__setattr__(self, "eps", float(radius))

    @classmethod
    def of(cls, norm: Norm, eps: Number) -> Self:
        """The same from numbers: norm 2 or inf; eps 8/255 as a float, as numpy's, a tensor's.

        Raises `UsageError` as the constructor does, and for a float eps that is not within 1e-9 of
        k/255 or another short fraction: there the text says what is meant.
        """
        return cls(norm_name(norm), text_of(exact(eps, "eps", EXAMPLE)))

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Bring `x_adv` into the ball around `x` and into the pixel range.

        Both (B, C, H, W). Linf: the nearest such point, since both sets are boxes. L2: first the
        nearest point of the ball, then of the pixel range; because `x` lies in [0, 1], clamping
        only moves towards it, so the result is inside both (not always the nearest such point).
        """
        return self.projector(x)(x_adv.clone())

    def projector(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """`project` around one `x`: a function that changes its x_adv in place, and returns it."""
        if self.norm == "Linf":
            low, high = (x - self.eps).clamp_min_(0), (x + self.eps).clamp_max_(1)
            return lambda x_adv: x_adv.clamp_(low, high)
        return lambda x_adv: x_adv.copy_(shortened(x_adv - x, self.eps)).add_(x).clamp_(0, 1)

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


def norm_name(norm: Norm) -> str:
    """One of `NORMS` for whatever people call it: "linf", "inf", "L_2", 2, float("inf").

    Raises `UsageError` for another norm.
    """
    name = next((known for known in NORMS if is_norm(norm, known)), None)
    if name is None:
        raise unknown("norm", plain(str(norm), 40), NORMS)
    return name


def is_norm(norm: Norm, known: str) -> bool:
    """Whether `norm` is one more name of `known`, which is one of `NORMS`."""
    if not isinstance(norm, str | bool):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # then it is no number
            norm = float(norm)
    said = str(norm).strip().lower().removesuffix(".0").replace("_", "").removeprefix("l")
    return _NAMES.get(said) == known


def _radius(norm: str, said: str) -> Fraction:
    eps = exact(said, "eps", EXAMPLE)
    if eps <= 0:
        raise UsageError(f"eps {said!r} is not positive: write for example {EXAMPLE}")
    if norm == "Linf" and eps > 1:
        hint = f"; did you mean {eps}/255?" if eps.denominator == 1 and eps <= 255 else ""
        raise UsageError(
            f"eps {said!r} is above 1, the whole pixel range{hint or ': use a fraction of it'}"
        )
    return eps
