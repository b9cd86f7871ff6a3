"""Contenders in turns: the same stages on the same images, each stage begun by another."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

import torch
from torch import Tensor

from eval.bench.contenders import Contender, Ours, Setup
from eval.bench.machine import MemoryPeak, wait
from eval.bench.record import ContenderRow, StageRow, TimeShares, Timing
from eval.engine.cost import Cost
from eval.ieee import ieee_fp32
from eval.stage import Stage

Make = Callable[[Setup], Contender]
CLEAN = "clean"


@dataclass
class Course:
    """One contender in one repeat.

    By stage: seconds; standing, (N,) bool, what it left; passes, forward and backward.
    spent: our seconds by what they were spent on, None for others. bf16_passes: of all passes.
    """

    name: str
    seconds: dict[str, float] = field(default_factory=dict)
    standing: dict[str, Tensor] = field(default_factory=dict)
    passes: dict[str, tuple[int, int]] = field(default_factory=dict)
    peak_memory: int | None = None
    version: str = ""
    precision: Literal["fp32", "bf16"] = "fp32"
    n_rejected: int = 0
    spent: dict[str, float] | None = None
    bf16_passes: tuple[int, int] = (0, 0)

    def take(
        self, contender: Contender, stage: Stage | None, memory: MemoryPeak, device: torch.device
    ) -> str:
        """Run one stage, None for the clean pass, under the clock; says how it went."""
        name = CLEAN if stage is None else stage.name
        before = contender.passes()
        memory.restart()
        wait(device)
        started = time.perf_counter()
        if stage is None:
            contender.clean()
        else:
            contender.attack(stage)
        wait(device)
        self.seconds[name] = time.perf_counter() - started
        if (peak := memory.read()) is not None:
            self.peak_memory = max(peak, self.peak_memory or 0)
        after = contender.passes()
        self.passes[name] = (after[0] - before[0], after[1] - before[1])
        contender.settle()
        self.standing[name] = contender.still_robust.clone()
        n_standing = int(self.standing[name].sum())
        return f"{name}: {self.name} {self.seconds[name]:.2f} s, {n_standing} stand"

    def finish(self, contender: Contender) -> None:
        """Note the rest, so that nobody need keep the contender and its networks."""
        self.version, self.precision = contender.version, contender.precision
        self.n_rejected = contender.n_rejected
        if isinstance(contender, Ours):
            self.spent, self.bf16_passes = contender.clock.seconds(), contender.bf16_passes()
        contender.close()

    @property
    def total_seconds(self) -> float:
        """Of all stages and the clean pass."""
        return sum(self.seconds.values())

    @property
    def total_passes(self) -> tuple[int, int]:
        """Forward and backward in all stages, without the clean pass."""
        stages = [passes for name, passes in self.passes.items() if name != CLEAN]
        return sum(p[0] for p in stages), sum(p[1] for p in stages)


@dataclass(frozen=True)
class Peaks:
    """The machine's matmul rates in 10^9 operations a second, and what an image costs."""

    fp32: float
    bf16: float
    cost: Cost

    def seconds(self, passes: tuple[int, int], bf16: tuple[int, int] = (0, 0)) -> float:
        """For `passes` (forwards, backwards), of which `bf16` in bf16, at the peak rates."""
        low = bf16[0] * self.cost.forward + bf16[1] * self.cost.backward
        every = passes[0] * self.cost.forward + passes[1] * self.cost.backward
        return 2 * (every - low) / self.fp32 / 1e9 + 2 * low / self.bf16 / 1e9


@ieee_fp32()
def compare(
    makes: Sequence[Make], setup: Setup, *, repeats: int, say: Callable[[str], None]
) -> list[list[Course]]:
    """Run all contenders `repeats` times: for each of `makes`, its courses.

    In each repeat every stage is run by one contender after the other, and each stage begins with
    another one, so that a machine that slows down or is used by others slows all of them. All
    multiply float32 with all its bits, also where torch would leave a contender TF32.
    """
    _warm_up(makes, setup)
    courses: list[list[Course]] = [[] for _ in makes]
    steps: list[Stage | None] = [None, *setup.protocol.stages]
    memory = MemoryPeak(setup.device)
    for repeat in range(repeats):
        contenders = [make(setup) for make in makes]
        running = [Course(contender.name) for contender in contenders]
        for i, step in enumerate(steps):
            for j in range(len(makes)):
                turn = (repeat + i + j) % len(makes)
                text = running[turn].take(contenders[turn], step, memory, setup.device)
                say(f"repeat {repeat + 1} of {repeats}, {text}")
        for kept, course, contender in zip(courses, running, contenders, strict=True):
            course.finish(contender)
            kept.append(course)
    return courses


def _warm_up(makes: Sequence[Make], setup: Setup) -> None:
    """Every kernel once at full batch size: a few steps on the first batch, not timed."""
    few = [
        stage.model_copy(update={"steps": 2, "restarts": 1, "targets": stage.targets and 1})
        for stage in setup.protocol.stages
    ]
    small = replace(
        setup,
        data=setup.data.take(min(setup.batch_size, len(setup.data))),
        protocol=setup.protocol.model_copy(update={"stages": tuple(few)}),
    )
    for make in makes:
        contender = make(small)
        contender.clean()
        for stage in few:
            contender.attack(stage)
            contender.settle()
        contender.close()


def rows(courses: list[list[Course]], peaks: Peaks) -> tuple[ContenderRow, ...]:
    """How the contenders did, in their order; the first is what they are compared with."""
    return tuple(_row(own, courses[0], peaks) for own in courses)


def _row(own: list[Course], first: list[Course], peaks: Peaks) -> ContenderRow:
    last = own[-1]
    totals = [course.total_seconds for course in own]
    # The seeds are the same in each repeat, and so are the verdicts: the last one stands for all.
    standing, theirs = (list(course.standing.values())[-1] for course in (last, first[-1]))
    return ContenderRow(
        name=last.name,
        version=last.version,
        precision=last.precision,
        seconds=Timing.of(totals),
        ratio=median(a / b.total_seconds for a, b in zip(totals, first, strict=True)),
        forwards=last.total_passes[0],
        backwards=last.total_passes[1],
        clean_accuracy=float(last.standing[CLEAN].float().mean()),
        robust_accuracy=float(standing.float().mean()),
        n_rejected=last.n_rejected,
        n_differ=int((standing != theirs).sum()),
        n_missed=int((standing & ~theirs).sum()),
        peak_memory_bytes=max(course.peak_memory or 0 for course in own) or None,
        roof_seconds=peaks.seconds(last.total_passes, last.bf16_passes),
        shares=_shares(own),
        stages=_stage_rows(own, first),
    )


def _stage_rows(own: list[Course], first: list[Course]) -> tuple[StageRow, ...]:
    last, theirs = own[-1], first[-1]
    found = []
    before = torch.ones_like(last.standing[CLEAN])
    for name, after in last.standing.items():
        found.append(
            StageRow(
                name=name,
                seconds=Timing.of([course.seconds[name] for course in own]),
                attacked=0 if name == CLEAN else int(before.sum()),
                broken=0 if name == CLEAN else int((before & ~after).sum()),
                forwards=last.passes[name][0],
                backwards=last.passes[name][1],
                accuracy_after=float(after.float().mean()),
                n_differ=int((after != theirs.standing[name]).sum()),
            )
        )
        before = after
    return tuple(found)


def _shares(own: list[Course]) -> TimeShares | None:
    parts: defaultdict[str, float] = defaultdict(float)
    for course in own:
        if course.spent is None:
            return None
        for what, seconds in course.spent.items():
            parts[what] += seconds
        parts["start"] += course.seconds[CLEAN]
    whole = sum(course.total_seconds for course in own)
    known = {name: parts[name] / whole for name in ("start", "network", "verification", "io")}
    return TimeShares(**known, arithmetic=1 - sum(known.values()))
