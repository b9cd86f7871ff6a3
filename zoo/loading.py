"""From a name to a network that attacks can use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from eval.errors import UsageError, WeightsMismatch, WeightsUnavailable
from zoo import archs
from zoo.registry import FAMILIES, card
from zoo.store import Store

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


REPAIR = {"bundled": "reinstall sat-zoo", "store": "import it again with sat-zoo import"}


@dataclass(frozen=True)
class Found:
    """A weight file and why it was taken."""

    path: Path
    source: Source
    sha256: str | None  # what the bytes must hash to; None if nobody promised anything


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


def find_weights(info: ModelCard, weights: str | Path | None = None) -> Found:
    """The weight file to use: the given one, else bundled, else imported into the local store.

    Raises `WeightsUnavailable` if there is none, `UsageError` if `weights` is no file.
    """
    if weights is not None:
        path = Path(weights)
        if not path.is_file():
            raise UsageError(f"--weights {path} is not a file: name a safetensors file")
        return Found(path, "file", None)
    if info.bundled is not None:
        return Found(FAMILIES / info.family / info.bundled.file, "bundled", info.bundled.sha256)
    stored = Store().find(info.name)
    if stored is not None:
        return Found(stored.path, "store", stored.sha256)
    official = f" import the official release with: sat-zoo import {info.name} --download," if (
        info.official
    ) else ""
    raise WeightsUnavailable(
        f"the weights of {info.name!r} are not on this machine and are not published yet:{official}"
        " pass --weights FILE.safetensors, or use a bundled model such as resnet8-silu-sat-digits"
    )


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
