"""ResNet-18 for 3x32x32 pictures: 3x3 stem, no max-pool, four stages of two basic blocks."""

from typing import Any

from zoo.archs.small_resnet import SmallResNet


def resnet18_cifar(*, width: int = 64, **kwargs: Any) -> SmallResNet:
    """Network for (B, 3, 32, 32); 11.2 million parameters at width 64, 0.7 million at 16.

    width: channels of the first stage. kwargs: the arguments of `SmallResNet`.
    """
    return SmallResNet((2, 2, 2, 2), width, **kwargs)
