"""The EfficientNets of the Smooth Adversarial Training release: B0 to B7 and L1.

They are timm's, built by timm's own builder with TensorFlow's "SAME" padding, and with the
epsilon 1e-5 of the release's evaluation in every batch norm (timm's TensorFlow variants: 1e-3).
L1 (width 3.9, depth 3.7) exists in the release only, B0 for pictures of 32 x 32 only here.

Source: Tan and Le 2019, arXiv 1905.11946; github.com/cihangxie/SmoothAdversarialTraining,
EfficientNet/, commit 988c080.
"""

from typing import Any, cast

from timm.models import generate_default_cfgs, register_model
from timm.models.efficientnet import _gen_efficientnet
from torch import nn

SIZES = {
    # name: channel multiplier, depth multiplier, pixels, dropout before the classifier
    "satzoo_efficientnet_b0": (1.0, 1.0, 224, 0.2),
    "satzoo_efficientnet_b1": (1.0, 1.1, 240, 0.2),
    "satzoo_efficientnet_b2": (1.1, 1.2, 260, 0.3),
    "satzoo_efficientnet_b3": (1.2, 1.4, 300, 0.3),
    "satzoo_efficientnet_b4": (1.4, 1.8, 380, 0.4),
    "satzoo_efficientnet_b5": (1.6, 2.2, 456, 0.4),
    "satzoo_efficientnet_b6": (1.8, 2.6, 528, 0.5),
    "satzoo_efficientnet_b7": (2.0, 3.1, 600, 0.5),
    "satzoo_efficientnet_l1": (3.9, 3.7, 600, 0.5),
    "satzoo_efficientnet_b0_cifar": (1.0, 1.0, 32, 0.2),
}
DROP_PATH = 0.2  # of the last block, rising linearly from 0: a survival probability of 0.8

default_cfgs = generate_default_cfgs(
    {
        name: {
            "num_classes": 10 if name.endswith("_cifar") else 1000,
            "input_size": (3, pixels, pixels),
            "interpolation": "bicubic",
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "first_conv": "conv_stem",
            "classifier": "classifier",
        }
        for name, (_, _, pixels, _) in SIZES.items()
    }
)


def _efficientnet(variant: str, pretrained: bool, **kwargs: Any) -> nn.Module:
    width, depth, _, dropout = SIZES[variant]
    defaults: dict[str, Any] = {
        "bn_eps": 1e-5,
        "pad_type": "same",
        "drop_rate": dropout,
        "drop_path_rate": DROP_PATH,
    }
    network: nn.Module = _gen_efficientnet(  # type: ignore[no-untyped-call]
        variant, width, depth, pretrained=pretrained, **(defaults | kwargs)
    )
    return network


@register_model
def satzoo_efficientnet_b0(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B0."""
    return _efficientnet("satzoo_efficientnet_b0", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b1(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B1."""
    return _efficientnet("satzoo_efficientnet_b1", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b2(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B2."""
    return _efficientnet("satzoo_efficientnet_b2", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b3(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B3."""
    return _efficientnet("satzoo_efficientnet_b3", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b4(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B4."""
    return _efficientnet("satzoo_efficientnet_b4", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b5(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B5."""
    return _efficientnet("satzoo_efficientnet_b5", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b6(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B6."""
    return _efficientnet("satzoo_efficientnet_b6", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b7(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B7."""
    return _efficientnet("satzoo_efficientnet_b7", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_l1(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-L1."""
    return _efficientnet("satzoo_efficientnet_l1", pretrained, **kwargs)


@register_model
def satzoo_efficientnet_b0_cifar(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientNet-B0 for CIFAR-10: the first two of its five strides are 1.

    What is pooled is then 4 x 4 pixels of a picture of 32 x 32, where it would be one.
    """
    network: Any = _efficientnet("satzoo_efficientnet_b0_cifar", pretrained, **kwargs)
    for convolution in (network.conv_stem, network.blocks[1][0].conv_dw):
        convolution.stride = (1, 1)
    for stage in network.feature_info:
        stage["reduction"] = max(1, stage["reduction"] // 4)
    return cast(nn.Module, network)
