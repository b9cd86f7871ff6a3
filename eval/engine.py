"""The forward and the input gradient of a model, as attacks use them, counted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Net:
    """A model with its passes counted.

    forwards, backwards: images sent through the network so far.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.forwards = 0
        self.backwards = 0

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, K) float32 of images (B, C, H, W)."""
        self.forwards += len(x)
        with torch.inference_mode():
            logits = self._forward(x)
        return logits.clone()  # outside of inference mode: an ordinary tensor

    def gradient(
        self, x: Tensor, objective: Callable[[Tensor], Tensor], *, eot: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Logits and the gradient of an objective with respect to the images.

        Args:
            x: (B, C, H, W).
            objective: logits (B, K) -> one value an image (B,). Values are summed; since images
                do not interact in eval mode, each row of the gradient is its own image's.
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
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            logits = self._forward(leaf)
            # Asking for the input alone spares the gradients of all parameters.
            (grad,) = torch.autograd.grad(objective(logits).sum(), leaf)
        return logits.detach(), grad

    def _forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self._model(x)
        return logits.float()
