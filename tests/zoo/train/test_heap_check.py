"""Training leaves the heap whole where oneDNN would write past a buffer: see `layout`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from eval.engine.layout import memory_layout
from tests.guarded import needs_glibc, run_guarded
from zoo import networks
from zoo.cards import ModelCard
from zoo.registry import card, list_models
from zoo.train.distributed import Ranks
from zoo.train.recipe import Recipe
from zoo.train.step import begin

Make = Callable[..., Recipe]

STEPS = """
import json, sys
import torch
from torch import nn
from zoo import networks
from zoo.cards import ModelCard
from zoo.train.distributed import Ranks
from zoo.train.recipe import Recipe
from zoo.train.step import begin

torch.set_num_threads(1)
card = ModelCard.model_validate_json(sys.argv[1])
x, y = torch.rand(16, 1, 8, 8), torch.arange(16) % 10
x = x.to(memory_format=torch.channels_last)
for name, fields in json.loads(sys.argv[2]).items():
    recipe = Recipe.model_validate(fields)
    if recipe.compile:  # a network that takes seconds
        torch._inductor.config.compile_threads = 1
        networks.build = lambda _: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 8, 1, stride=2), nn.Flatten(),
            nn.Linear(128, 10),
        )
    stepper = begin(card, recipe, 10, Ranks())
    for step in range(1, 4):
        stepper.take(x, y, 16, step=step, epoch=1)
    print(name, flush=True)
"""

CASES: dict[str, dict[str, Any]] = {
    "trades": {"loss": "trades", "optimizer": "adamw", "channels_last": True},
    "folded": {"attack_folded": True, "channels_last": True},
    "pieces": {"accumulate": 2, "awp_gamma": 0.005, "channels_last": True},
    "bf16": {"precision": "bf16", "channels_last": True},
    "images alone": {},  # weights in the plain layout, images not: the images decide
}


def train_guarded(card: ModelCard, recipes: dict[str, Recipe]) -> None:
    """Three steps of each; the names of those that were taken tell which one did the harm."""
    fields = {name: recipe.model_dump() for name, recipe in recipes.items()}
    done = run_guarded(STEPS, [card.model_dump_json(), json.dumps(fields)])
    assert done.stdout.split("\n")[:-1] == list(recipes), done.stderr[-2000:]
    assert done.returncode == 0, done.stderr[-2000:]


@needs_glibc
def test_a_narrow_network_trains_without_harm_to_the_heap(
    tiny_card: ModelCard, recipe: Make
) -> None:
    # One process for all of them: starting it costs more than what it does.
    train_guarded(tiny_card, {name: recipe(**more) for name, more in CASES.items()})


@needs_glibc
@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="torch.compile needs a C++ compiler",
)
def test_a_narrow_network_compiles_without_harm_to_the_heap(
    tiny_card: ModelCard, recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    train_guarded(tiny_card, {"compiled": recipe(compile=True)})


@pytest.mark.parametrize(("width", "may"), [(4, False), (16, True)])
def test_the_compiler_chooses_a_layout_only_where_any_is_safe(
    tiny_card: ModelCard,
    recipe: Make,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    may: bool,
) -> None:
    told: list[dict[str, Any]] = []

    def compiling(call: Callable[..., Tensor], **more: Any) -> Callable[..., Tensor]:
        told.append(more["options"])
        return call

    monkeypatch.setattr(torch, "compile", compiling)
    wide = tiny_card.model_copy(update={"arch_args": {"width": width}})
    begin(wide, recipe(compile=True, attack_folded=True), 10, Ranks())
    assert told == [{"layout_optimization": may}] * 2


@pytest.mark.parametrize("more", [{}, {"channels_last": True}], ids=["plain", "last"])
def test_weights_have_the_layout_that_the_recipe_asks_for_where_it_is_safe(
    tiny_card: ModelCard, recipe: Make, more: dict[str, Any]
) -> None:
    for width in (4, 16):
        card = tiny_card.model_copy(update={"arch_args": {"width": width}})
        model = begin(card, recipe(**more), 10, Ranks()).model
        weight = model.get_parameter("net.layer2.0.conv1.weight")
        is_last = not weight.is_contiguous()
        assert is_last == (bool(more) and width == 16)


def test_every_network_of_the_zoo_may_be_channels_last() -> None:
    # One of each width: activations and methods have no convolutions.
    cards = {(c.arch, str(c.arch_args), c.input.channels): c for c in map(card, list_models())}
    for one in cards.values():
        with torch.device("meta"):
            assert memory_layout(networks.build(one)) == torch.channels_last, one.name
