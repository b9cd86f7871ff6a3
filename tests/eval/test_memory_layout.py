"""The layout that must not be used is not used, and heaps stay whole."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval.engine.engine import build_engine
from eval.engine.layout import memory_layout
from eval.engine.net import Net
from tests.guarded import needs_glibc, run_guarded

PAST_ITS_END = """
import ctypes, sys
import torch

tensor = torch.empty(112)
ctypes.memset(tensor.data_ptr(), 1, 4 * 112 + int(sys.argv[1]))
del tensor
"""


def strided(channels: int, kernel: int = 1, **more: Any) -> nn.Module:
    """A shortcut of a residual network, behind the convolution that reads the images."""
    more.setdefault("stride", 2)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, 32, kernel, **more)
    )


@pytest.mark.parametrize(
    "model",
    [
        strided(4),
        strided(7),  # fewer than a vector of AVX2 has
        strided(8),
        strided(15),  # fewer than one of AVX-512 has
        strided(4, stride=(1, 2)),
        strided(4, stride=3),
        strided(32, groups=8),
        nn.Conv2d(3, 64, 1, stride=2),
    ],
    ids=["4", "7", "8", "15", "one side", "3", "groups", "images"],
)
def test_a_network_with_a_narrow_strided_pointwise_convolution_keeps_the_plain_layout(
    model: nn.Module,
) -> None:
    assert memory_layout(model) == torch.contiguous_format


@pytest.mark.parametrize(
    "model",
    [strided(16), strided(64), strided(4, kernel=3), strided(4, stride=1), nn.Linear(4, 2)],
    ids=["16", "64", "3x3", "stride 1", "none"],
)
def test_any_other_network_is_channels_last(model: nn.Module) -> None:
    assert memory_layout(model) == torch.channels_last


@pytest.mark.parametrize(("channels", "layout"), [(4, "plain"), (16, "channels_last")])
def test_the_engine_sends_images_and_holds_weights_in_that_layout(
    channels: int, layout: str
) -> None:
    model = nn.Sequential(strided(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    seen: list[bool] = []

    def watch(conv: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(conv, nn.Conv2d)
        is_last = [t.is_contiguous(memory_format=torch.channels_last) for t in inputs]
        seen.extend([*is_last, conv.weight.is_contiguous(memory_format=torch.channels_last)])

    x = torch.rand(4, 3, 8, 8)
    model[0][0].register_forward_pre_hook(watch)  # its copy has the hook too
    engine = build_engine(model, x, "fp32")
    assert engine.warning == ""
    seen.clear()
    engine.search.gradient(x, lambda logits: logits.sum(1))
    assert seen == [layout == "channels_last"] * 2


def test_the_engine_asks_for_no_gradient_of_a_weight() -> None:
    asked: list[str] = []
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 1, stride=2), nn.Flatten()).eval()
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda _, name=name: asked.append(name))
    x = torch.rand(2, 3, 8, 8)
    Net(model).gradient(x, lambda logits: logits.sum(1))  # the model itself, not a copy
    assert asked == []
    model(x).sum().backward()
    assert len(asked) == 4  # as it would have been seen


@needs_glibc
def test_a_watched_heap_tells_of_one_byte_too_many() -> None:
    assert run_guarded(PAST_ITS_END, ["0"]).returncode == 0
    assert run_guarded(PAST_ITS_END, ["1"]).returncode < 0
