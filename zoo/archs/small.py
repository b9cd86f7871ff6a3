"""The networks for small pictures as timm builds them, with `pretrained_cfg` attached."""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from zoo.archs.cifar import resnet18_cifar
from zoo.archs.digits import resnet8_digits

_LAYERS = {"first_conv": "conv1", "classifier": "fc"}

default_cfgs = generate_default_cfgs(
    {
        "satzoo_resnet8_digits": {
            "num_classes": 10,
            "input_size": (1, 8, 8),
            "fixed_input_size": False,
            "mean": (0.5,),
            "std": (0.5,),
            **_LAYERS,
        },
        "satzoo_resnet18_cifar": {
            "num_classes": 10,
            "input_size": (3, 32, 32),
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            **_LAYERS,
        },
    }
)


@register_model
def satzoo_resnet8_digits(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet-8 for digits."""
    network: nn.Module = build_model_with_cfg(
        resnet8_digits, "satzoo_resnet8_digits", pretrained, **kwargs
    )
    return network


@register_model
def satzoo_resnet18_cifar(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet-18 for CIFAR-10."""
    network: nn.Module = build_model_with_cfg(
        resnet18_cifar, "satzoo_resnet18_cifar", pretrained, **kwargs
    )
    return network
