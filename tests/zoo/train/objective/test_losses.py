import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.train.distributed import Ranks
from zoo.train.objective.awp import worst_weights
from zoo.train.objective.losses import Objective, mart, trades
from zoo.train.recipe import Recipe

Make = Callable[..., Recipe]


def logits(seed: int) -> Tensor:
    return torch.randn(7, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Y = torch.tensor([0, 1, 2, 3, 0, 1, 2])


def test_trades_without_a_perturbation_is_cross_entropy() -> None:
    assert trades(logits(0), logits(0), Y, 6.0).allclose(F.cross_entropy(logits(0), Y))


def test_trades_adds_beta_times_the_divergence() -> None:
    p, q = logits(0).softmax(1), logits(1).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    expected = F.cross_entropy(logits(0), Y) + 6 * divergence
    assert trades(logits(0), logits(1), Y, 6.0).allclose(expected)


def test_mart_is_its_formula() -> None:
    p, q = logits(0).softmax(1), logits(1).softmax(1)
    rows = torch.arange(7)
    wrong = q.clone()
    wrong[rows, Y] = 0
    boosted = -q[rows, Y].log() - (1 - wrong.max(1).values).log()
    divergence = (p * (p / q).log()).sum(1)
    expected = (boosted + 5 * divergence * (1 - p[rows, Y])).mean()
    # The authors' constants of 1e-4 inside a logarithm.
    assert mart(logits(0), logits(1), Y, 5.0).allclose(expected, atol=1e-3)


@pytest.mark.parametrize("loss", ["ce", "trades", "mart"])
def test_every_loss_has_finite_gradients_at_extreme_logits(recipe: Make, loss: str) -> None:
    weight = torch.tensor([[60.0], [-60.0]], requires_grad=True)
    net = nn.Linear(1, 2, bias=False)
    net.weight = nn.Parameter(weight)
    objective = Objective(net, recipe(loss=loss))
    x = torch.tensor([[3.0], [-3.0]])
    value, out = objective(x, -x, torch.tensor([0, 1]))
    value.backward()
    assert torch.equal(out, net(-x))
    assert bool(value.isfinite())
    assert net.weight.grad is not None
    assert bool(net.weight.grad.isfinite().all())


@pytest.fixture
def net(tiny_net: nn.Module) -> nn.Module:
    return copy.deepcopy(tiny_net).train().requires_grad_(True)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5


def test_weights_are_worse_inside_and_what_they_were_afterwards(
    recipe: Make, net: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    x, y = batch
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    with torch.no_grad():
        plain = float(F.cross_entropy(net(x), y))
    with worst_weights(Objective(net, recipe()), x, x, y, 0.005, Ranks()), torch.no_grad():
        worse = float(F.cross_entropy(net(x), y))
        moved = {name: float((p - before[name]).norm()) for name, p in net.named_parameters()}
    assert worse > plain
    for name, value in net.named_parameters():
        size = 0.005 * float(before[name].norm()) if value.ndim > 1 else 0.0
        assert moved[name] == pytest.approx(size, rel=1e-3)
        assert torch.equal(value, before[name])


def test_the_search_for_worse_weights_moves_no_statistics(
    recipe: Make, net: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    x, y = batch
    before = [b.clone() for name, b in net.named_buffers() if "running" in name]
    with worst_weights(Objective(net, recipe()), x, x, y, 0.005, Ranks()):
        pass
    after = [b for name, b in net.named_buffers() if "running" in name]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert [m.momentum for m in net.modules() if isinstance(m, nn.BatchNorm2d)] == [0.1, 0.1]
