"""Every activation of the zoo, one class each, usable as timm's `act_layer`.

Each class states its formula, how smooth it is and where it comes from. All of them take `x` of
any shape and return a tensor of the same shape and dtype. `inplace` is accepted because timm
passes it; only ReLU obeys, since its gradient can be told from its output without loss.

Smoothness: "C0" continuous; "C1" the first derivative is continuous too; "C-infinity" every one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from eval.errors import UsageError
from zoo.activations.derivatives import (
    LINEAR_ABOVE,
    SHARPNESS,
    ReLUWithSoftplusGradient,
    SmoothReLUFunction,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "ReLUSmoothBackward",
    "SmoothReLU",
    "attacker_pass",
    "set_backward",
]

SAT = "Xie et al. 2020, arXiv 2006.14536"


class Activation(nn.Module):
    """What all activations share: they say what they are."""

    formula: ClassVar[str]
    smoothness: ClassVar[Literal["C0", "C1", "C-infinity"]]
    source: ClassVar[str]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()


class ReLU(Activation):
    """max(x, 0); the derivative at 0 is 0, as torch and TensorFlow have it."""

    formula = "max(x, 0)"
    smoothness = "C0"
    source = "Nair and Hinton 2010"

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.relu(x, inplace=self.inplace)


class SiLU(Activation):
    """x * sigmoid(x), Swish with beta 1."""

    formula = "x * sigmoid(x)"
    smoothness = "C-infinity"
    source = "Elfwing et al. 2017, arXiv 1702.03118"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.silu(x)


class GELU(Activation):
    """The tanh form, the one the released checkpoints were trained with."""

    formula = "x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))"
    smoothness = "C-infinity"
    source = "Hendrycks and Gimpel 2016, arXiv 1606.08415, the approximation"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.gelu(x, approximate="tanh")


class GELUExact(Activation):
    """x * Phi(x), as the paper defines GELU; differs from the tanh form by up to 5e-4."""

    formula = "x * Phi(x)"
    smoothness = "C-infinity"
    source = "Hendrycks and Gimpel 2016, arXiv 1606.08415"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.gelu(x)


class Softplus(Activation):
    """log(1 + exp(x)), the plain one of the released code."""

    formula = "log(1 + exp(x))"
    smoothness = "C-infinity"
    source = "Dugas et al. 2000"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.softplus(x, threshold=LINEAR_ABOVE)


class ParametricSoftplus(Activation):
    """Softplus sharpened towards ReLU: for alpha to infinity it is ReLU."""

    formula = "log(1 + exp(alpha x)) / alpha, alpha = 10"
    smoothness = "C-infinity"
    source = SAT

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.softplus(x, beta=SHARPNESS, threshold=LINEAR_ABOVE)


class ELU(Activation):
    """alpha (exp(x) - 1) for negative x. Continuously differentiable for alpha = 1 only."""

    formula = "x if x >= 0 else alpha (exp(x) - 1), alpha = 1"
    smoothness = "C1"
    source = "Clevert et al. 2015, arXiv 1511.07289"

    def __init__(self, inplace: bool = False, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.elu(x, self.alpha)


class CELU(Activation):
    """ELU rescaled so that the derivative is continuous for every alpha."""

    formula = "x if x >= 0 else alpha (exp(x / alpha) - 1), alpha = 1"
    smoothness = "C1"
    source = "Barron 2017, arXiv 1704.07483"

    def __init__(self, inplace: bool = False, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.celu(x, self.alpha)


class Mish(Activation):
    """x * tanh(softplus(x))."""

    formula = "x * tanh(log(1 + exp(x)))"
    smoothness = "C-infinity"
    source = "Misra 2019, arXiv 1908.08681"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return functional.mish(x)


class SmoothReLU(Activation):
    """ReLU's positive side bent so that the derivative rises from 0; zero for negative x.

    raw: learnable, shape (1,), one per site; beta = raw^2 = 400 at the start, nearly ReLU.

    Differs from the released code at raw = 0 only, where that divides by zero: here the limit,
    0, with gradient 0. `raw` wants no weight decay: the released code decays kernels only.
    """

    formula = "max(0, x - log(1 + beta |x|) / beta), beta = raw^2, raw learnable from 20"
    smoothness = "C1"
    source = f"{SAT}; raw and its start: the released code"

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((1,), 20.0))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        out: Tensor = SmoothReLUFunction.apply(x, self.raw)
        return out


class ReLUSmoothBackward(Activation):
    """ReLU forward; backward of Parametric Softplus in the passes that ask for it.

    attacker:  inside `attacker_pass(model)`, the smooth derivative is used.
    optimizer: outside of it, in training mode, the smooth derivative is used.

    Outside `attacker_pass` in evaluation mode it is plain ReLU in both directions, so whoever
    measures a trained network attacks the true function. The derivative is chosen when the
    forward pass runs: a backward call after the `with` still belongs to the attacker.
    """

    formula = "forward max(x, 0); derivative sigmoid(10 x) where switched on"
    smoothness = "C0"
    source = f"{SAT}, the study of gradient quality"

    attacker = True
    optimizer = True
    is_attacking = False

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        if self.attacker if self.is_attacking else self.optimizer and self.training:
            out: Tensor = ReLUWithSoftplusGradient.apply(x)
            return out
        return functional.relu(x)


class ReLUSmoothAttacker(ReLUSmoothBackward):
    """`ReLUSmoothBackward` for the attacker's passes only."""

    optimizer = False


class ReLUSmoothOptimizer(ReLUSmoothBackward):
    """`ReLUSmoothBackward` for the optimizer's passes only."""

    attacker = False


def set_backward(model: nn.Module, *, attacker: bool, optimizer: bool) -> None:
    """Choose, for every `ReLUSmoothBackward` in `model`, whose passes get the smooth derivative.

    Raises `UsageError` if the model has none: the choice would silently mean nothing.
    """
    sites = _sites(model)
    if not sites:
        raise UsageError(
            "set_backward: the model has no activation with a switchable derivative;"
            " build it with the activation relu-smooth-backward"
        )
    for site in sites:
        site.attacker = attacker
        site.optimizer = optimizer


@contextmanager
def attacker_pass(model: nn.Module) -> Iterator[None]:
    """Mark the forward passes inside as the attacker's; a model without such sites is untouched."""
    sites = [(site, site.is_attacking) for site in _sites(model)]
    for site, _ in sites:
        site.is_attacking = True
    try:
        yield
    finally:
        for site, before in sites:
            site.is_attacking = before


def _sites(model: nn.Module) -> list[ReLUSmoothBackward]:
    return [module for module in model.modules() if isinstance(module, ReLUSmoothBackward)]


ACTIVATIONS: Mapping[str, type[Activation]] = MappingProxyType(
    {
        "relu": ReLU,
        "silu": SiLU,
        "gelu": GELU,
        "gelu-exact": GELUExact,
        "softplus": Softplus,
        "parametric-softplus": ParametricSoftplus,
        "elu": ELU,
        "celu": CELU,
        "mish": Mish,
        "smoothrelu": SmoothReLU,
        "relu-smooth-backward": ReLUSmoothBackward,
        "relu-smooth-attacker": ReLUSmoothAttacker,
        "relu-smooth-optimizer": ReLUSmoothOptimizer,
    }
)
