"""From a name to a network that attacks can use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from eval.errors import WeightsMismatch
from zoo import archs
from zoo.registry import card
from zoo.weights import REPAIR, Found, find_weights

if TYPE_CHECKING:
    from eval.evaluation import Source
    from zoo.cards import InputSpec, ModelCard


class ZooModel(nn.Module):
    """A network of the zoo with its normalisation in front.

    card: what it is. source: where its weights came from ("bundled", "store", "file"), None for
    random weights. net: the bare network, whose state dict is what weight files hold.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, card: ModelCard, source: Source | None) -> None:
        super().__init__()
        self.net = net
        self.card = card
        self.source = source
        _register_normalisation(self, card.input)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes)."""
        logits: Tensor = self.net((x - self.mean) / self.std)
        return logits


def _register_normalisation(model: nn.Module, spec: InputSpec) -> None:
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        buffer = torch.tensor(values).view(1, -1, 1, 1)
        # Not persistent: the card is where they stand, weight files do not repeat them.
        model.register_buffer(name, buffer, persistent=False)


def load(
    name: str,
    *,
    weights: str | Path | None = None,
    pretrained: bool = True,
    device: str = "cpu",
) -> ZooModel:
    """The model `name`, ready to be attacked.

    In eval mode, parameters frozen; takes x (B, C, H, W) float32 in [0, 1] (normalisation is
    inside) and returns logits (B, classes).

    Args:
        name: as `zoo.list_models()` gives it.
        weights: a safetensors file to use instead of the model's own weights.
        pretrained: False for random weights.
        device: "cpu", "cuda", or "meta" for a model without memory, for planning.

    Raises:
        UsageError: unknown name. WeightsUnavailable: the weights are not on this machine.
        WeightsMismatch: a file that is truncated, has another sha256 than promised, or does not
        hold exactly the network's tensors.

    """
    info = card(name)
    if device == "meta":
        with torch.device("meta"):
            return _frozen(ZooModel(archs.build(info), info, None))
    found = find_weights(info, weights) if pretrained else None
    model = ZooModel(archs.build(info), info, found.source if found else None)
    if found:
        _fill(model.net, info, found)
    return _frozen(model).to(device)


def _frozen(model: ZooModel) -> ZooModel:
    return model.eval().requires_grad_(False)


def _fill(net: nn.Module, info: ModelCard, found: Found) -> None:
    tensors = _read(info, found)
    wanted = net.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors or name not in wanted:
            has, lacks = (
                ("the file", "the network") if name in tensors else ("the network", "the file")
            )
            raise WeightsMismatch(
                f"{info.name}: {found.path} does not fit: {has} has the tensor {name!r} and {lacks}"
                " does not; use the weights of this very model"
            )
        if wanted[name].shape != tensors[name].shape:
            raise WeightsMismatch(
                f"{info.name}: {found.path} does not fit: tensor {name!r} has shape"
                f" {tuple(tensors[name].shape)}, the network needs {tuple(wanted[name].shape)};"
                " use the weights of this very model"
            )
    net.load_state_dict(tensors)


def _read(info: ModelCard, found: Found) -> dict[str, Tensor]:
    try:
        if found.sha256 is not None:
            got = hashlib.sha256(found.path.read_bytes()).hexdigest()
            if got != found.sha256:
                raise WeightsMismatch(
                    f"{info.name}: {found.path} has sha256 {got[:12]}, not {found.sha256[:12]} as"
                    f" promised: the file was changed; {REPAIR[found.source]}"
                )
        return load_file(found.path)
    except (SafetensorError, OSError) as error:
        raise WeightsMismatch(
            f"{info.name}: {found.path} is not a readable safetensors file ({error}): it may be"
            " truncated; fetch or export it again"
        ) from error
