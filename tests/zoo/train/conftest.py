"""The smallest run that can break: 60 pictures of 8x8, a residual network of width 4."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from eval.data import ImageSet, from_tensors
from zoo.cards import InputSpec, ModelCard, ThreatSpec
from zoo.train.data.feed import memory_feed, split
from zoo.train.loop import Training
from zoo.train.recipe import Recipe, check_recipe

FIELDS: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 16,
    "lr": 0.05,
    "weight_decay": 5e-4,
    "attack_eps": "1/8",
    "attack_steps": 2,
    "attack_step_size": "eps/2",
}


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    return lambda **more: check_recipe(FIELDS | more, "recipe of the test")


@pytest.fixture(scope="session")
def tiny_card() -> ModelCard:
    return ModelCard(
        name="tiny-silu-sat",
        family="digits",
        arch="satzoo_resnet8_digits",
        arch_args={"width": 4, "drop_rate": 0.2},
        activation="silu",
        method="sat",
        dataset="digits",
        classes=10,
        input=InputSpec(channels=1, size=8, mean=(0.5,), std=(0.5,)),
        threat=ThreatSpec(eps="1/8"),
        parameters=1,
    )


@pytest.fixture(scope="session")
def pictures() -> ImageSet:
    """60 pictures whose class is the brightest of ten places, so that there is much to learn."""
    stream = torch.Generator().manual_seed(1)
    y = torch.arange(60) % 10
    x = torch.randint(0, 120, (60, 1, 8, 8), generator=stream, dtype=torch.uint8)
    x.view(60, 64)[torch.arange(60), 6 * y] = 255
    x.view(60, 64)[torch.arange(60), 6 * y + 1] = 255
    return from_tensors(x, y)


@pytest.fixture
def make_run(tiny_card: ModelCard, pictures: ImageSet) -> Callable[..., Training]:
    """A run of a recipe on the tiny card and pictures."""

    def make(recipe: Recipe, **more: Any) -> Training:
        cpu = torch.device("cpu")
        data = split(pictures, recipe)
        held_out = None
        if data.validation is not None:
            held_out = memory_feed(data.validation, tiny_card, recipe, cpu)
        feed = memory_feed(data.training, tiny_card, recipe, cpu)
        return Training(tiny_card, recipe, feed, held_out=held_out, **more)

    return make
