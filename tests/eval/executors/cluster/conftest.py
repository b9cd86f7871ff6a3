"""What the tests on real Ray share: a run that takes seconds, and the verdicts of one process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from eval import open_data
from eval.evaluation import evaluate

if TYPE_CHECKING:
    from torch import nn

    from eval.data import ImageSet
    from eval.executors.cluster import RayExecutor
    from eval.report.report import Report
    from eval.run import Progress
    from zoo.model import ZooModel

RUN: dict[str, Any] = {"attack": "apgd-ce,apgd-dlr", "eps": "3/16", "progress": False}
N_IMAGES = 60

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(scope="module", autouse=True)
def _usual_signals() -> Iterator[None]:
    """Ray answers SIGTERM in its own way in this process; others are tested here after it."""
    usual = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, usual)


@pytest.fixture(scope="session")
def model() -> ZooModel:
    return zoo.load("resnet8-silu-sat-digits")


@pytest.fixture(scope="session")
def images() -> ImageSet:
    return open_data("digits").take(N_IMAGES)


@pytest.fixture(scope="session")
def alone(model: ZooModel, images: ImageSet) -> Report:
    return evaluate(model, images, **RUN)


def pids(executor: RayExecutor) -> list[int]:
    """Of the workers that are in this run."""
    assert executor._fleet is not None
    return [hand.who.pid for hand in executor._fleet.hands.values() if hand.who and hand.is_here]


def told_at(n: int, act: Callable[[], None]) -> Callable[[Progress], None]:
    """Something that acts once, when it is told the n-th time of the attack."""
    left = [n]

    def tell(now: Progress) -> None:
        left[0] -= now.stage != "clean"
        if left[0] == 0:
            act()

    return tell


def check_same(report: Report, alone: Report) -> None:
    """The same verdicts, counts and flags."""
    assert report.images == alone.images
    assert [stage.broken for stage in report.stages] == [stage.broken for stage in alone.stages]
    assert report.survive_8bit == alone.survive_8bit
    assert [flag.code for flag in report.flags] == [flag.code for flag in alone.flags]
    assert report.clean == alone.clean


@pytest.fixture(scope="session")
def data(tiny_data: ImageSet) -> ImageSet:
    return tiny_data.take(28)


@pytest.fixture(scope="session")
def known_alone(tiny_net: nn.Module, data: ImageSet) -> tuple[object, ...]:
    """What one process finds out."""
    from tests.eval.executors.cluster.fleets import asked, outcome

    found = outcome(tiny_net, asked(data), None)
    assert set(found[0]) == {"clean", "robust", "pgd-5"}  # type: ignore[call-overload]
    return found
