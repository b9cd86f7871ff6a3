"""The calculation for many GPUs, against what can be said of it without it."""

import math
import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from eval.engine.cost import measure_cost
from eval.executors.base import Broken, Survived
from eval.planning import scale_table
from eval.planning.scale import (
    EFFICIENTNET_L1,
    RESNET_50,
    ImageFiles,
    Machines,
    Network,
    PassCounts,
    Staged,
    per_image,
    seconds,
    stage_took,
    staged,
    took,
)
from eval.planning.scale_bytes import EVENT_BYTES, INDEX_BYTES, moved
from eval.planning.shares import StageShare
from zoo.networks import build
from zoo.registry import card

README = Path(__file__).parents[3] / "eval/README.md"
NETWORKS = [RESNET_50, EFFICIENTNET_L1]

# One multiply-add a forward, one operation a second: a forward lasts two seconds on a full GPU.
UNIT = Network("unit", 1, 1, 1, 1, 2, 1.0, 1.0, 4, 1.0, 1.0, 1e9)
FREE = Machines(bf16=1, fp32=1, kernel_s=0, gpus=8, cores=1, verdicts_per_s=1e9, overhead=0)


def lasts(n_gpus: int, machines: Machines = FREE, **more: Any) -> float:
    """Of a stage of 64 images that all survive ten forwards."""
    stage = Staged("a", 64, 0, PassCounts(10, 0), PassCounts(0, 0))
    return stage_took(stage, replace(UNIT, **more), n_gpus, machines).lasts


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32, 64])
def test_twice_as_many_gpus_take_half_the_time_while_images_go_round(n: int) -> None:
    assert lasts(n) == pytest.approx(64 * 10 * 2 / n)


def test_more_gpus_than_images_are_of_no_use() -> None:
    assert lasts(64) == lasts(65) == lasts(1000) == 10 * 2


def test_images_that_do_not_go_round_leave_gpus_waiting() -> None:
    stage = Staged("a", 64, 0, PassCounts(10, 0), PassCounts(0, 0))
    found = stage_took(stage, UNIT, 48, FREE)
    assert found.lasts == 2 * 10 * 2  # some have two, and the others wait for them
    assert found.barrier == pytest.approx(40 - 64 * 20 / 48)


def test_no_number_of_gpus_makes_an_image_faster_than_its_passes_in_a_row() -> None:
    slow = replace(FREE, kernel_s=100.0)  # a thousand seconds for ten passes
    assert [lasts(n, slow) for n in (16, 32, 64, 512)] == [1000.0] * 4
    assert [lasts(n, slow) for n in (8, 4, 2, 1)] == [2000.0, 4000.0, 8000.0, 16_000.0]


def test_a_last_batch_takes_as_long_as_it_must() -> None:
    slow = replace(FREE, kernel_s=7.0)  # 70 s at least, of four images 80 s
    stage = Staged("a", 6, 0, PassCounts(10, 0), PassCounts(0, 0))
    assert stage_took(stage, UNIT, 1, slow).lasts == 80 + 70


def test_the_slowest_of_gpus_reading_and_the_driver_is_how_long_it_lasts() -> None:
    assert lasts(64, decoded=0.001) == 64 / (64 * 0.001)
    assert lasts(64, replace(FREE, cores=2), decoded=0.001) == 64 / (64 * 2 * 0.001)
    assert lasts(64, replace(FREE, verdicts_per_s=0.5)) == 128
    assert lasts(64, replace(FREE, overhead=0.5)) == 1.5 * 20


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({}, "GPU passes"),
        ({"kernel_s": 100.0}, "barrier"),
        ({"verdicts_per_s": 0.1}, "driver"),
    ],
)
def test_the_bottleneck_is_named(changed: dict[str, float], name: str) -> None:
    stage = Staged("a", 64, 0, PassCounts(10, 0), PassCounts(0, 0))
    assert took([stage, stage], UNIT, 64, replace(FREE, **changed)).bottleneck == name


def test_the_search_counts_at_one_rate_and_the_polish_at_the_other() -> None:
    machines = Machines(bf16=10.0, fp32=2.0)
    network = replace(UNIT, bf16_share=0.5, fp32_share=0.25, multiply_adds=3)
    assert seconds(PassCounts(7, 3, 2, 1), network, machines) == 2 * 3 * (10 / 5 + 3 / 0.5)


def test_an_image_that_falls_takes_what_reports_say_of_it() -> None:
    told = [StageShare(name="a", attacked=10, broken=4, forwards=6 * 101 + 40, backwards=0)]
    assert per_image(told, "forwards", 101) == (101, 10)
    fewer = [StageShare(name="a", attacked=10, broken=4, forwards=600, backwards=0)]
    assert per_image(fewer, "forwards", 101) == (60, 60)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_survivors_go_on_to_the_next_stage(network: Network) -> None:
    stages = staged(network)
    assert [stage.name for stage in stages] == ["clean", "apgd-ce", "apgd-t", "fab-t", "square"]
    assert stages[1].attacked == 50_000 * network.clean
    assert stages[2].attacked == pytest.approx(50_000 * network.robust)
    for before, after in pairwise(stages[1:]):
        assert after.attacked == before.attacked - before.broken
    assert stages[4].survivor.forwards == pytest.approx(5001, rel=0.001)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_a_network_is_what_its_card_says(network: Network) -> None:
    found = card(network.name)
    assert (network.parameters, network.multiply_adds) == (found.parameters, found.flops)
    assert network.size == found.input.size
    claims = {claim.protocol: claim.accuracy for claim in found.claims}
    assert (claims["clean"], claims["pgd-200"]) == (network.clean, network.robust)


class Kernels(TorchDispatchMode):
    """Counts operations: not those that only look at a tensor, nor batch norm, which is folded."""

    free = ("view", "detach", "t", "expand", "empty", "native_batch_norm", "as_strided")

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += func.__name__.split(".")[0].removesuffix("_backward") not in self.free
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_multiply_adds_and_kernels_are_recounted(network: Network) -> None:
    with torch.device("meta"):
        model: nn.Module = build(card(network.name))
    model.eval().requires_grad_(False)
    x = torch.empty(1, 3, network.size, network.size, device="meta")
    cost = measure_cost(model, x)
    assert cost.forward == cost.backward == network.multiply_adds
    with Kernels() as forward, torch.no_grad():
        model(x)
    with Kernels() as both:
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(model(leaf).sum(), leaf)
    assert forward.n == network.kernels
    assert both.n == network.gradient_kernels


def test_weights_go_to_each_machine_once_and_adversarial_images_once_in_all() -> None:
    stages = [Staged("a", 100, 40, PassCounts(1, 0), PassCounts(1, 0))]
    network, images = replace(UNIT, size=10, parameters=1000), ImageFiles(100, file_bytes=7)
    found = moved(stages, network, images, 9, FREE)  # nine GPUs: two machines
    assert found.start == 2 * (4000 + 100 * INDEX_BYTES)
    assert found.saved == 40 * 3 * 100 * 4
    assert found.read == 100 * 7 / 2


def test_an_event_is_not_larger_than_is_reckoned_with() -> None:
    told = Survived("apgd-ce", 49_999), Broken("apgd-ce", 49_999, torch.empty(0), True)
    assert len(pickle.dumps(told[0])) + 8 <= EVENT_BYTES
    without_image = pickle.dumps(replace(told[1], x_adv=None))  # type: ignore[arg-type]
    assert len(without_image) + 8 <= EVENT_BYTES


def test_the_tables_of_the_readme_are_what_the_module_prints() -> None:
    _, rest = README.read_text("utf-8").split(scale_table.BEGIN)
    shown, _ = rest.split(scale_table.END)
    assert shown.strip() == scale_table.tables(), "put in what python -m eval.planning.scale prints"


def test_more_gpus_never_take_longer_but_for_what_does_not_go_round() -> None:
    for network in NETWORKS:
        stages = staged(network)
        times = [took(stages, network, n, Machines()).lasts for n in scale_table.GPUS]
        assert times == sorted(times, reverse=True)
        assert times[0] / times[1] == pytest.approx(8, rel=0.01)
        assert math.isfinite(times[-1])
