"""From a name to a network that attacks can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eval.digest import weights_sha256
from zoo import archs, foreign_nets
from zoo.cards import ForeignCard
from zoo.file_activation import refuse_another
from zoo.filling import fill, read_weights
from zoo.foreign import Wanted, wanted
from zoo.stated import ToLoad

if TYPE_CHECKING:
    from eval.evaluation import Source
    from zoo.cards import InputSpec, ModelCard
    from zoo.weight_file import Weights


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


def load(
    name: str,
    *,
    weights: str | Path | None = None,
    pretrained: bool = True,
    device: str = "cpu",
    arch: str | None = None,
    arch_args: Mapping[str, Any] | None = None,
    activation: str | None = None,
    classes: int | None = None,
    size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
    crop_pct: float | None = None,
    dataset: str | None = None,
    strip_prefix: str | None = None,
) -> ZooModel:
    """The model `name`, ready to be attacked.

    In eval mode, parameters frozen; takes x (B, C, H, W) float32 in [0, 1] (normalisation is
    inside) and returns logits (B, classes).

    Args:
        name: as `zoo.list_models()` gives it; or "hf-hub:ORG/NAME[@REVISION]" for a model that
            timm describes, of the Hugging Face Hub; or a file that ends in .safetensors.
        weights: a safetensors file to use instead of the model's own weights.
        pretrained: False for random weights.
        device: "cpu", "cuda", or "meta" for a model without memory, for planning.
        arch, activation, classes: of a file, which holds only tensors: a name of timm's, a key of
            `zoo.activations.ACTIVATIONS` (by default the architecture's own, which our
            satzoo_resnet* and satzoo_resnext* do not have), and a number.
        arch_args: of a file: further arguments of `timm.create_model`.
        size, mean, std: the edge of the input in pixels and the normalisation, a number for each
            channel. Of a file; of a Hub model where its config.json does not say them, or to
            overrule it.
        interpolation, crop_pct: how larger pictures are made to fit, as timm does it; as above.
        dataset: the data set of a file or Hub model, a name of `eval.data.DATA_SETS`.
        strip_prefix: of a file or Hub model: take the tensors whose names begin with it, as
            "module." or "ema.", without it; "" those that have the network's own names. Others
            are left out, unless the file holds every tensor of the network just once.

    Raises:
        UsageError: unknown name, or something that must be stated is not.
        WeightsUnavailable: the weights are not on this machine, or not to be had from the Hub.
        WeightsMismatch: a file that is truncated, has another sha256 than promised, or does not
        hold exactly the network's tensors.
        ModelError: a config.json that asks for remote code or describes nothing we can build.

    """
    stated = ToLoad(
        arch=arch,
        arch_args=arch_args,
        activation=activation,
        n_classes=classes,
        size=size,
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
        interpolation=interpolation,
        crop_pct=crop_pct,
        dataset=dataset,
        strip_prefix=strip_prefix,
    )
    return load_wanted(wanted(name, stated, weights=weights), pretrained, device)


def load_wanted(model: Wanted, pretrained: bool = True, device: str = "cpu") -> ZooModel:
    """`load`, of a model whose card is known already."""
    info = model.card
    if device == "meta":
        with torch.device("meta"):
            return _frozen(ZooModel(_build(info), info, None))
    if not pretrained:
        return _frozen(ZooModel(_build(info), info, None)).to(device)
    found = model.find_weights()
    # Parsed before the network is made: the file's bytes are then gone, and two copies the most.
    weights = read_weights(info.name, found)
    return from_weights(info, weights, found.source, device, model.strip_prefix)


def from_weights(
    info: ModelCard,
    weights: Weights,
    source: Source,
    device: str = "cpu",
    strip_prefix: str | None = None,
) -> ZooModel:
    """`load`, from tensors that were read already. Raises as `load` does."""
    if isinstance(info, ForeignCard):
        net = foreign_nets.build_filled(info, weights, strip_prefix)
        n_parameters = sum(p.numel() for p in net.parameters())
        info = info.model_copy(update={"parameters": n_parameters})
    else:
        net = archs.build(info)
        fill(net, info.name, weights, strip_prefix)
    if source == "file":
        refuse_another(info, weights)
    return _frozen(ZooModel(net, info, source, weights.sha256)).to(device)


def _build(info: ModelCard) -> nn.Module:
    return foreign_nets.build(info) if isinstance(info, ForeignCard) else archs.build(info)


def _frozen(model: ZooModel) -> ZooModel:
    return model.eval().requires_grad_(False)
