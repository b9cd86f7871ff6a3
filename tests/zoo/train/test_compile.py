"""`compile: true`: the compiled network is the one that is used, and gives the same numbers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config
from torch import Tensor, nn

from zoo import networks
from zoo.cards import ModelCard
from zoo.train.distributed import Ranks
from zoo.train.recipe import Recipe
from zoo.train.step import Stepper, begin

Make = Callable[..., Recipe]


@pytest.fixture
def info(tiny_card: ModelCard) -> ModelCard:
    """Without dropout: a compiled network draws other random numbers."""
    return tiny_card.model_copy(update={"arch_args": {"width": 4}})


def stepped(info: ModelCard, recipe: Recipe) -> tuple[Tensor, Stepper]:
    """What one step finds, and the stepper after it."""
    stream = torch.Generator().manual_seed(4)
    x, y = torch.rand(16, 1, 8, 8, generator=stream), torch.arange(16) % 10
    stepper = begin(info, recipe, 10, Ranks())
    return stepper.take(x, y, 16, step=1, epoch=1), stepper


def same(info: ModelCard, plain: Recipe, compiled: Recipe) -> Stepper:
    """Compares one step of each, its loss and the weights after it; the compiled one."""
    (loss, old), (other, new) = stepped(info, plain), stepped(info, compiled)
    # Fused sums round otherwise, and the sign of a tiny gradient may differ.
    torch.testing.assert_close(loss, other, rtol=1e-3, atol=1e-4)
    for name, value in old.model.state_dict().items():
        torch.testing.assert_close(value, new.model.state_dict()[name], rtol=1e-2, atol=1e-3)
    return new


@pytest.mark.parametrize("more", [{}, {"attack_folded": True}], ids=["plain", "folded"])
def test_the_compiled_network_is_the_one_that_is_trained_and_attacked(
    info: ModelCard, recipe: Make, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    compiled: list[nn.Module] = []
    runs: list[nn.Module] = []

    def counting(call: Callable[..., Tensor], **_: Any) -> Callable[..., Tensor]:
        net = call.__self__  # type: ignore[attr-defined]
        compiled.append(net)

        def run(*args: Any) -> Tensor:
            runs.append(net)
            return call(*args)

        return run

    monkeypatch.setattr(torch, "compile", counting)
    net = same(info, recipe(**more), recipe(compile=True, **more)).model.net
    assert compiled[0] is net
    assert len(compiled) == 1 + bool(more)
    # Two steps of the attack, on the folded copy where there is one, and the loss.
    assert [one is net for one in runs] == [not more, not more, True]


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="torch.compile needs a C++ compiler",
)
def test_a_compiled_step_is_the_plain_step(
    info: ModelCard, recipe: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def network(card: ModelCard) -> nn.Module:
        """So small that compiling it takes seconds."""
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(144, 10))

    monkeypatch.setattr(networks, "build", network)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config, "compile_threads", 1)  # without helper processes
    torch._dynamo.reset()
    same(info, recipe(), recipe(compile=True))
