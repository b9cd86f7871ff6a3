"""The ResNets and ResNeXts of the Smooth Adversarial Training release.

They are timm's `ResNet` (stride 2 in the 3x3 convolution, as in the release) with one change:
the max-pool after the stem pads as TensorFlow's "SAME" does.

Source: github.com/cihangxie/SmoothAdversarialTraining, ResNet/, commit 988c080.
"""

from typing import Any

from timm.layers._fx import register_notrace_module
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn import functional

LAYERS_50 = (3, 4, 6, 3)
LAYERS_101 = (3, 4, 23, 3)
LAYERS_152 = (3, 8, 36, 3)

default_cfgs = generate_default_cfgs(
    {
        name: {
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "pool_size": (7, 7),
            "interpolation": "bicubic",
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "first_conv": "conv1",
            "classifier": "fc",
        }
        for name in (
            "satzoo_resnet50",
            "satzoo_resnet101",
            "satzoo_resnet152",
            "satzoo_resnext50_32x4d",
            "satzoo_resnext50_32x8d",
            "satzoo_resnext152_32x8d",
        )
    }
)


@register_notrace_module
class SameMaxPool2d(nn.Module):
    """3x3 max-pool, stride 2, padded as TensorFlow's "SAME": to ceil(H / 2) x ceil(W / 2).

    An odd side is padded by one pixel before and after, an even side by one pixel after only;
    torch's `padding=1` would shift the grid of an even side by one pixel. The padding is minus
    infinity: after a smooth activation a whole window can be negative.

    `ceil_mode` lets the last window of an even side reach over the edge, which is that padding
    without a padded copy of the largest map of the network.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2))."""
        before = (x.shape[-2] % 2, x.shape[-1] % 2)
        return functional.max_pool2d(x, 3, stride=2, padding=before, ceil_mode=True)


class SatResNet(ResNet):
    """timm's `ResNet` with the release's max-pool and the release's start of the linear layer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_module("maxpool", SameMaxPool2d())
        if isinstance(self.fc, nn.Linear):
            nn.init.normal_(self.fc.weight, std=0.01)
            nn.init.zeros_(self.fc.bias)


def _resnet(variant: str, pretrained: bool, layers: tuple[int, ...], **kwargs: Any) -> nn.Module:
    network: nn.Module = build_model_with_cfg(
        SatResNet, variant, pretrained, block=Bottleneck, layers=layers, **kwargs
    )
    return network


@register_model
def satzoo_resnet50(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet-50."""
    return _resnet("satzoo_resnet50", pretrained, LAYERS_50, **kwargs)


@register_model
def satzoo_resnet101(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet-101."""
    return _resnet("satzoo_resnet101", pretrained, LAYERS_101, **kwargs)


@register_model
def satzoo_resnet152(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet-152."""
    return _resnet("satzoo_resnet152", pretrained, LAYERS_152, **kwargs)


@register_model
def satzoo_resnext50_32x4d(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNeXt-50, 32 groups of 4 channels."""
    shape = {"cardinality": 32, "base_width": 4}
    return _resnet("satzoo_resnext50_32x4d", pretrained, LAYERS_50, **shape, **kwargs)


@register_model
def satzoo_resnext50_32x8d(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNeXt-50, 32 groups of 8 channels."""
    shape = {"cardinality": 32, "base_width": 8}
    return _resnet("satzoo_resnext50_32x8d", pretrained, LAYERS_50, **shape, **kwargs)


@register_model
def satzoo_resnext152_32x8d(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNeXt-152, 32 groups of 8 channels."""
    shape = {"cardinality": 32, "base_width": 8}
    return _resnet("satzoo_resnext152_32x8d", pretrained, LAYERS_152, **shape, **kwargs)
