import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from eval.threat import Threat
from zoo.activations.activations import ReLUSmoothBackward
from zoo.train.objective.inner import Inner, perturb
from zoo.train.recipe import Recipe

LINF = Threat("Linf", "1/10")


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Counted(nn.Module):
    """Counts its forward passes and remembers in which mode they ran."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        out: Tensor = self.net(x)
        return out


@pytest.fixture
def net(tiny_net: nn.Module) -> Counted:
    return Counted(copy.deepcopy(tiny_net)).train()  # `tiny_net` is of the whole session


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(6, 3, 8, 8, generator=stream(2)), torch.arange(6) % 5


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_the_attack_reaches_the_worst_image_of_a_linear_model(seed: int) -> None:
    w = torch.randn(1, 2, 3, generator=stream(seed))
    x = 0.2 + 0.6 * torch.rand(4, 1, 2, 3, generator=stream(seed + 1))
    y = torch.tensor([0, 1, 0, 1])

    class Linear(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = (x * w).flatten(1).sum(1)
            return torch.stack([-score, score], 1)

    x_adv = perturb(Linear(), x, y, Inner(LINF, n_steps=8, step_size=0.025), stream(seed))
    side = torch.where(y == 0, 1.0, -1.0)[:, None, None, None]
    torch.testing.assert_close(x_adv, x + 0.1 * side * w.sign(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize(
    ("objective", "start"),
    [("ce", "uniform"), ("ce", "gaussian"), ("ce", "image"), ("kl", "uniform"), ("kl", "gaussian")],
)
def test_adversarial_images_lie_in_the_ball(
    net: Counted, batch: tuple[Tensor, Tensor], norm: str, objective: str, start: str
) -> None:
    threat = Threat(norm, "1/10")
    inner = Inner(threat, 2, 0.05, start=start, objective=objective, clips_start=False)  # type: ignore[arg-type]
    x_adv = perturb(net, *batch, inner, stream())
    assert bool(threat.contains(x_adv, batch[0]).all())
    assert not torch.equal(x_adv, batch[0])


def test_the_divergence_has_no_gradient_at_the_image_itself(tiny_net: nn.Module) -> None:
    """Why a recipe may not start a search for the largest divergence there."""
    x = torch.rand(6, 3, 8, 8, generator=stream(2), dtype=torch.float64).requires_grad_()
    logits = copy.deepcopy(tiny_net).double()(x)
    clean = logits.detach().softmax(1)
    divergence = F.kl_div(logits.log_softmax(1), clean, reduction="sum")
    cross_entropy = F.cross_entropy(logits, torch.arange(6) % 5, reduction="sum")
    (flat,) = torch.autograd.grad(divergence, x, retain_graph=True)
    (steep,) = torch.autograd.grad(cross_entropy, x)
    assert float(flat.abs().max()) < 1e-12 * float(steep.abs().max())


def test_the_attack_leaves_statistics_gradients_and_modes_as_they_were(
    net: Counted, batch: tuple[Tensor, Tensor]
) -> None:
    net.requires_grad_(True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    perturb(net, *batch, Inner(LINF, 3, 0.05, objective="kl"), stream())
    assert net.modes == [False] * 4  # one clean prediction, three steps
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    net.requires_grad_(False)


def test_frozen_parameters_stay_frozen(net: Counted, batch: tuple[Tensor, Tensor]) -> None:
    perturb(net, *batch, Inner(LINF, 1, 0.05), stream())
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("scale", [1e-36, 1e-25, 1e-12, 1e-3])
def test_the_inner_attack_does_not_depend_on_the_size_of_the_gradient(
    norm: str, scale: float
) -> None:
    w = 0.5 + torch.rand(3, 8, 8, generator=stream(1))

    def net(factor: float) -> nn.Module:
        class Scaled(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                score = (x * w * factor).flatten(1).sum(1)
                return torch.stack([-score, score], 1)

        return Scaled()

    x, y = 0.4 + 0.2 * torch.rand(4, 3, 8, 8, generator=stream(2)), torch.tensor([0, 1, 0, 1])
    inner = Inner(Threat(norm, "1/10"), 5, 0.03)
    wanted = perturb(net(1e-2), x, y, inner, stream())
    torch.testing.assert_close(perturb(net(scale), x, y, inner, stream()), wanted)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("n_black", [1, 5, 40])
def test_a_coordinate_whose_gradient_is_no_number_does_not_stop_the_others(
    norm: str, n_black: int
) -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            flat = x.flatten(1)
            score = flat[:, n_black:].sum(1) + (0 * flat[:, :n_black].sqrt()).sum(1)
            return torch.stack([-score, score], 1) / 64

    x = torch.full((2, 1, 8, 8), 0.5)
    x.flatten(1)[:, :n_black] = 0
    inner = Inner(Threat(norm, "1/10"), 10, 0.05, start="image")
    x_adv = perturb(Root(), x, torch.zeros(2, dtype=torch.long), inner, stream())
    rise = 0.1 if norm == "Linf" else 0.1 / (64 - n_black) ** 0.5
    torch.testing.assert_close(
        x_adv.flatten(1)[:, n_black:], torch.full((2, 64 - n_black), 0.5 + rise)
    )
    assert torch.equal(x_adv.flatten(1)[:, :n_black], torch.zeros(2, n_black))


def test_the_derivative_is_the_attackers_while_it_attacks(batch: tuple[Tensor, Tensor]) -> None:
    seen: list[bool] = []

    class Watched(ReLUSmoothBackward):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(self.is_attacking)
            return super().forward(x)

    net = nn.Sequential(nn.Conv2d(3, 5, 8), Watched(), nn.Flatten())
    perturb(net, *batch, Inner(LINF, 2, 0.05), stream())
    net(batch[0])
    assert seen == [True, True, False]


def test_the_same_stream_gives_the_same_images(net: Counted, batch: tuple[Tensor, Tensor]) -> None:
    inner = Inner(LINF, 2, 0.05)
    first, again, other = (perturb(net, *batch, inner, stream(s)) for s in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_clean_start_is_one_coin_for_the_whole_batch(batch: tuple[Tensor, Tensor]) -> None:
    x, y = batch
    flat = nn.Linear(192, 5)
    nn.init.zeros_(flat.weight)  # no gradient: the attack stays where it starts
    net = nn.Sequential(nn.Flatten(), flat)
    inner = Inner(LINF, 1, 0.05, clean_start=0.2)
    random = stream()
    moved = [(perturb(net, x, y, inner, random) != x).flatten(1).any(1) for _ in range(400)]
    assert all(bool(some.all()) or not bool(some.any()) for some in moved)
    n_clean = sum(not bool(some.any()) for some in moved)
    assert 50 <= n_clean <= 110  # 80 expected, standard deviation 8


def test_a_start_that_is_not_clipped_leaves_the_pixel_range_only_before_the_first_step() -> None:
    seen: list[Tensor] = []

    class Watched(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach())
            return x.flatten(1)[:, :2]

    x, y = torch.ones(3, 1, 4, 4), torch.zeros(3, dtype=torch.int64)
    inner = Inner(LINF, 2, 0.05, clips_start=False)
    x_adv = perturb(Watched(), x, y, inner, stream())
    assert seen[0].max() > 1
    assert seen[1].max() <= 1
    assert x_adv.max() <= 1
    perturb(Watched(), x, y, replace(inner, clips_start=True), stream())
    assert seen[2].max() <= 1


def test_bf16_searches_but_the_images_stay_fp32(net: Counted, batch: tuple[Tensor, Tensor]) -> None:
    full = perturb(net, *batch, Inner(LINF, 2, 0.05), stream())
    half = perturb(net, *batch, Inner(LINF, 2, 0.05, precision="bf16"), stream())
    assert half.dtype == torch.float32
    assert bool(LINF.contains(half, batch[0]).all())
    assert (half == full).float().mean() > 0.8  # a few signs of tiny gradients differ


def test_a_recipe_says_what_the_attack_is(recipe: Callable[..., Recipe]) -> None:
    assert Inner.of(recipe()).objective == "ce"
    assert Inner.of(recipe(loss="trades")).objective == "kl"
    assert Inner.of(recipe(loss="trades", attack_loss="ce")).objective == "ce"
    assert Inner.of(recipe()).step_size == pytest.approx(1 / 16)
