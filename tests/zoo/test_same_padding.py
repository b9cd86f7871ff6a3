import math
from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from zoo.archs.resnet import SameMaxPool2d


def same_pool_by_definition(x: Tensor) -> Tensor:
    """TensorFlow's rule, with an explicit padding of minus infinity."""
    pads: list[int] = []
    for n in (x.shape[-1], x.shape[-2]):
        total = max((math.ceil(n / 2) - 1) * 2 + 3 - n, 0)
        pads += [total // 2, total - total // 2]
    return functional.max_pool2d(functional.pad(x, pads, value=-math.inf), 3, stride=2)


@settings(deadline=None, max_examples=50)
@given(h=st.integers(1, 13), w=st.integers(1, 13), seed=st.integers(0, 2**31))
def test_max_pool_is_tensorflows_same_for_every_size(h: int, w: int, seed: int) -> None:
    x = torch.randn(2, 3, h, w, generator=torch.Generator().manual_seed(seed)) - 3  # all negative
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = SameMaxPool2d()(ours), same_pool_by_definition(theirs)
    assert torch.equal(out, expected)
    weights = torch.arange(out.numel(), dtype=out.dtype).view_as(out)
    torch.autograd.backward((out * weights).sum())
    torch.autograd.backward((expected * weights).sum())
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


def test_max_pool_of_an_even_size_starts_at_the_first_pixel() -> None:
    x = torch.arange(6.0).expand(1, 1, 6, 6)
    assert SameMaxPool2d()(x)[0, 0, 0].tolist() == [2.0, 4.0, 5.0]
    assert functional.max_pool2d(x, 3, 2, padding=1)[0, 0, 0].tolist() == [1.0, 3.0, 5.0]


def test_a_resnet_uses_the_same_max_pool_also_as_a_feature_extractor() -> None:
    with torch.device("meta"):
        network: Any = timm.create_model("satzoo_resnet50")
        features = timm.create_model("satzoo_resnet50", features_only=True)
    pools = [*network.modules(), *features.modules()]
    assert sum(isinstance(m, SameMaxPool2d) for m in pools) == 2
    assert not any(isinstance(m, nn.MaxPool2d) for m in pools)


# EfficientNet's padding.


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 11)])
def test_efficientnet_convolutions_pad_like_tensorflow(size: tuple[int, int]) -> None:
    network: Any = timm.create_model("satzoo_efficientnet_b0")
    stem, depthwise = network.conv_stem, network.blocks[2][0].conv_dw
    assert depthwise.kernel_size == (5, 5)
    for conv in (stem, depthwise):
        x = torch.randn(1, conv.in_channels, *size)
        pads: list[int] = []
        for n in reversed(size):
            total = max((math.ceil(n / 2) - 1) * 2 + conv.kernel_size[0] - n, 0)
            pads += [total // 2, total - total // 2]
        padded = functional.pad(x, pads)
        expected = functional.conv2d(padded, conv.weight, stride=2, groups=conv.groups)
        torch.testing.assert_close(conv(x), expected)
