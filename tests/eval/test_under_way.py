"""How far a batch is, before it has a verdict."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from eval.begin import begun
from eval.data import ImageSet
from eval.executors.base import Executor, Setting
from eval.executors.pool import Pool
from eval.executors.reference import Reference
from eval.protocols import Protocol, protocol
from eval.request import Request
from eval.run import Progress
from eval.schedule import Anytime, Schedule
from eval.threat import Threat

SHORT = Protocol(
    name="short",
    stages=tuple(
        stage.model_copy(update={"steps": steps, "targets": stage.targets and 2})
        for stage, steps in zip(protocol("autoattack").stages, (6, 4, 3, 30), strict=True)
    ),
)
PGD = protocol("pgd-10")
EPS = Threat("Linf", "1/40")
ALWAYS: dict[str, Any] = {"tell_every_s": 0.0}


def shown(
    net: nn.Module,
    data: ImageSet,
    make: Callable[[Setting], Executor],
    plan: Protocol,
    schedule: Schedule | None = None,
    *,
    batch_size: int,
) -> list[Progress]:
    seen = list[Progress]()
    asked = Request(data.take(30), EPS, plan, precision="fp32", batch_size=batch_size)
    with begun(net, asked, executor=make, on_progress=seen.append) as run:
        run.attack(schedule)
    return [now for now in seen if now.stage != "clean"]


@pytest.mark.parametrize("plan", [PGD, SHORT, protocol("pgd-sat-5")], ids=lambda plan: plan.name)
def test_the_work_done_rises_within_a_batch_and_ends_at_its_total(
    tiny_net: nn.Module, tiny_data: ImageSet, plan: Protocol
) -> None:
    seen = shown(tiny_net, tiny_data, partial(Pool, **ALWAYS), plan, batch_size=128)
    for stage in plan.stages:
        mine = [now for now in seen if now.stage == stage.name]
        before = [now for now in mine if now.done == mine[0].done]
        assert len({now.under_way for now in mine if now.under_way}) > 2
        assert [now.work_done for now in before] == sorted(now.work_done for now in before)
        assert all(0 <= now.under_way <= now.total for now in mine)
        assert all(now.done <= now.work_done <= now.total for now in mine)
        assert (mine[-1].done, mine[-1].under_way) == (mine[-1].total, 0)


def test_an_image_with_a_verdict_is_under_way_no_more(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    seen = shown(tiny_net, tiny_data, partial(Pool, **ALWAYS), PGD, batch_size=7)
    assert any(now.under_way for now in seen if now.done > 7)
    assert all(now.done + now.under_way <= now.total + 1e-9 for now in seen)


def test_stages_side_by_side_are_shown_each_by_its_own_images(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    make = partial(Pool, **ALWAYS)
    seen = shown(tiny_net, tiny_data, make, SHORT, Anytime(1), batch_size=16)
    assert {now.stage for now in seen if now.under_way} > {"apgd-ce", "apgd-t"}
    assert all(now.done + now.under_way <= now.total + 1e-9 for now in seen)


def test_the_reference_tells_how_far_its_package_is(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    make = partial(Reference, **ALWAYS)
    seen = shown(tiny_net, tiny_data, make, SHORT, batch_size=64)
    for stage in SHORT.stages:
        mine = [now for now in seen if now.stage == stage.name]
        assert len({now.under_way for now in mine}) > 2
        assert mine[-1].under_way == 0


@pytest.mark.parametrize("make", [Pool, Reference])
def test_who_listens_changes_no_verdict(
    tiny_net: nn.Module, tiny_data: ImageSet, make: Any
) -> None:
    def run(make: Any, on_progress: Any) -> object:
        asked = Request(tiny_data.take(24), Threat("Linf", "1/40"), SHORT, batch_size=16)
        with begun(tiny_net, asked, executor=make, on_progress=on_progress) as run:
            run.attack()
            return run.verdicts, [stage.broken for stage in run.stage_results]

    quiet = run(partial(make, tell_every_s=1e9), lambda _: None)
    # One that draws random numbers of its own whenever it is told something.
    assert run(partial(make, **ALWAYS), lambda _: torch.rand(3)) == quiet


def test_what_is_told_now_and_then_is_told_at_the_pace_that_was_asked_for(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    seen = shown(tiny_net, tiny_data, partial(Pool, tell_every_s=1e9), PGD, batch_size=128)
    assert all(now.under_way == 0 for now in seen)
