"""ResNet-8 for the 1x8x8 digits of scikit-learn: three stages of one basic block each."""

from typing import Any

from timm.models import generate_default_cfgs, register_model
from torch import nn

from zoo.archs.small_resnet import small_resnet

default_cfgs = generate_default_cfgs(
    {
        "satzoo_resnet8_digits": {
            "num_classes": 10,
            "input_size": (1, 8, 8),
            "fixed_input_size": False,
            "mean": (0.5,),
            "std": (0.5,),
            "first_conv": "conv1",
            "classifier": "fc",
        }
    }
)


def satzoo_resnet8_digits(
    pretrained: bool = False, *, width: int = 16, in_chans: int = 1, **kwargs: Any
) -> nn.Module:
    """Network for (B, 1, 8, 8): 16, 32 and 64 channels at 8x8, 4x4 and 2x2 pixels by default.

    width: channels of the first stage. kwargs: the arguments of `SmallResNet`.
    """
    return small_resnet(
        "satzoo_resnet8_digits",
        pretrained,
        layers=(1, 1, 1),
        width=width,
        in_chans=in_chans,
        **kwargs,
    )


register_model(satzoo_resnet8_digits)
