"""Verdicts are those of the images, whoever attacks them and in which order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eval.begin import begun
from eval.data import ImageSet, from_tensors
from eval.errors import SatZooError, UsageError
from eval.executors.base import Broken, Ended, Event, Executor, Job, Setting, Spent, Survived
from eval.executors.pool import Pool
from eval.executors.reference import Reference
from eval.journal.known import Known
from eval.protocols import Protocol, protocol
from eval.report.report import Flag
from eval.request import Request
from eval.run import Run
from eval.schedule import Anytime, Schedule, Standing
from eval.stage import Stage
from eval.threat import Threat

SHORT = Protocol(
    name="short",
    stages=tuple(
        stage.model_copy(update={"steps": steps, "targets": stage.targets and 2})
        for stage, steps in zip(protocol("autoattack").stages, (6, 4, 3, 30), strict=True)
    ),
)
EPS = Threat("Linf", "1/40")


def request(data: ImageSet, **changes: object) -> Request:
    asked = Request(data, EPS, SHORT, precision="fp32", batch_size=8)
    return replace(asked, **changes)  # type: ignore[arg-type]


def found(run: Run) -> tuple[object, ...]:
    images = run.images or {}
    stages = [(s.name, s.attacked, s.broken, s.accuracy_after) for s in run.stage_results]
    return (
        run.verdicts,
        run.n_broken_8bit,
        stages,
        {p: x.numpy().tobytes() for p, x in images.items()},
    )


class BySeven:
    """Seven images at a time, each stage a wave of its own, so that what is known is left out."""

    n_on_all = 10**6

    def waves(self, stages: Sequence[Stage], standing: Standing) -> Iterator[list[Job]]:
        for i in range(0, 60, 7):
            for stage in stages:
                job = standing.job_of(stage)
                yield [replace(job, positions=tuple(p for p in job.positions if i <= p < i + 7))]


class Two:
    """An executor of others: every other image is one pool's, the rest another's."""

    def __init__(self, setting: Setting) -> None:
        self._pools = Pool(setting), Pool(setting)
        self.flags: tuple[Flag, ...] = ()

    def needs_whole_batches(self, stage: Stage) -> bool:
        return False

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        for job in jobs:
            for i, pool in enumerate(self._pools):
                yield from pool.run([replace(job, positions=job.positions[i::2], batch_size=3)])


@pytest.mark.parametrize("n_on_all", [0, 1, 2, 3])
def test_a_depth_first_schedule_comes_to_the_same_verdicts_and_images(
    tiny_net: nn.Module, tiny_data: ImageSet, n_on_all: int
) -> None:
    with begun(tiny_net, request(tiny_data, keeps_images=True)) as breadth:
        breadth.attack()
    with begun(tiny_net, request(tiny_data, keeps_images=True)) as depth:
        depth.attack(Anytime(n_on_all))
    assert found(depth) == found(breadth)
    assert len(set(breadth.verdicts)) > 2


@pytest.mark.parametrize("n_events", [1, 9, 14, 23, 40])
@pytest.mark.parametrize("schedule", [BySeven(), Anytime(0), Anytime(1), Anytime(3)])
def test_a_depth_first_run_that_is_stopped_goes_on_as_if_it_had_not_been(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, n_events: int, schedule: Schedule
) -> None:
    class Stopping(Pool):
        def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
            for event in super().run(jobs):
                yield event
                left[0] -= not isinstance(event, Spent)
                if not left[0]:
                    raise KeyboardInterrupt

    left, asked = [n_events], request(tiny_data, journal=tmp_path / "j")
    with pytest.raises(KeyboardInterrupt), begun(tiny_net, asked, executor=Stopping) as stopped:
        stopped.attack(schedule)
    with begun(tiny_net, asked) as resumed:
        resumed.attack(schedule)
    with begun(tiny_net, request(tiny_data)) as whole:
        whole.attack()
    assert found(resumed)[:3] == found(whole)[:3]


def test_anyone_may_carry_out_the_jobs(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    with begun(tiny_net, request(tiny_data)) as ours:
        ours.attack()
    with begun(tiny_net, request(tiny_data), executor=Two) as theirs:
        theirs.attack()
    assert found(theirs) == found(ours)
    spent = [[s.forwards for s in run.stage_results] for run in (ours, theirs)]
    assert all(counted > 0 for run in spent for counted in run)


class Forgetful(Pool):
    """Says nothing of every third survivor."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        for event in super().run(jobs):
            if not (isinstance(event, Survived) and event.position % 3 == 0):
                yield event


class Inventive(Pool):
    """Tells of an image that it was not asked about."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        (job,) = jobs
        yield from super().run([job])
        other = next(i for i in range(60) if i not in job.positions)
        yield Broken(job.stages[0].name, other, torch.zeros(3, 8, 8), is_broken_8bit=True)


class Elsewhere(Pool):
    """Tells of a stage that is not its job's."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        for job in jobs:
            yield Survived("square", job.positions[0])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Forgetful, "said nothing of .* images in"),
        (Inventive, "which is of no image of its job"),
        (Elsewhere, "which is of no image of its job"),
    ],
)
def test_an_executor_that_leaves_out_or_adds_an_image_is_not_believed(
    tiny_net: nn.Module, tiny_data: ImageSet, make: type[Executor], said: str
) -> None:
    with (
        begun(tiny_net, request(tiny_data), executor=make) as run,
        pytest.raises(SatZooError, match=said),
    ):
        run.attack()


@pytest.mark.parametrize("make", [Pool, Reference])
def test_several_stages_in_one_job_attack_what_the_earlier_ones_left(
    tiny_net: nn.Module, tiny_data: ImageSet, make: type[Executor]
) -> None:
    engine = "reference" if make is Reference else "fast"
    with begun(tiny_net, request(tiny_data, engine=engine)) as run:
        first = run.job_of(SHORT.stages[0])
        events = list(make(run.setting).run([replace(first, stages=SHORT.stages[:2])]))
    names = [stage.name for stage in SHORT.stages[:2]]
    broken = {e.position for e in events if isinstance(e, Broken) and e.stage == names[0]}
    met = {e.position for e in events if isinstance(e, Broken | Survived) and e.stage == names[1]}
    assert broken
    assert met == set(first.positions) - broken


@pytest.mark.parametrize("make", [Pool, Reference])
def test_all_that_networks_were_asked_is_told_and_before_what_was_found(
    tiny_net: nn.Module, tiny_data: ImageSet, make: type[Executor]
) -> None:
    engine = "reference" if make is Reference else "fast"
    with begun(tiny_net, request(tiny_data, engine=engine)) as run:
        before = run.setting.engine.passes()
        events = list(run.executor.run([run.job_of(SHORT.stages[0])]))
        after = run.setting.engine.passes()
    costs = [event for event in events if isinstance(event, Spent)]
    assert isinstance(events[0], Spent)
    assert events[0].forwards > 0
    assert isinstance(events[-1], Spent)
    if make is Pool:
        told = sum(c.forwards for c in costs), sum(c.backwards for c in costs)
        assert told == (after[0] - before[0], after[1] - before[1])
    assert all(cost.seconds >= 0 for cost in costs)


@pytest.mark.parametrize(
    ("stages", "positions", "batch_size"),
    [((), (1,), 8), (SHORT.stages, (1, 2, 1), 8), (SHORT.stages, (1,), 0)],
)
def test_a_job_that_cannot_be_is_refused(
    stages: tuple[Stage, ...], positions: tuple[int, ...], batch_size: int
) -> None:
    with pytest.raises(UsageError, match="cannot be: it needs a stage, each position once"):
        Job(stages, positions, batch_size)


def test_what_is_told_twice_of_an_image_counts_once() -> None:
    known = Known.nothing("pgd-5")
    x = torch.zeros(1, 2, 2)
    for event in (
        Survived("pgd-5", 3, had_gradient=False, had_nan=True),
        Survived("pgd-5", 3, had_gradient=False, had_nan=True),
        Ended("pgd-5", 3, is_right=True),
        Survived("pgd-5", 4, had_gradient=False),
        Broken("pgd-5", 4, x, is_broken_8bit=True),
        Survived("pgd-5", 4, had_gradient=False, had_nan=True),
    ):
        known.take(event)
    assert (known.survived, known.without_gradient, known.with_nan) == ({3}, {3}, {3})
    assert known.settled == {3, 4}


def test_nobody_writes_the_fields_of_a_run(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    with begun(tiny_net, request(tiny_data)) as run:
        for name in ("executor", "journal", "batch_size", "verdicts", "flags"):
            with pytest.raises(AttributeError):
                setattr(run, name, None)


def test_images_without_a_gradient_are_flagged_once_after_an_interruption(tmp_path: Path) -> None:
    class Stairs(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = (x.flatten(1).mean(1) * 4).round() + 0 * x.flatten(1).sum(1)
            return torch.stack([torch.zeros_like(score), score + 1], 1)

    data = from_tensors(torch.full((6, 1, 4, 4), 0.5), torch.ones(6, dtype=torch.long))
    asked = replace(request(data), protocol=protocol("pgd-3"), journal=tmp_path / "j")
    details = []
    for _ in range(2):
        with begun(Stairs().eval(), asked) as run:
            run.attack()
        (flag,) = [f for f in run.flags if f.code == "zero-gradient" and "pgd-3" in f.detail]
        details.append(flag.detail)
    assert details[0] == details[1]
    assert details[0].startswith("6 of 6 surviving images had no gradient")
