"""From a name to a network that attacks can use: every step of the way, in order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from eval.checks import usable_device
from eval.errors import UsageError
from eval.files.paths import AnyPath
from zoo import networks
from zoo.activations.in_file import refuse_another
from zoo.cards import ForeignCard
from zoo.foreign.place import ModelLibrary
from zoo.foreign.stated import ToLoad
from zoo.golden.check import check_loaded
from zoo.model import ZooModel
from zoo.wanted import Wanted, wanted
from zoo.weights.file import read_weights
from zoo.weights.find import find_weights

if TYPE_CHECKING:
    from eval.described import Source
    from zoo.cards import ModelCard
    from zoo.weights.file import Weights

_log = logging.getLogger(__name__)

__all__ = ["from_weights", "load", "load_wanted"]


def load(
    name: AnyPath,
    *,
    weights: AnyPath | None = None,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
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
    check: bool = True,
) -> ZooModel:
    """The model `name`, ready to be attacked.

    In eval mode, parameters frozen; takes x (B, C, H, W) float32 in [0, 1] (normalisation is
    inside) and returns logits (B, classes).

    Args:
        name: as `zoo.list_models()` gives it; or "hf-hub:ORG/NAME[@REVISION]" for a model that
            timm describes, of the Hugging Face Hub; or one of a package of others, built and
            filled by it, "robustbench:DATA/THREAT/NAME" or "torchvision:MODEL/WEIGHTS"; or a file
            that ends in .safetensors.
        weights: a safetensors file to use instead of the model's own weights.
        pretrained: False for random weights.
        device: "cpu", "cuda", or "meta" for a model without memory, for planning.
        arch, activation, classes: of a file, which holds only tensors: a name of timm's, a key of
            `zoo.activations.activations.ACTIVATIONS` (by default the architecture's own, which our
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
        check: False to load weights that do not answer as their golden logits say.

    Raises:
        UsageError: unknown name, or something that must be stated is not.
        WeightsUnavailable: the weights are not on this machine, or not to be had from the Hub.
        WeightsMismatch: a file that is truncated, has another sha256 than promised, or does not
        hold exactly the network's tensors; a model that answers otherwise than on the machine
        that made its weights, where golden logits lie beside them.
        ModelError: a config.json that asks for remote code or describes nothing we can build, or a
        package of others that fails.

    """
    if weights is not None and not pretrained:
        raise UsageError(f"`weights` {weights} beside pretrained=False: leave one out")
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
    return load_wanted(wanted(name, stated, weights=weights), pretrained, str(device), check=check)


def load_wanted(
    model: Wanted, pretrained: bool = True, device: str = "cpu", *, check: bool = True
) -> ZooModel:
    """`load`, of a model whose card is known already."""
    info = model.card
    usable_device(device)
    if model.library is not None:
        return _of_library(info, model.library, pretrained, device)
    if device == "meta":
        with torch.device("meta"):
            return _frozen(ZooModel(networks.build(info), info, None))
    if not pretrained:
        return _frozen(ZooModel(networks.build(info), info, None)).to(device)
    found = find_weights(info, model.weights)
    _log.info("weights of %s: %s, %s", info.name, found.source, found.path)
    # Parsed before the network is made: the file's bytes are then gone, and two copies the most.
    weights = read_weights(info.name, found)
    return from_weights(info, weights, found.source, device, model.strip_prefix, check=check)


def from_weights(
    info: ModelCard,
    weights: Weights,
    source: Source,
    device: str = "cpu",
    strip_prefix: str | None = None,
    *,
    check: bool = True,
) -> ZooModel:
    """`load`, from tensors that were read already. Raises as `load` does."""
    net = networks.filled(info, weights, strip_prefix)
    if isinstance(info, ForeignCard):
        n_parameters = sum(p.numel() for p in net.parameters())
        info = info.model_copy(update={"parameters": n_parameters})
    if source == "file":
        refuse_another(info, weights)
    model = _frozen(ZooModel(net, info, source, weights.sha256))
    if check:  # on the CPU, where every machine computes alike
        check_loaded(model, weights.path)
    return model.to(device)


def _of_library(info: ModelCard, library: ModelLibrary, pretrained: bool, device: str) -> ZooModel:
    """A network as a package of others builds it and, if so wanted, fills it."""
    if device == "meta":
        with torch.device("meta"):
            return _frozen(ZooModel(library.bare(), info, None))
    if not pretrained:
        return _frozen(ZooModel(library.bare(), info, None)).to(device)
    filled = library.filled()
    _log.info("weights of %s: %s", info.name, library.where())
    net = filled.net.eval()
    n_parameters = sum(p.numel() for p in net.parameters())
    info = info.model_copy(update={"parameters": n_parameters})
    return _frozen(ZooModel(net, info, "library", filled.file_sha256)).to(device)


def _frozen(model: ZooModel) -> ZooModel:
    return model.eval().requires_grad_(False)
