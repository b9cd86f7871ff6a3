import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from eval.errors import UsageError
from zoo.activations.activations import SmoothReLU
from zoo.train.optim import build_optimizer, build_schedule
from zoo.train.recipe import Recipe

Make = Callable[..., Recipe]


def rates(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """The learning rate of every step."""
    optimizer = build_optimizer(nn.Linear(2, 2), recipe)
    schedule = build_schedule(optimizer, recipe, steps_per_epoch)
    found = []
    for _ in range(recipe.epochs * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_weights_alone_are_decayed(recipe: Make) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), SmoothReLU(), nn.Linear(4, 2))
    groups = build_optimizer(net, recipe(weight_decay=0.1)).param_groups
    decayed = {id(p) for g in groups if g["weight_decay"] > 0 for p in g["params"]}
    assert decayed == {id(net[0].weight), id(net[3].weight)}
    assert sum(len(g["params"]) for g in groups) == len(list(net.parameters()))


def test_cosine_rises_linearly_and_falls_to_zero(recipe: Make) -> None:
    found = rates(recipe(epochs=10, lr=0.4, warmup_epochs=2), 5)
    assert found[0] == pytest.approx(0.04)
    assert found[5] == pytest.approx(0.04 + 0.36 * 5 / 10)
    assert found[10] == pytest.approx(0.4)
    assert found[30] == pytest.approx(0.4 * (1 + math.cos(math.pi * 20 / 40)) / 2)
    assert found[-1] < 0.001


def test_one_cycle_falls_in_a_straight_line(recipe: Make) -> None:
    found = rates(recipe(epochs=10, lr=0.4, schedule="one-cycle", warmup_epochs=2), 5)
    assert found[10] == pytest.approx(0.4)
    assert found[30] == pytest.approx(0.2)
    assert found[49] == pytest.approx(0.01)


def test_the_release_falls_tenfold_at_each_milestone_after_a_rise_from_the_small_batchs_rate(
    recipe: Make,
) -> None:
    found = rates(
        recipe(
            epochs=100,
            batch_size=1024,
            lr=0.1,
            lr_per=256,
            schedule="step",
            milestones=[30, 60, 90],
            gamma=0.1,
            warmup_epochs=5,
            warmup_from=0.1,
        ),
        2,
    )
    assert found[0] == pytest.approx(0.1)
    assert found[5] == pytest.approx(0.25)
    assert [found[2 * epoch] for epoch in (5, 29, 30, 59, 60, 89, 90, 99)] == pytest.approx(
        [0.4, 0.4, 0.04, 0.04, 0.004, 0.004, 0.0004, 0.0004]
    )


def test_decay_multiplies_every_few_epochs(recipe: Make) -> None:
    found = rates(recipe(epochs=12, schedule="decay", decay_epochs=2.4, gamma=0.97), 10)
    assert found[23] == pytest.approx(0.05)
    assert found[24] == pytest.approx(0.05 * 0.97)
    assert found[119] == pytest.approx(0.05 * 0.97**4)


def test_constant_is_constant(recipe: Make) -> None:
    assert set(rates(recipe(schedule="constant"), 4)) == {0.05}


def test_an_unknown_optimizer_is_refused_with_the_nearest(recipe: Make) -> None:
    with pytest.raises(UsageError, match="'nestrov': did you mean nesterov"):
        build_optimizer(nn.Linear(2, 2), recipe(optimizer="nestrov"))


def test_the_epsilon_reaches_the_optimizer(recipe: Make) -> None:
    found = build_optimizer(nn.Linear(2, 2), recipe(optimizer="rmsproptf", optimizer_eps=1e-3))
    assert found.param_groups[0]["eps"] == 1e-3
    assert isinstance(found, torch.optim.Optimizer)
