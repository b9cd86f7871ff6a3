import functools
import math
from typing import Any

import pytest
import timm
import torch
from timm.models.efficientnet import _gen_efficientnet
from timm.models.resnet import Bottleneck
from torch import nn

from eval.errors import UsageError
from tests.networksize import count_parameters
from zoo import archs, networks
from zoo.activations.activations import ACTIVATIONS, Activation, SmoothReLU, attacker_pass
from zoo.archs.resnet import SatResNet
from zoo.cards import InputSpec, ModelCard

EFFICIENTNETS = {  # parameters, model variables of the release: its table of sizes
    "satzoo_efficientnet_b0": (5_288_548, 311),
    "satzoo_efficientnet_b1": (7_794_184, 439),
    "satzoo_efficientnet_b2": (9_109_994, 439),
    "satzoo_efficientnet_b3": (12_233_232, 496),
    "satzoo_efficientnet_b4": (19_341_616, 610),
    "satzoo_efficientnet_b5": (30_389_784, 738),
    "satzoo_efficientnet_b6": (43_040_704, 852),
    "satzoo_efficientnet_b7": (66_347_960, 1037),
    "satzoo_efficientnet_l1": (272_630_564, 1189),
}
RESNETS = {  # the release's variables; He et al.'s and Xie et al.'s parameter counts
    "satzoo_resnet50": (25_557_032, 267),
    "satzoo_resnet101": (44_549_160, 522),
    "satzoo_resnet152": (60_192_808, 777),
    "satzoo_resnext50_32x4d": (25_028_904, 267),
    "satzoo_resnext50_32x8d": (48_021_800, 267),
    "satzoo_resnext152_32x8d": (122_372_392, 777),
}
B0_CIFAR = "satzoo_efficientnet_b0_cifar"
SMALL = ["satzoo_resnet18_cifar", "satzoo_resnet8_digits"]


@functools.cache
def meta_network(arch: str, activation: str = "silu", **kwargs: Any) -> Any:
    with torch.device("meta"):
        return timm.create_model(arch, act_layer=ACTIVATIONS[activation], **kwargs)


def a_card(**changes: Any) -> ModelCard:
    card = ModelCard(
        name="x-sat",
        family="digits",
        arch="satzoo_resnet8_digits",
        activation="silu",
        method="sat",
        dataset="digits",
        classes=10,
        input=InputSpec(channels=1, size=8),
        threat=None,
        parameters=0,
    )
    return card.model_copy(update=changes)


# The networks as the release has them.


@pytest.mark.parametrize("arch", [*EFFICIENTNETS, *RESNETS])
def test_parameters_and_variables_are_those_of_the_release(arch: str) -> None:
    network = meta_network(arch)
    variables = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
    assert (count_parameters(network), len(variables)) == (EFFICIENTNETS | RESNETS)[arch]


@pytest.mark.parametrize("arch", [*EFFICIENTNETS, *RESNETS, *SMALL, B0_CIFAR])
def test_every_batch_norm_has_the_epsilon_and_momentum_of_the_release(arch: str) -> None:
    norms = [m for m in meta_network(arch).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}


@pytest.mark.parametrize("arch", EFFICIENTNETS)
def test_squeeze_channels_are_a_quarter_of_the_block_input(arch: str) -> None:
    for stage in meta_network(arch).blocks:
        for block in stage:
            first = block.conv_pw if hasattr(block, "conv_pwl") else block.conv_dw
            filters = first.in_channels
            assert block.se.conv_reduce.out_channels == max(1, int(0.25 * filters))


def test_efficientnet_drops_paths_and_features_in_training_only() -> None:
    network = meta_network("satzoo_efficientnet_b7")
    blocks = [block for stage in network.blocks for block in stage]
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in blocks]
    assert network.drop_rate == 0.5
    assert rates == pytest.approx([0.2 * i / len(blocks) for i in range(len(blocks))])
    small = timm.create_model("satzoo_efficientnet_b0", num_classes=3).eval()
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(small(x), small(x))


def test_resnet_50_has_49_smoothrelu_sites() -> None:
    network = meta_network("satzoo_resnet50", "smoothrelu")
    sites = {name for name, m in network.named_modules() if isinstance(m, SmoothReLU)}
    blocks = [f"layer{s + 1}.{b}" for s, n in enumerate((3, 4, 6, 3)) for b in range(n)]
    assert sites == {"act1"} | {f"{block}.act{i}" for block in blocks for i in (1, 2, 3)}
    assert len(sites) == 49
    assert "layer3.5.act3.raw" in network.state_dict()
    assert count_parameters(network) == RESNETS["satzoo_resnet50"][0] + 49


def test_resnet_state_dict_keys_are_timms() -> None:
    ours = set(meta_network("satzoo_resnet50").state_dict())
    with torch.device("meta"):
        assert ours == set(timm.create_model("resnet50").state_dict())


def test_efficientnet_state_dict_keys_are_timms() -> None:
    ours = set(meta_network("satzoo_efficientnet_b0").state_dict())
    with torch.device("meta"):
        assert ours == set(timm.create_model("tf_efficientnet_b0").state_dict())


def test_efficientnet_for_cifar_is_b0_with_two_strides_less() -> None:
    ours, b0 = meta_network(B0_CIFAR), meta_network("satzoo_efficientnet_b0", num_classes=10)
    shapes = [{key: t.shape for key, t in one.state_dict().items()} for one in (ours, b0)]
    assert shapes[0] == shapes[1]
    strided = [
        {name for name, m in one.named_modules() if getattr(m, "stride", 1) == (2, 2)}
        for one in (ours, b0)
    ]
    assert strided[1] - strided[0] == {"conv_stem", "blocks.1.0.conv_dw"}
    assert len(strided[0]) == 3
    assert ours.forward_features(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1280, 4, 4)
    maps = meta_network(B0_CIFAR, features_only=True)
    sides = [map_.shape[-1] for map_ in maps(torch.empty(1, 3, 32, 32, device="meta"))]
    assert sides == [32 // n for n in maps.feature_info.reduction()] == [32, 32, 16, 8, 4]


@pytest.mark.parametrize("arch", RESNETS)
def test_stride_lies_in_the_3x3_and_in_the_shortcut(arch: str) -> None:
    network = meta_network(arch)
    strided = {name for name, m in network.named_modules() if getattr(m, "stride", 1) == (2, 2)}
    stages = (2, 3, 4)
    assert strided == {"conv1"} | {
        f"layer{s}.0.{place}" for s in stages for place in ("conv2", "downsample.0")
    }


def test_resnet_starts_as_the_release_does() -> None:
    torch.manual_seed(0)
    network: Any = timm.create_model("satzoo_resnet50")
    assert network.fc.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert network.fc.bias.abs().max().item() == 0.0
    assert network.layer2[1].bn3.weight.abs().max().item() == 0.0
    fan_out = 9 * 128
    std = network.layer2[1].conv2.weight.std().item()
    assert std == pytest.approx(math.sqrt(2 / fan_out), rel=0.02)


@pytest.mark.parametrize(("width", "parameters"), [(16, 701_466), (64, 11_173_962)])
def test_cifar_resnet_keeps_resolution_in_the_stem(width: int, parameters: int) -> None:
    network = meta_network("satzoo_resnet18_cifar", width=width)
    assert count_parameters(network) == parameters
    maps = network.forward_features(torch.empty(1, 3, 32, 32, device="meta"))
    assert maps.shape == (1, 8 * width, 4, 4)


def test_digits_network_reads_one_channel_of_8x8_and_starts_at_finite_logits() -> None:
    network: Any = timm.create_model("satzoo_resnet8_digits")
    logits = network(torch.rand(5, 1, 8, 8))
    assert logits.shape == (5, 10)
    assert logits.isfinite().all()
    assert count_parameters(network) == 77_754


def test_the_small_networks_drop_only_in_training() -> None:
    network: Any = timm.create_model("satzoo_resnet8_digits", drop_rate=0.5, drop_path_rate=0.3)
    x = torch.rand(16, 1, 8, 8)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    assert network.forward_head(network.forward_features(x), pre_logits=True).shape == (16, 64)
    assert network.get_classifier() is network.fc


# Every activation in every kind of network.


def small_network(kind: str, activation: str) -> Any:
    """The code of each kind, with as few channels and blocks as it allows."""
    act_layer = ACTIVATIONS[activation]
    if kind == "resnext":
        network: Any = SatResNet(
            block=Bottleneck,
            layers=(1, 1, 1, 1),
            channels=(64, 64, 64, 64),
            cardinality=4,
            base_width=1,
            act_layer=act_layer,
        )
    elif kind == "efficientnet":
        network = _gen_efficientnet(  # type: ignore[no-untyped-call]
            "satzoo_efficientnet_b0", 0.2, 0.1, pad_type="same", act_layer=act_layer
        )
    else:
        network = timm.create_model(kind, in_chans=3, width=4, act_layer=act_layer)
    return network


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["resnext", "efficientnet", *SMALL])
def test_every_activation_fits_every_kind_of_network(kind: str, activation: str) -> None:
    network = small_network(kind, activation)
    own = {type(m) for m in network.modules() if isinstance(m, Activation)}
    assert own == {ACTIVATIONS[activation]}
    assert not any(isinstance(m, nn.ReLU | nn.SiLU) for m in network.modules())
    x = torch.rand(4, 3, 17, 17, requires_grad=True)
    with attacker_pass(network):
        network(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


# Building from a card.


def test_build_follows_the_card() -> None:
    card = a_card(classes=7, activation="elu", arch_args={"width": 4})
    network: Any = networks.build(card)
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 7)
    assert network.conv1.out_channels == 4


def test_build_on_the_meta_device_allocates_nothing() -> None:
    with torch.device("meta"):
        network = networks.build(a_card())
    assert {p.device.type for p in network.parameters()} == {"meta"}


def test_an_unknown_architecture_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match="'satzoo_resnet9_digits': did you mean satzoo_resnet8"):
        networks.build(a_card(arch="satzoo_resnet9_digits"))


def test_an_unknown_activation_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match=r"'selu': did you mean .*elu"):
        networks.build(a_card(activation="selu"))


def test_the_import_registers_all_names_and_registering_again_does_nothing() -> None:
    before = timm.list_models("satzoo_*")
    archs.register()
    assert timm.list_models("satzoo_*") == before
    assert set(before) == {*EFFICIENTNETS, *RESNETS, *SMALL, B0_CIFAR}
