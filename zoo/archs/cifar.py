"""ResNet-18 for 3x32x32 pictures: 3x3 stem, no max-pool, four stages of two basic blocks."""

from typing import Any

from timm.models import generate_default_cfgs, register_model
from torch import nn

from zoo.archs.small_resnet import small_resnet

default_cfgs = generate_default_cfgs(
    {
        "satzoo_resnet18_cifar": {
            "num_classes": 10,
            "input_size": (3, 32, 32),
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "first_conv": "conv1",
            "classifier": "fc",
        }
    }
)


def satzoo_resnet18_cifar(pretrained: bool = False, *, width: int = 64, **kwargs: Any) -> nn.Module:
    """Network for (B, 3, 32, 32); 11.2 million parameters at width 64, 0.7 million at 16.

    width: channels of the first stage. kwargs: the arguments of `SmallResNet`.
    """
    return small_resnet(
        "satzoo_resnet18_cifar", pretrained, layers=(2, 2, 2, 2), width=width, **kwargs
    )


register_model(satzoo_resnet18_cifar)
