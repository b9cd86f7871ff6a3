"""The AutoAttack authors' own package, driven stage by stage, as the standard to compare with.

Every batch of survivors is one call with the seed reset, as in the package itself; what it claims
is then verified like any other candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from pyautoattack import AutoAttack
from torch import nn

from eval.attacks import build
from eval.engine.counted import CountedModel
from eval.errors import UsageError
from eval.executors.base import (
    TELL_EVERY_S,
    Event,
    Job,
    Meter,
    Pace,
    Setting,
    UnderWay,
    stage_by_stage,
)
from eval.executors.judged import judged
from eval.executors.pool import Pool
from eval.report.report import Flag
from eval.stage import Stage
from eval.threat import Threat


class Reference:
    """Carries out jobs with the package; stages of attacks that it lacks, with our pool.

    What the package claims is verified here. It draws its random numbers a batch, so batches are
    those of the job, in its order.

    tell_every_s: between two `UnderWay` of a stage, at least.
    """

    def __init__(self, setting: Setting, *, tell_every_s: float = TELL_EVERY_S) -> None:
        self._setting, self._tell_every_s = setting, tell_every_s
        self._counted = CountedModel(setting.classifier)
        self._pool = Pool(setting, tell_every_s=tell_every_s)

    def needs_whole_batches(self, stage: Stage) -> bool:
        """Of the package's own attacks."""
        return is_of_the_package(stage)

    @property
    def flags(self) -> Sequence[Flag]:
        """Of our pool."""
        return self._pool.flags

    def run(self, jobs: Iterable[Job]) -> Iterator[Event | UnderWay]:
        """See `Executor.run`.

        Raises `UsageError` for a loss that the package cannot compute with so few classes.
        """
        return stage_by_stage(jobs, self._attacked)

    def _attacked(self, job: Job) -> Iterator[Event | UnderWay]:
        (stage,) = job.stages
        if not is_of_the_package(stage):
            yield from self._pool.run([job])
            return
        meter = Meter(stage.name, self._counted.passes)
        yield from meter.with_costs(self._by_the_package(stage, job, meter))
        yield from meter.rest()

    def _by_the_package(self, stage: Stage, job: Job, meter: Meter) -> Iterator[Event]:
        """A `Broken` for each broken image, a `Survived` for each other.

        The package draws from the global random generator; its state is put back afterwards.
        """
        setting = self._setting
        needed = {"dlr": 3, "dlr-targeted": 4}.get(stage.loss or "", 2)
        if setting.n_classes < needed:
            raise UsageError(
                f"engine 'reference' cannot run {stage.name} on {setting.n_classes} classes,"
                f" it needs {needed}: use `engine='fast'`"
            )
        _, attack = configured(
            self._counted, stage, setting.threat, setting.n_classes, setting.seed, setting.device
        )
        for i in range(0, len(job.positions), job.batch_size):
            some = job.positions[i : i + job.batch_size]
            batch = setting.data.batch(some)
            x, y = batch.x.to(setting.device), batch.y.to(setting.device)
            self._counted.on_call = self._told(stage, some)
            with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
                x_adv = attack.perturb(x, y).detach()
            # The package returns the clean image where it found nothing.
            yield from judged(setting, stage, some, x, y, x_adv, meter)

    def _told(self, stage: Stage, positions: Sequence[int]) -> Callable[[], None]:
        """To be called before each pass of one batch: tells how far the package is with it.

        By the passes that an image takes which survives our own attack of that kind. The package
        ends early what breaks early, so that the share may jump.
        """
        setting, pace = self._setting, Pace(self._tell_every_s)
        most = build(stage, setting.threat, setting.n_classes).most_passes()
        n_most, n_calls = most.forwards + most.gradients, 0

        def on_call() -> None:
            nonlocal n_calls
            n_calls += 1
            if not pace.is_due():
                return
            shares = dict.fromkeys(positions, min(n_calls / n_most, 1.0))
            # Whoever hears it may draw random numbers; the package's come from the same source.
            with torch.random.fork_rng([setting.device] if setting.device.type == "cuda" else []):
                setting.listener.hear(UnderWay(stage.name, shares))

        return on_call


def is_of_the_package(stage: Stage) -> bool:
    """Whether the package has the attack of `stage`; it takes targets by their logits alone."""
    return stage.attack in {"apgd", "fab", "square"} and stage.nearest_of is None


def configured(
    model: nn.Module,
    stage: Stage,
    threat: Threat,
    n_classes: int,
    seed: int,
    device: torch.device,
) -> tuple[AutoAttack, Any]:
    """The package set up for `stage`, and its attack object of that stage.

    Where a verdict is wanted its entry point `run_standard_evaluation` is left alone: its checks
    end whatever trace function a debugger or coverage has set, and those of `eval.checks` stand in
    for them.
    """
    whole = AutoAttack(
        model,
        attacks=[stage.name],
        device=device,
        eps=threat.eps,
        norm=threat.norm,
        seed=seed,
        version="custom",
    )
    attack = {
        "apgd": whole.apgd_targeted if stage.targets else whole.apgd,
        "fab": whole.fab,
        "square": whole.square,
    }[stage.attack]
    attack.seed = seed
    attack.n_restarts = stage.restarts
    if stage.attack == "square":
        attack.n_queries = stage.steps
    else:
        attack.n_iter = stage.steps
    if stage.attack == "apgd":
        attack.eot_iter = stage.eot
        if not stage.targets:
            attack.loss = stage.loss
    if stage.targets is not None:
        attack.targeted = True
        # With fewer classes than targets the package would index past the last class.
        attack.n_target_classes = min(stage.targets, n_classes - 1)
    return whole, attack
