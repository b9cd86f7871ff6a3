"""A few rows at a time, and without asking the device: attacks find what the plain way finds."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from eval import attacks
from eval.attacks import build, rows
from eval.attacks.rows import put_rows, rows_where, slices, where_rows
from eval.engine.net import Net
from eval.stage import Stage
from eval.threat import Threat
from tests.eval.attacks.conftest import WITH_MAY_ASK
from tests.eval.attacks.stepping import stepped, task
from tests.eval.attacks.test_contract_of_attacks import N_STEPS, equal, tried
from tests.nosync import no_waiting


def test_every_module_that_asks_is_told_not_to() -> None:
    names = [module.name for module in iter_modules(attacks.__path__)]
    asking = {name for name in names if hasattr(import_module(f"eval.attacks.{name}"), "may_ask")}
    assert asking == set(WITH_MAY_ASK)


def images(n: int, seed: int = 3) -> Tensor:
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


class Unstable(nn.Module):
    """`net`, whose logits are not finite for some images, and whose gradient is not for others."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        corner = x[:, 0, 0, 0]
        logits = torch.where((corner < 0.2)[:, None], torch.nan, logits)
        return logits + (corner > 0.8)[:, None] * (corner - corner.detach()).sqrt()[:, None]


def searched(stage: Stage, norm: str, net: nn.Module, n: int = 13) -> Any:
    attack = build(stage, Threat(norm, "1/10"), 5)
    finite = task(net, images(n), torch.arange(n) % 5)
    return stepped(attack, Net(net), finite, N_STEPS)


@pytest.mark.parametrize("is_unstable", [False, True])
@pytest.mark.parametrize(("stage", "norm"), tried(), ids=str)
def test_slices_of_any_size_come_to_the_same_bits(
    stage: Stage,
    norm: str,
    is_unstable: bool,
    tiny_net: nn.Module,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = Unstable(tiny_net) if is_unstable else tiny_net
    found = []
    for n_rows in (100, 1, 3):
        n_threads = torch.get_num_threads()
        monkeypatch.setattr(rows, "GRAIN", -(-n_rows * 3 * 8 * 8 // n_threads))
        found.append(searched(stage, norm, net))
    assert equal(found[0], found[1])
    assert equal(found[0], found[2])


@pytest.mark.parametrize(
    ("stage", "norm", "is_unstable"),
    [
        (stage, norm, is_unstable)
        for stage, norm in tried()
        for is_unstable in (False, True)
        # The fallback asks for bad gradients, see `cross_entropy_or_margin`.
        if not (is_unstable and stage.fallback_loss)
    ],
    ids=str,
)
def test_searches_that_do_not_ask_find_the_same(
    stage: Stage,
    norm: str,
    is_unstable: bool,
    tiny_net: nn.Module,
    as_on_a_gpu: Callable[[], None],
) -> None:
    net = Unstable(tiny_net) if is_unstable else tiny_net
    asked = searched(stage, norm, net)
    as_on_a_gpu()
    # FAB gives its network other rows then, which rounds otherwise in the last place.
    silent = searched(stage, norm, net)
    assert torch.equal(silent.k, asked.k)
    assert torch.equal(silent.is_hit, asked.is_hit)
    torch.testing.assert_close(silent.best, asked.best, atol=1e-5, rtol=0)
    torch.testing.assert_close(silent.best_score, asked.best_score, atol=1e-4, rtol=1e-4)
    assert torch.equal(silent.had_gradient, asked.had_gradient)
    assert torch.equal(silent.had_nan, asked.had_nan)


@pytest.mark.parametrize(
    ("stage", "norm"),
    # Square in L2 groups its windows by side, for which it asks.
    [(stage, norm) for stage, norm in tried() if (stage.attack, norm) != ("square", "L2")],
    ids=str,
)
def test_a_step_on_a_gpu_never_makes_the_host_wait(
    stage: Stage, norm: str, tiny_net: nn.Module, as_on_a_gpu: Callable[[], None]
) -> None:
    as_on_a_gpu()
    attack = build(stage, Threat(norm, "1/10"), 5)
    net, few = Net(tiny_net), task(tiny_net, images(5))
    search: Any = attack.start(net, few, torch.zeros(5).long())
    with no_waiting():
        for _ in range(N_STEPS if attack.n_steps > 1 else 1):
            attack.advance(net, search)


def test_where_the_softmax_is_exactly_one_a_gpu_follows_the_margin_at_once(
    tiny_net: nn.Module, as_on_a_gpu: Callable[[], None]
) -> None:
    class Confident(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = 1e5 * tiny_net(x)
            return logits

    (stage,) = {s for s, _ in tried() if s.name == "pgd-6"}
    asked = searched(stage, "Linf", Confident())
    as_on_a_gpu()
    silent = searched(stage, "Linf", Confident())
    assert bool(silent.had_gradient.all())
    assert torch.equal(silent.is_hit, asked.is_hit)
    torch.testing.assert_close(silent.best, asked.best, atol=1e-5, rtol=0)


@given(n=st.integers(0, 40), grain=st.integers(1, 3000))
def test_slices_hold_every_row_once_and_in_order(n: int, grain: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "GRAIN", grain)
        cut = [list(range(n))[at] for at in slices(torch.zeros(n, 2, 5, 5))]
    assert [row for part in cut for row in part] == list(range(n))
    assert all(cut)
    assert len({len(part) for part in cut[:-1]}) <= 1


@given(bits=st.lists(st.booleans(), min_size=1, max_size=9))
def test_rows_are_put_where_the_mask_says(bits: list[bool]) -> None:
    mask, n = torch.tensor(bits), len(bits)
    new, old = torch.rand(n, 2, 3, 3), torch.rand(n, 2, 3, 3)
    target = old.clone()
    put_rows(target, mask, new)
    assert torch.equal(target, where_rows(mask, new, old))
    assert torch.equal(new[rows_where(mask)], new[mask])
