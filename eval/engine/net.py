"""The forward and the input gradient of a model, as attacks use them: counted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from eval.engine.graphs import Road, Rungs
from eval.engine.padding import padded
from eval.ieee import ieee_fp32


class Net:
    """A model with its passes counted.

    forwards, backwards: images sent through the network so far. is_bf16: compute in bfloat16
    (images, losses and gradients stay float32 outside of the network); else in float32 with all its
    bits, on a GPU too.
    memory_format: of the images that it is given. rungs: where passes are of fixed sizes; those of
    fewer rows are padded, with rows that are dropped and not counted.
    """

    def __init__(
        self,
        model: Road,
        *,
        is_bf16: bool = False,
        memory_format: torch.memory_format = torch.contiguous_format,
        rungs: Rungs | None = None,
    ) -> None:
        self._model = model
        self._is_bf16 = is_bf16
        self._memory_format = memory_format
        self.rungs = rungs
        self.forwards = 0
        self.backwards = 0

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, K) float32 of images (B, C, H, W)."""
        self.forwards += len(x)
        given = self._padded(x).contiguous(memory_format=self._memory_format)
        with torch.no_grad(), ieee_fp32():
            return self._own(self._forward(given), len(x))

    def gradient(
        self, x: Tensor, objective: Callable[[Tensor], Tensor], *, eot: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Logits and the gradient of an objective with respect to the images.

        Args:
            x: (B, C, H, W).
            objective: logits (B, K) -> one value an image (B,). Values are summed; since images
                do not interact, each row of the gradient is its own image's.
            eot: passes to average over, for a randomised model (Athalye et al. 2018,
                arXiv 1802.00420).

        Returns:
            logits (B, K) float32 (the mean over `eot`) and gradient (B, C, H, W) float32.

        """
        self.forwards += eot * len(x)
        self.backwards += eot * len(x)
        passes = [self._one_gradient(x, objective) for _ in range(eot)]
        if eot == 1:
            return passes[0]
        logits, grads = zip(*passes, strict=True)
        return torch.stack(logits).mean(0), torch.stack(grads).mean(0)

    def _one_gradient(
        self, x: Tensor, objective: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        # Fresh images each step, so that no graph of an earlier step is kept alive.
        given = self._padded(x.detach())
        leaf = given.to(memory_format=self._memory_format, copy=True).requires_grad_()
        with torch.enable_grad(), ieee_fp32():
            logits = self._own(self._forward(leaf), len(x))
            # Asking for the input alone spares the gradients of all parameters.
            (grad,) = torch.autograd.grad(objective(logits).sum(), leaf)
        return logits.detach(), self._own(grad, len(x))

    def _forward(self, x: Tensor) -> Tensor:
        road = self._road if self.rungs is None else self.rungs.road(self._road, x)
        return road(x).float()

    def _road(self, x: Tensor) -> Tensor:
        # A graph cannot be recorded with the cache; weights that are frozen never enter it.
        with torch.autocast(
            x.device.type, torch.bfloat16, enabled=self._is_bf16, cache_enabled=False
        ):
            return self._model(x)

    def _padded(self, x: Tensor) -> Tensor:
        return x if self.rungs is None else padded(x, self.rungs.size(len(x)))

    def _own(self, rows: Tensor, n: int) -> Tensor:
        """The first `n` rows, out of memory that the next pass may overwrite."""
        return rows if self.rungs is None else rows[:n].clone()
