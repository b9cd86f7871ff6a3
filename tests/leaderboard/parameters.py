"""How many numbers a network trains, counted from its definition: what settles `parameters`.

Only definitions by papers, in closed form, so that a count takes no time and no memory. A name of
several readings gives several counts: PreActResNet-18 has a norm before the mean or none, Swin-B
windows of 7 or 12 pixels, a bare ViT-B names no patch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from zoo.registry import card

CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}


def by_name(architecture: str, dataset: str) -> int | None:
    """Of an architecture as `leaderboard.names` spells it; None where its name leaves it open."""
    found = readings(architecture, dataset)
    return found[0] if len(found) == 1 else None


def readings(architecture: str, dataset: str) -> tuple[int, ...]:
    """Every count that the name may mean; none for a name that this file does not know."""
    if dataset == "imagenet":
        return _OF_IMAGENET.get(architecture, ())
    if wide := re.fullmatch(r"WideResNet-(\d+)-(\d+)", architecture):
        return (wide_resnet(int(wide[1]), int(wide[2]), CLASSES[dataset]),)
    return preact_resnet18(CLASSES[dataset]) if architecture == "PreActResNet-18" else ()


def wide_resnet(depth: int, width: int, n_classes: int) -> int:
    """Of Zagoruyko and Komodakis 2016, table 1: three groups of (depth - 4) / 6 basic blocks.

    Convolutions have no bias; batch norm stands before each of them, and once before the mean.
    """
    n_blocks, rest = divmod(depth - 4, 6)
    assert rest == 0
    channels = [16, 16 * width, 32 * width, 64 * width]
    blocks = sum(_preact_blocks(of, to, n_blocks) for of, to in pairwise(channels))
    return 3 * 16 * 9 + blocks + 2 * channels[-1] + _linear(channels[-1], n_classes)


def preact_resnet18(n_classes: int) -> tuple[int, int]:
    """Without and with a batch norm before the mean: Wong 2020 has none, Rice 2020 has one."""
    blocks = sum(_preact_blocks(of, to, 2) for of, to in pairwise([64, 64, 128, 256, 512]))
    plain = 3 * 64 * 9 + blocks + _linear(512, n_classes)
    return plain, plain + 2 * 512


def _preact_blocks(channels: int, to: int, n: int) -> int:
    """Basic blocks, of which the first leads from `channels` to `to`."""
    total = channels * to if channels != to else 0  # the shortcut's convolution
    for of in (channels, *[to] * (n - 1)):
        total += 2 * of + 9 * of * to + 2 * to + 9 * to * to
    return total


def resnet(blocks: Sequence[int], *, bottleneck: bool = True, width: int = 1) -> int:
    """Of He et al. 2016, table 1; width: of the 3x3 convolutions of Zagoruyko's ResNet-50-2."""
    total, of = 3 * 64 * 49 + 2 * 64, 64
    for stage, n in enumerate(blocks):
        inner = 64 * 2**stage * width
        to = 256 * 2**stage if bottleneck else inner
        for _ in range(n):
            if bottleneck:
                total += of * inner + 9 * inner * inner + inner * to + 4 * inner + 2 * to
            else:
                total += 9 * of * to + 9 * to * to + 4 * to
            total += of * to + 2 * to if of != to else 0
            of = to
    return total + _linear(of, 1000)


def convnext(depths: Sequence[int], d: int) -> int:
    """Of Liu et al. 2022, appendix A: d channels, twice as many in each stage."""
    total = 3 * d * 16 + d + 2 * d
    for stage, n in enumerate(depths):
        of = d * 2**stage
        total += n * (49 * of + of + 2 * of + _linear(of, 4 * of) + _linear(4 * of, of) + of)
        if stage + 1 < len(depths):
            total += 2 * of + 4 * of * 2 * of + 2 * of
    return total + 2 * of + _linear(of, 1000)


def vit(d: int, patch: int) -> int:
    """Of Dosovitskiy et al. 2021: 12 layers on pictures of 224 pixels, with a class token."""
    tokens = 1 + (224 // patch) ** 2
    return 3 * patch**2 * d + d + d + tokens * d + 12 * _layer(d) + 2 * d + _linear(d, 1000)


def swin(d: int, heads: int, window: int) -> int:
    """Of Liu et al. 2021, table 7: depths 2, 2, 18, 2; heads: of the first stage."""
    total = 3 * 16 * d + d + 2 * d
    for stage, n in enumerate((2, 2, 18, 2)):
        of = d * 2**stage
        total += n * (_layer(of) + (2 * window - 1) ** 2 * heads * 2**stage)
        if stage < 3:
            total += 4 * of * 2 * of + 2 * 4 * of
    return total + 2 * of + _linear(of, 1000)


def _layer(d: int) -> int:
    """Of a transformer: two norms, queries, keys and values, their projection, two layers."""
    return 4 * d + _linear(d, 3 * d) + _linear(d, d) + _linear(d, 4 * d) + _linear(4 * d, d)


def _linear(of: int, to: int) -> int:
    return of * to + to


_OF_IMAGENET: dict[str, tuple[int, ...]] = {
    "ResNet-18": (resnet((2, 2, 2, 2), bottleneck=False),),
    "ResNet-50": (resnet((3, 4, 6, 3)),),
    "ResNet-101": (resnet((3, 4, 23, 3)),),
    "ResNet-152": (resnet((3, 8, 36, 3)),),
    "WideResNet-50-2": (resnet((3, 4, 6, 3), width=2),),
    "ConvNeXt-T": (convnext((3, 3, 9, 3), 96),),
    "ConvNeXt-S": (convnext((3, 3, 27, 3), 96),),
    "ConvNeXt-B": (convnext((3, 3, 27, 3), 128),),
    "ConvNeXt-L": (convnext((3, 3, 27, 3), 192),),
    "DeiT-Small": (vit(384, 16),),
    "ViT-B": (vit(768, 16), vit(768, 32)),
    "ViT-S": (vit(384, 16), vit(384, 32)),
    "Swin-B": (swin(128, 4, 7), swin(128, 4, 12)),
    "Swin-L": (swin(192, 6, 7), swin(192, 6, 12)),
    "EfficientNet-B0": (card("efficientnet-b0-sat").parameters,),
    "EfficientNet-B3": (card("efficientnet-b3-sat").parameters,),
}
