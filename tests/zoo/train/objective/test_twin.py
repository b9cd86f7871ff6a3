import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from eval.errors import ModelError
from zoo import card, networks
from zoo.activations.activations import ReLUSmoothBackward, SmoothReLU
from zoo.cards import ModelCard
from zoo.model import ZooModel
from zoo.train.objective.twin import Twin
from zoo.train.recipe import Recipe


def moved(model: ZooModel, seed: int) -> None:
    """Random weights and statistics, as after some training."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point() and tensor.numel() > 1:
                tensor.mul_(1 + 0.2 * torch.rand(tensor.shape, generator=stream))


def build(name: str, size: int, **changes: object) -> ZooModel:
    info = card(name)
    info = info.model_copy(
        update={"input": info.input.model_copy(update={"size": size}), **changes}
    )
    return ZooModel(networks.build(info), info, None)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18-w16-smoothrelu-sat-cifar10", 32),
        ("resnet8-relu-smooth-attacker-at-digits", 8),
        ("resnet50-silu-sat", 64),
        ("efficientnet-b0-sat", 64),
    ],
)
def test_the_twin_computes_the_model_before_and_after_it_moved(name: str, size: int) -> None:
    model = build(name, size)
    n_norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    x = torch.rand(2, model.card.input.channels, size, size)
    twin = Twin(model, x)
    assert len(twin._pairs) == n_norms
    assert model.training
    for seed in (1, 2):
        moved(model, seed)
        with torch.no_grad():
            wanted, got = model.eval()(x), twin.refresh()(x)
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_the_twin_keeps_switches_and_trained_activations() -> None:
    model = build("resnet18-w16-smoothrelu-sat-cifar10", 32)
    twin = Twin(model, torch.rand(2, 3, 32, 32))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, SmoothReLU):
                module.raw.fill_(7.0)
    found = [m.raw for m in twin.refresh().modules() if isinstance(m, SmoothReLU)]
    assert [float(raw) for raw in found] == [7.0] * 17
    assert not any(raw.requires_grad for raw in found)
    switched = build("resnet8-relu-smooth-attacker-at-digits", 8)
    twin = Twin(switched, torch.rand(2, 1, 8, 8))
    sites = [m for m in twin.net.modules() if isinstance(m, ReLUSmoothBackward)]
    assert [(s.attacker, s.optimizer) for s in sites] == [(True, False)] * 7


def test_a_network_that_reads_a_convolution_twice_is_refused(tiny_card: ModelCard) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            nn.init.constant_(self.norm.weight, 3.0)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.conv(x)
            both: Tensor = out + self.norm(out)
            return both.mean((2, 3))

    with pytest.raises(ModelError, match="attack_folded: true does not fit tiny-silu-sat"):
        Twin(ZooModel(Twice(), tiny_card, None), torch.rand(2, 1, 8, 8))


class ReadsTheWeight(nn.Module):
    """Standardises by a number of the convolution's own weight, which folding would change."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        nn.init.constant_(self.norm.weight, 3.0)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x)) * self.conv.weight.abs().mean()
        return out.mean((2, 3))


class Doubles(nn.BatchNorm2d):
    """Of another class than those that are known to only scale and shift."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


class HasAHook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.conv.register_forward_hook(lambda _module, _inputs, output: output.clamp(min=0))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out.mean((2, 3))


class HasADoublingNorm(HasAHook):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = Doubles(4)


class HasAParametrization(HasAHook):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 4, 3))


@pytest.mark.parametrize("kind", [ReadsTheWeight, HasAHook, HasADoublingNorm, HasAParametrization])
def test_what_cannot_be_folded_stays_as_it_is(kind: type[nn.Module], tiny_card: ModelCard) -> None:
    model = ZooModel(kind(), tiny_card, None)
    x = torch.rand(2, 1, 8, 8)
    twin = Twin(model, x)
    assert not twin._pairs
    with torch.no_grad():
        torch.testing.assert_close(twin.refresh()(x), model.eval()(x))


def test_training_on_the_twins_images_is_training(
    recipe: Callable[..., Recipe], make_run: Callable[..., object]
) -> None:
    plain = make_run(recipe()).train()  # type: ignore[attr-defined]
    folded = make_run(recipe(attack_folded=True)).train()  # type: ignore[attr-defined]
    assert copy.copy(folded).log[0].loss == pytest.approx(plain.log[0].loss, rel=0.02)
