"""One spelling for architectures and activations, so that a filter finds all of one kind."""

from __future__ import annotations

import re

from zoo.cards import ModelCard

_ACTIVATIONS = {
    "relu": "ReLU",
    "silu": "SiLU",
    "swish": "SiLU",
    "gelu": "GELU",
    "elu": "ELU",
    "celu": "CELU",
    "mish": "Mish",
    "softplus": "Softplus",
    "parametric-softplus": "Parametric Softplus",
    "smoothrelu": "SmoothReLU",
    "relu-smooth-attacker": "ReLU (smooth attacker)",
    "relu-smooth-optimizer": "ReLU (smooth optimizer)",
    "relu-smooth-backward": "ReLU (smooth backward)",
}
# ELU is smooth with alpha 1, which is what the zoo has and what papers mean by the bare name.
_KINDS = {"resnet": "ResNet", "resnext": "ResNeXt", "efficientnet": "EfficientNet"}
# How other sources abbreviate or join: ResNet50, Wide-ResNet50, WRN-28-10, ConvNextB, SwinL.
_SPELLINGS = (
    (r"^WRN-", "WideResNet-"),
    (r"^RaWRN-", "RaWideResNet-"),
    (r"^(Wide-)?ResNet(\d+)$", r"\1ResNet-\2"),
    (r"^Wide-ResNet-50$", "WideResNet-50"),
    (r"^ConvNext([TSBL])$", r"ConvNeXt-\1"),
    (r"^(ViT|Swin)([TSBL])$", r"\1-\2"),
)


def activation(name: str | None) -> str | None:
    """The activation as tables spell it; unknown stays unknown."""
    return None if name is None else _ACTIVATIONS.get(name.lower(), name)


def architecture(name: str | None) -> str | None:
    """A published architecture in the spelling that most sources use."""
    if name is None:
        return None
    for pattern, spelling in _SPELLINGS:
        name = re.sub(pattern, spelling, name)
    return name


def architecture_of(card: ModelCard) -> str:
    """The architecture of a card: ResNet-50, ResNeXt-50 32x4d, EfficientNet-B0, ResNet-18."""
    name = card.arch.removeprefix("satzoo_")
    match = re.fullmatch(r"([a-z]+?)_?([bl]?\d+)(?:_(\d+x\d+d))?(?:_(?:cifar|digits))?", name)
    if match is None or match[1] not in _KINDS:
        return card.arch
    text = f"{_KINDS[match[1]]}-{match[2].upper()}"
    if match[3]:
        text += f" {match[3]}"
    width = card.arch_args.get("width")
    return f"{text}, width {width}" if width else text
