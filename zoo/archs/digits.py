"""ResNet-8 for the 1x8x8 digits of scikit-learn: three stages of one basic block each."""

from typing import Any

from zoo.archs.small_resnet import SmallResNet


def resnet8_digits(*, width: int = 16, in_chans: int = 1, **kwargs: Any) -> SmallResNet:
    """Network for (B, 1, 8, 8): 16, 32 and 64 channels at 8x8, 4x4 and 2x2 pixels by default.

    width: channels of the first stage. kwargs: the arguments of `SmallResNet`.
    """
    return SmallResNet((1, 1, 1), width, in_chans=in_chans, **kwargs)
