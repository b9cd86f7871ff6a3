import itertools
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from zoo import card
from zoo.cards import ModelCard
from zoo.train.distributed import Ranks
from zoo.train.plan import (
    _saved_bytes,
    best_time,
    n_affordable,
    n_probe_images,
    passes,
    plan_training,
)
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


def test_a_slow_machine_times_as_few_pictures_as_it_can_afford() -> None:
    # Ten seconds a step: at 10 s for two pictures no more than they, at 1 s ten times as many.
    assert [n_affordable(32, s) for s in (0.001, 0.625, 1.0, 10.0, 300.0)] == [32, 32, 20, 2, 2]
    assert n_affordable(3, 0.001) == 3


@pytest.mark.parametrize(("seconds", "calls"), [(0.001, 4), (4.0, 3), (6.0, 2), (300.0, 2)])
def test_no_step_is_timed_again_that_took_long(
    seconds: float, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    # Read before each call and after it.
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: (next(ticks) + 1) // 2 * seconds)
    assert best_time(lambda: made.append(1), torch.device("cpu")) == pytest.approx(seconds)
    assert len(made) == calls


def test_a_gpu_is_probed_with_more_images() -> None:
    info = card("resnet50-silu-sat")
    on_gpu = Ranks(device=torch.device("cuda"))
    assert n_probe_images(info, read_recipe(info), on_gpu) == 31
    small = card("resnet18-w16-silu-sat-cifar10")
    assert n_probe_images(small, read_recipe(small), on_gpu) == 128  # a whole batch


def test_passes_follow_attack_loss_and_weights_search(recipe: Make) -> None:
    assert passes(recipe(attack_steps=1)) == 5
    assert passes(recipe(attack_steps=10, loss="trades")) == 27
    assert passes(recipe(attack_steps=10, loss="trades", attack_loss="ce")) == 26
    assert passes(recipe(attack_steps=1, awp_gamma=0.005)) == 8
    assert passes(recipe(attack_steps=1, attack_start="image", free_replays=4)) == 12


def test_memory_is_what_the_forward_keeps(recipe: Make, tiny_card: ModelCard) -> None:
    stepper = begin(tiny_card, recipe(), 1, Ranks())
    stepper.model.net = nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(64, 10))
    x, y = torch.rand(3, 1, 8, 8), torch.zeros(3, dtype=torch.int64)
    few, many = (_saved_bytes(stepper, x, y, n) for n in (100, 200))
    # An image: the input of the linear layer, ten log-probabilities, its label. SiLU keeps
    # nothing, since no gradient goes into the picture.
    assert many - few == 100 * (4 * (64 + 10) + 8)


def test_what_is_kept_once_is_not_counted_for_every_image(
    recipe: Make, tiny_card: ModelCard
) -> None:
    class Halved(nn.Linear):
        """Weights in half precision, as autocast keeps them."""

        def forward(self, x: Tensor) -> Tensor:
            weight, bias = self.weight.bfloat16(), self.bias.bfloat16()
            return nn.functional.linear(x.bfloat16(), weight, bias).float()

    stepper = begin(tiny_card, recipe(), 1, Ranks())
    # Two layers: the first keeps no weights, since no gradient goes into the picture.
    stepper.model.net = nn.Sequential(nn.Flatten(), Halved(64, 64), Halved(64, 10))
    x, y = torch.rand(3, 1, 8, 8), torch.zeros(3, dtype=torch.int64)
    once = 2 * 64 * 10 + 4  # the second layer, and the sum of weights of the loss
    per_image = 2 * (64 + 64) + 4 * 10 + 8
    assert _saved_bytes(stepper, x, y, 50) == once + 50 * per_image
