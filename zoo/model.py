"""The network of a model with its normalisation in front: what `zoo.load` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eval.definition import definition_sha256, weights_sha256

if TYPE_CHECKING:
    from eval.described import Source
    from zoo.cards import InputSpec, ModelCard


class ZooModel(nn.Module):
    """A network of the zoo with its normalisation in front.

    card: what it is. source: where its weights came from ("bundled", "store", "hub", "file",
    "library" of others), None
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
        self._loaded = None if source is None else self._digests()

    def is_as_loaded(self) -> bool:
        """Whether it computes what came from `source`; never so of random weights.

        Its weights are those, and so are its modules, its forward and its hooks: with the weights
        of one network another activation is another model.
        """
        return self._loaded == self._digests()

    def _digests(self) -> tuple[str, str]:
        return weights_sha256(self), definition_sha256(self, leave_out="_loaded")

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes)."""
        logits: Tensor = self.net((x - self.mean) / self.std)
        return logits


def _register_normalisation(model: nn.Module, spec: InputSpec) -> None:
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        buffer = torch.tensor(values).view(1, -1, 1, 1)
        # Not persistent: the card is where they stand, weight files do not repeat them.
        model.register_buffer(name, buffer, persistent=False)
