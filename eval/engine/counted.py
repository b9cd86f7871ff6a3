"""A model that counts its passes, for code of others that calls it as it likes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class CountedModel(nn.Module):
    """A model that counts the images sent forward and backward through it.

    on_call: called before each pass.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = 0
        self.backwards = 0
        self.on_call: Callable[[], None] = lambda: None

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, K)."""
        self.on_call()
        # Packages reshape gradients with `view`, which needs contiguous images.
        logits: Tensor = self.model(x.contiguous())
        self.forwards += len(x)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return logits

    def passes(self) -> tuple[int, int]:
        """Images sent forward and backward so far."""
        return self.forwards, self.backwards

    def _count_backward(self, grad: Tensor) -> None:
        self.backwards += len(grad)
