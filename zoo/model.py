"""The network of a model with its normalisation in front: what `zoo.load` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eval.definition import weights_sha256

if TYPE_CHECKING:
    from eval.described import Source
    from zoo.cards import InputSpec, ModelCard


class ZooModel(nn.Module):
    """A network of the zoo with its normalisation in front.

    card: what it is. source: where its weights came from ("bundled", "store", "hub", "file"), None
    for random weights. net: the bare network, whose state dict is what weight files hold.
    file_sha256: of the bytes of the weight file that was loaded, None where there was none.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        card: ModelCard,
        source: Source | None,
        file_sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.card = card
        self.source = source
        self.file_sha256 = file_sha256
        _register_normalisation(self, card.input)
        self._loaded_sha256 = None if source is None else weights_sha256(self)

    def is_as_loaded(self) -> bool:
        """Whether its tensors are those that came from `source`; never so of random weights."""
        return self._loaded_sha256 == weights_sha256(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes)."""
        logits: Tensor = self.net((x - self.mean) / self.std)
        return logits


def _register_normalisation(model: nn.Module, spec: InputSpec) -> None:
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        buffer = torch.tensor(values).view(1, -1, 1, 1)
        # Not persistent: the card is where they stand, weight files do not repeat them.
        model.register_buffer(name, buffer, persistent=False)
