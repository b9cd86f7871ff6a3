from collections.abc import Callable

import pytest
import torch
from torch import nn

from zoo import card
from zoo.cards import ModelCard
from zoo.train.distributed import Ranks
from zoo.train.plan import _saved_bytes, passes, plan
from zoo.train.recipe import Recipe, read_recipe
from zoo.train.step import begin

Make = Callable[..., Recipe]


def test_a_plan_counts_steps_and_arithmetic() -> None:
    info = card("resnet8-silu-sat-digits")
    found = plan(info, read_recipe(info), Ranks())
    assert (found.n_images, found.n_steps) == (1437, 40 * 23)
    # Five attack steps of two passes, three passes of training, two operations a multiply-add.
    assert found.flops == pytest.approx(2 * 763_520 * 13 * 1437 * 40)
    assert found.seconds == pytest.approx(1437 * 40 / found.images_per_second)
    assert found.memory_bytes > 3 * 4 * 77_754
    assert [line.split()[0] for line in found.lines()] == [
        "training", "steps", "arithmetic", "speed", "time", "memory",
    ]  # fmt: skip


def test_passes_follow_attack_loss_and_weights_search(recipe: Make) -> None:
    assert passes(recipe(attack_steps=1)) == 5
    assert passes(recipe(attack_steps=10, loss="trades")) == 27
    assert passes(recipe(attack_steps=1, awp_gamma=0.005)) == 8


def test_memory_is_what_the_forward_keeps(recipe: Make, tiny_card: ModelCard) -> None:
    stepper = begin(tiny_card, recipe(), 1, Ranks())
    stepper.model.net = nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(64, 10))
    few, many = (
        _saved_bytes(stepper, torch.rand(n, 1, 8, 8), torch.zeros(n, dtype=torch.int64))
        for n in (100, 200)
    )
    # An image: the input of the linear layer, ten log-probabilities, its label. SiLU keeps
    # nothing, since no gradient goes into the picture.
    assert many - few == 100 * (4 * (64 + 10) + 8)
