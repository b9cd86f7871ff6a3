"""The networks for small pictures against the same ones put together from timm's blocks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.layers.classifier import create_classifier
from timm.models.resnet import BasicBlock, make_blocks
from torch import Tensor, nn

import zoo
from zoo import archs, networks
from zoo.activations.activations import ACTIVATIONS
from zoo.archs.small_resnet import SmallResNet

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = [
    "resnet8-silu-sat-digits",
    "resnet8-relu-at-digits",
    "resnet18-w16-silu-sat-cifar10",
    "resnet18-w16-relu-at-cifar10",
]
WAYS: list[dict[str, Any]] = [
    {"layers": (1, 1, 1), "width": 16, "in_chans": 1, "activation": "silu"},
    {"layers": (2, 2, 2, 2), "width": 16, "in_chans": 3, "activation": "relu"},
    {
        "layers": (1, 2),
        "width": 4,
        "in_chans": 3,
        "activation": "smoothrelu",
        "drop_path_rate": 0.5,
    },
    {"layers": (2, 1, 1), "width": 4, "in_chans": 1, "activation": "gelu", "global_pool": "avgmax"},
    {"layers": (1, 1), "width": 4, "in_chans": 2, "activation": "elu", "num_classes": 0},
]


class OfTimm(nn.Module):
    """The same network from timm's parts."""

    def __init__(
        self,
        layers: tuple[int, ...],
        width: int,
        act_layer: type[nn.Module],
        *,
        in_chans: int,
        num_classes: int = 10,
        drop_path_rate: float = 0.0,
        global_pool: str = "avg",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = act_layer(inplace=True)
        stages, _ = make_blocks(
            (BasicBlock,) * len(layers),
            tuple(width * 2**stage for stage in range(len(layers))),
            layers,
            inplanes=width,
            act_layer=act_layer,
            norm_layer=nn.BatchNorm2d,
            drop_path_rate=drop_path_rate,
        )
        self.stages = [name for name, _ in stages]
        for name, stage in stages:
            self.add_module(name, stage)
        n_features = width * 2 ** (len(layers) - 1)
        self.global_pool, self.fc = create_classifier(
            n_features, num_classes, pool_type=global_pool
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                module.zero_init_last()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = getattr(self, name)(x)
        logits: Tensor = self.fc(self.global_pool(x))
        return logits


def both(way: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    options = dict(way)
    layers, width = options.pop("layers"), options.pop("width")
    act_layer = ACTIVATIONS[options.pop("activation")]
    torch.manual_seed(3)
    ours = SmallResNet(layers, width, act_layer=act_layer, **options)
    torch.manual_seed(3)
    return ours, OfTimm(layers, width, act_layer, **options)


def logits_and_gradient(net: nn.Module, n_channels: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(6, n_channels, 9, 9, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(5)  # of the paths that are dropped
    logits = net(x.requires_grad_())
    (gradient,) = torch.autograd.grad(logits.square().sum(), x)
    return logits, gradient


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_seed_gives_the_start_that_timms_blocks_have(way: dict[str, Any]) -> None:
    ours, theirs = (net.state_dict() for net in both(way))
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_logits_and_gradients_are_those_of_timms_blocks_to_the_bit(
    way: dict[str, Any], is_training: bool
) -> None:
    ours, theirs = (net.train(is_training) for net in both(way))
    for net in (ours, theirs):  # else nothing but the shortcuts is seen at the start
        for name, values in net.named_parameters():
            if name.endswith("bn2.weight"):
                nn.init.constant_(values, 0.7)
    found = logits_and_gradient(ours, way["in_chans"])
    expected = logits_and_gradient(theirs, way["in_chans"])
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_weights_fit_strictly_and_give_the_logits_of_timms_blocks(name: str) -> None:
    card = zoo.card(name)
    (file,) = (ROOT / "zoo" / "families").rglob(f"{name}.safetensors")
    ours = networks.build(card).eval()
    ours.load_state_dict(load_file(file), strict=True)
    assert isinstance(ours, SmallResNet)
    layers = (1, 1, 1) if card.input.channels == 1 else (2, 2, 2, 2)
    act_layer = ACTIVATIONS[card.activation]
    theirs = OfTimm(layers, 16, act_layer, in_chans=card.input.channels).eval()
    theirs.load_state_dict(load_file(file), strict=True)
    x = torch.rand(8, card.input.channels, card.input.size, card.input.size)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("arch", archs.WITHOUT_TIMM)
def test_timm_builds_the_network_that_is_built_without_it(arch: str) -> None:
    make = archs.builder(arch)
    assert make is not None
    torch.manual_seed(0)
    ours = make(width=4)
    torch.manual_seed(0)
    theirs: Any = timm.create_model(arch, width=4)
    assert type(ours) is type(theirs)
    state = theirs.state_dict()
    assert all(torch.equal(values, state[name]) for name, values in ours.state_dict().items())
    assert theirs.pretrained_cfg["first_conv"] == "conv1"


def test_another_network_has_no_builder_but_timm() -> None:
    assert archs.builder("resnet50") is None
    assert archs.builder("satzoo_resnet50") is None


@pytest.mark.parametrize(
    "code",
    [
        "import timm, zoo; zoo.load",
        "from zoo import load; import timm; load('resnet8-silu-sat-digits')",
        "from zoo import archs; archs.register(); import timm",
    ],
)
def test_timm_knows_our_names(code: str) -> None:
    check = "import torch; torch.set_default_device('meta'); timm.create_model('satzoo_resnet50')"
    command = [sys.executable, "-c", f"{code}; {check}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
