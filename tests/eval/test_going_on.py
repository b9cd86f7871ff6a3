"""Evaluations that are ended again and again: nothing is lost and nothing is made up."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from eval import Report, evaluate
from eval.begin import begun
from eval.data import ImageSet
from eval.errors import SatZooError
from eval.evaluation import Interrupted
from eval.executors.base import Broken, Event, Job, Survived
from eval.executors.pool import Pool
from eval.protocols import protocol
from eval.request import Request
from eval.schedule import Anytime
from eval.threat import Threat

pytestmark = pytest.mark.usefixtures("short_autoattack")
OPTIONS: dict[str, Any] = {"eps": "1/40", "batch_size": 8, "precision": "fp32"}


# Python drops what is raised while it collects garbage: that Ctrl-C is lost, and the run goes on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("attack", ["autoattack", "pgd-sat-3"])
def test_ctrl_c_at_any_moment_leaves_a_report_that_is_true(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, attack: str
) -> None:
    options = {**OPTIONS, "attack": attack, "budget": "1h", "journal": tmp_path / "j"}
    started = time.monotonic()
    whole = evaluate(tiny_net, tiny_data, **{**options, "journal": None})
    latest = max(0.25, time.monotonic() - started)
    moments, n_reports = random.Random(1), 0
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(25):
            timer = threading.Timer(
                moments.uniform(0.02, latest), os.kill, (os.getpid(), signal.SIGINT)
            )
            timer.start()
            try:
                evaluate(tiny_net, tiny_data, fresh=moments.random() < 0.3, **options)
                timer.cancel()
                timer.join()  # it may be about to send its signal, which is then met here
            except Interrupted as stopped:
                n_reports += 1
                report = stopped.report
                assert Report.model_validate_json(report.to_json()) == report
            except KeyboardInterrupt:  # not while images were attacked
                pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert n_reports
    assert evaluate(tiny_net, tiny_data, **options).images == whole.images


def test_a_budget_that_is_always_over_still_comes_to_the_end(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    known, options = -1, {**OPTIONS, "attack": "pgd-3", "n": 30}
    for _ in range(30):
        report = evaluate(tiny_net, tiny_data, budget="0.001s", journal=tmp_path / "j", **options)
        if report.estimate is None:
            break
        part = report.estimate
        now = part.settled if part.after is not None else 0
        assert now >= known
        known = now
    assert report.estimate is None
    assert report.images == evaluate(tiny_net, tiny_data, **options).images


def test_a_looser_end_forgets_nothing_that_is_known(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    journal = tmp_path / "j"
    tight = evaluate(tiny_net, tiny_data, attack="pgd-3", until=5, journal=journal, **OPTIONS)
    loose = evaluate(tiny_net, tiny_data, attack="pgd-3", until=40, journal=journal, **OPTIONS)
    assert tight.estimate is not None
    assert loose.estimate is not None
    assert loose.estimate.settled >= tight.estimate.settled
    assert loose.stages[0].forwards == tight.stages[0].forwards


class SkipsAhead(Pool):
    """Tells of the last stage alone."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        for job in jobs:
            for position in job.positions:
                yield Survived(job.stages[-1].name, position)


class BreaksTwice(Pool):
    """Tells of an image that it was broken in two stages."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        for job in jobs:
            for stage in job.stages:
                yield Broken(stage.name, job.positions[0], torch.zeros(3, 8, 8), True)


@pytest.mark.parametrize("make", [SkipsAhead, BreaksTwice])
def test_an_executor_that_tells_of_a_stage_before_its_turn_is_not_believed(
    tiny_net: nn.Module, tiny_data: ImageSet, make: type[Pool]
) -> None:
    asked = Request(tiny_data, Threat("Linf", "1/40"), protocol("autoattack"), precision="fp32")
    with (
        begun(tiny_net, asked, executor=make) as run,
        pytest.raises(SatZooError, match="but that image has not survived the stages before"),
    ):
        run.attack(Anytime(0), is_enough=lambda now: now.m > 20)
