"""The two derivatives torch does not have, as autograd functions that keep `x` and nothing more."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["LINEAR_ABOVE", "SHARPNESS", "ReLUWithSoftplusGradient", "SmoothReLUFunction"]

SHARPNESS = 10.0  # alpha of Parametric Softplus in the paper
# Above alpha * x = LINEAR_ABOVE Softplus is x to the last bit of float64. torch's own threshold,
# 20, would be visible there, in the value and as a jump of the derivative.
LINEAR_ABOVE = 40.0


class SmoothReLUFunction(torch.autograd.Function):
    """SmoothReLU that keeps only `x` and `raw` for the backward pass.

    With p = max(x, 0) and b = raw^2:
        d/dx   = b p / (1 + b p)
        d/draw = 2 raw (log(1 + b p) - b p / (1 + b p)) / b^2
    Both are 0 for x <= 0. bf16 is computed in fp32: p - log(1 + b p) / b cancels near 0.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, raw: Tensor) -> Tensor:
        """x: any shape and floating dtype; raw: (1,). Returns the shape and dtype of `x`."""
        p, b, _ = _widen(x, raw)
        return (p - (p * b).log1p_().div_(b)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep the two inputs."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of `x` and of `raw`, the second only if `raw` is trained."""
        x, raw = ctx.saved_tensors
        p, b, r = _widen(x, raw)
        u = p * b
        slope = u / (1 + u)
        wide = grad[0].to(u.dtype)
        dx = (wide * slope).to(x.dtype) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return dx, None
        draw = (wide * (u.log1p() - slope)).sum() * (2 * r / b.square())
        return dx, draw.to(raw.dtype)


def _widen(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """max(x, 0), beta and raw in fp32 or better; beta is kept off 0, where the formula is 0/0."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    r = raw.to(dtype)
    return x.to(dtype).clamp_min(0), r.square().clamp_min(1e-12), r


class ReLUWithSoftplusGradient(torch.autograd.Function):
    """max(x, 0) forward; backward multiplies by sigmoid(alpha x). Keeps only `x`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        """x: any shape and floating dtype. Returns the same."""
        return x.relu()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep the input."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        """The gradient of `x`; torch's own Softplus derivative, one fused kernel."""
        (x,) = ctx.saved_tensors
        dx: Tensor = torch.ops.aten.softplus_backward(grad[0], x, SHARPNESS, LINEAR_ABOVE)
        return dx
