from collections.abc import Callable

import pytest
import torch
from torch import nn

from zoo import card
from zoo.cards import ModelCard
from zoo.train.distributed import Ranks
from zoo.train.plan import _saved_bytes, n_probe_images, passes, plan_training
from zoo.train.recipe import Recipe, read_recipe
from zoo.train.step import begin

Make = Callable[..., Recipe]


def test_a_plan_counts_steps_and_arithmetic() -> None:
    info = card("resnet8-silu-sat-digits")
    found = plan_training(info, read_recipe(info), Ranks())
    assert (found.n_images, found.n_steps) == (1437, 40 * 23)
    # Five attack steps of two passes, three passes of training, two operations a multiply-add.
    assert found.flops == pytest.approx(2 * 763_520 * 13 * 1437 * 40)
    assert found.seconds == pytest.approx(1437 * 40 / found.images_per_second)
    assert found.memory_bytes > 3 * 4 * 77_754
    assert [line.split()[0] for line in found.lines()] == [
        "training", "steps", "arithmetic", "speed", "time", "memory",
    ]  # fmt: skip
    assert found.n_probe == 32
    assert "timed here on 32 random pictures" in found.lines()[3]


def test_a_probe_is_as_small_as_the_network_is_large() -> None:
    def probe(name: str, **more: int) -> int:
        info = card(name)
        return n_probe_images(info, read_recipe(info).model_copy(update=more), Ranks())

    assert probe("resnet18-w16-silu-sat-cifar10") == 32
    assert probe("resnet18-w16-silu-sat-cifar10", batch_size=12, accumulate=2) == 6
    assert probe("resnet50-silu-sat") == 3
    # 162 billion multiply-adds an image: what keeps 32 of them would not fit most machines.
    assert probe("efficientnet-l1-enhanced-sat") == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_probed_with_more_images() -> None:
    info = card("resnet50-silu-sat")
    assert n_probe_images(info, read_recipe(info), Ranks(device=torch.device("cuda"))) == 31


def test_passes_follow_attack_loss_and_weights_search(recipe: Make) -> None:
    assert passes(recipe(attack_steps=1)) == 5
    assert passes(recipe(attack_steps=10, loss="trades")) == 27
    assert passes(recipe(attack_steps=10, loss="trades", attack_loss="ce")) == 26
    assert passes(recipe(attack_steps=1, awp_gamma=0.005)) == 8
    assert passes(recipe(attack_steps=1, attack_start="image", free_replays=4)) == 12


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
