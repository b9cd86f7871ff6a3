from typing import Any

import pytest
import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from zoo import archs
from zoo.archs.count import count_flops, count_parameters

archs.register()


@pytest.mark.parametrize(
    ("arch", "size"),
    [
        ("satzoo_resnext50_32x4d", (3, 97, 97)),
        ("satzoo_efficientnet_b0", (3, 101, 101)),
        ("satzoo_resnet18_cifar", (3, 32, 32)),
    ],
)
def test_flops_agree_with_torchs_own_counter(arch: str, size: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        network = timm.create_model(arch).eval()
    with FlopCounterMode(display=False) as counter:  # counts a multiply-add as two
        network(torch.empty(1, *size, device="meta"))
    assert count_flops(network, size) == counter.get_total_flops() / 2


def test_flops_of_a_known_network_are_counted_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, groups=2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(96, 5)
    )
    assert count_flops(network, (2, 4, 4)) == 6 * 16 * 9 + 96 * 5
    assert count_parameters(network) == 6 * 9 + 6 + 12 + 96 * 5 + 5


def test_counting_leaves_the_network_as_it_was() -> None:
    network: Any = timm.create_model("satzoo_resnet8_digits").train()
    network.layer1.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count_flops(network, (1, 8, 8))
    assert network.training
    assert not network.layer1.training
    assert not any(m._forward_hooks for m in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
