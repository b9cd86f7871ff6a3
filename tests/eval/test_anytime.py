"""Evaluations that end before their last image: what they say then is true, and they go on."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from eval import Report, evaluate, evaluation, protocol
from eval.begin import begun
from eval.data import ImageSet
from eval.ending import EarlyEnd
from eval.estimate import Estimate, drawn_order
from eval.evaluation import Interrupted
from eval.executors.base import Broken, Event, Job, Spent, Survived
from eval.executors.pool import Pool
from eval.request import Request
from eval.run import Progress
from eval.schedule import Anytime, BreadthFirst, Schedule
from eval.soonest import schedule_of
from eval.threat import Threat

pytestmark = pytest.mark.usefixtures("short_autoattack")
OPTIONS: dict[str, Any] = {"eps": "1/40", "batch_size": 8, "precision": "fp32"}


@pytest.fixture
def exact(tiny_net: nn.Module, tiny_data: ImageSet) -> Report:
    return evaluate(tiny_net, tiny_data, **OPTIONS)


@pytest.mark.parametrize("points", [30, 12, 6, 2])
def test_it_ends_with_an_interval_that_holds_and_goes_on_to_the_exact_number(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, exact: Report, points: float
) -> None:
    journal, shown = tmp_path / "j", list[Estimate]()

    def show(now: Progress) -> None:
        if now.estimate is not None:
            shown.append(now.estimate)

    options = {**OPTIONS, "journal": journal}
    early = evaluate(tiny_net, tiny_data, until=points, on_progress=show, **options)
    assert early.estimate is not None
    assert early.robust is not None
    assert early.robust.estimated
    low, high = early.estimate.full_run
    assert 100 * (high - low) / 2 <= points
    assert Report.model_validate_json(early.to_json()) == early
    whole = evaluate(tiny_net, tiny_data, **options)
    assert whole.estimate is None
    assert whole.images == exact.images
    robust = exact.robust.accuracy if exact.robust else -1
    assert all(one.interval[0] <= robust <= one.interval[1] for one in shown)
    known = zip(early.images.verdicts, exact.images.verdicts, strict=True)
    assert all(verdict in {"open", end} for verdict, end in known)


def test_an_interval_as_wide_as_can_be_needs_no_attack(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = evaluate(tiny_net, tiny_data, until=50, **OPTIONS)
    assert report.estimate is not None
    assert (report.estimate.after, report.estimate.settled) == ("clean", 0)
    assert sum(stage.forwards for stage in report.stages) == 0


def test_without_an_end_the_report_is_that_of_one_stage_after_the_other(
    tiny_net: nn.Module, tiny_data: ImageSet, exact: Report
) -> None:
    late = evaluate(tiny_net, tiny_data, budget="1d", **OPTIONS)
    assert late.images == exact.images
    assert late.robust == exact.robust
    same = [(s.name, s.attacked, s.broken, s.accuracy_after) for s in late.stages]
    assert same == [(s.name, s.attacked, s.broken, s.accuracy_after) for s in exact.stages]


@pytest.mark.parametrize("seed", range(6))
def test_interruptions_change_neither_the_order_nor_the_last_interval(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, seed: int
) -> None:
    def interrupt(_: Progress) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    journal = tmp_path / "j"
    undisturbed = evaluate(tiny_net, tiny_data, until=5, **OPTIONS)
    for n_calls in (30 + 7 * seed, 12 + seed):
        left = [n_calls]
        with pytest.raises(Interrupted) as stopped:
            evaluate(
                tiny_net, tiny_data, until=5, journal=journal, on_progress=interrupt, **OPTIONS
            )
        part = stopped.value.report.estimate
        assert part is not None
        assert part.ended_by == "interruption"
        Report.model_validate_json(stopped.value.report.to_json())
    resumed = evaluate(tiny_net, tiny_data, until=5, journal=journal, **OPTIONS)
    assert resumed.images == undisturbed.images
    assert resumed.estimate == undisturbed.estimate


def test_an_interruption_while_stages_run_on_all_images_says_what_is_left(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    def interrupt(now: Progress) -> None:
        if now.stage == "apgd-ce" and now.done == 20:
            raise KeyboardInterrupt

    out = tmp_path / "r.json"
    with pytest.raises(Interrupted) as stopped:
        evaluate(tiny_net, tiny_data, out=out, on_progress=interrupt, **OPTIONS)
    report = stopped.value.report
    assert Report.read(out) == report
    part = report.estimate
    assert part is not None
    assert (part.after, part.survivors, part.settled) == (None, None, 0)
    n_open = report.images.verdicts.count("open")
    assert part.full_run == (0, n_open / 60)
    assert n_open == 45 - report.images.verdicts.count("apgd-ce")


def test_an_interruption_in_the_last_stage_knows_what_is_through(
    tiny_net: nn.Module, tiny_data: ImageSet, exact: Report
) -> None:
    def interrupt(now: Progress) -> None:
        if now.stage == "square" and now.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        evaluate(tiny_net, tiny_data, on_progress=interrupt, **OPTIONS)
    report = stopped.value.report
    assert Report.model_validate_json(report.to_json()) == report
    part = report.estimate
    assert part is not None
    assert part.after is None
    n_robust = report.images.verdicts.count("robust")
    assert n_robust >= 6
    assert part.full_run == (n_robust / 60, (n_robust + report.images.verdicts.count("open")) / 60)
    assert exact.robust is not None
    assert part.full_run[0] <= exact.robust.accuracy <= part.full_run[1]


def test_what_ends_early_does_not_enter_before_those_drawn_ahead_of_it(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    class Backwards(Pool):
        """Tells of the images that were drawn last before those drawn first."""

        def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
            positions = [p for job in jobs for p in job.positions][::-1]
            for position in positions[:-1]:
                yield Broken("pgd-3", position, torch.zeros(3, 8, 8), is_broken_8bit=True)
            yield Spent("pgd-3", forwards=1)
            assert now.ledger.estimate.m == 0
            assert now.verdicts.count("open") == len(positions)
            yield Survived("pgd-3", positions[-1])

    asked = Request(tiny_data, Threat("Linf", "1/40"), protocol("pgd-3"), precision="fp32")
    with begun(tiny_net, asked, executor=Backwards) as now:
        now.attack(Anytime(0))
        assert now.verdicts.count("open") == 0
        assert now.ledger.estimate.is_exact


def test_the_order_is_that_of_seed_and_ids_alone(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    asked = Request(tiny_data, Threat("Linf", "1/40"), protocol("pgd-3"), seed=3, batch_size=4)
    with begun(tiny_net, asked) as run:
        run.attack(Anytime(0), is_enough=lambda now: now.m == 9)
        right = [i for i, is_right in enumerate(run.clean.is_right) if is_right]
        order = [right[i] for i in drawn_order([tiny_data.ids[i] for i in right], 3)]
        assert run.ledger.order == order
        settled = [i for i, v in enumerate(run.verdicts) if v not in {"open", "clean"}]
    assert set(settled) == set(order[:9])


def test_a_budget_ends_it_and_whatever_comes_first_counts(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = tiny_net

        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.01)
            logits: Tensor = self.net(x)
            return logits

    began = time.monotonic()
    report = evaluate(Slow().eval(), tiny_data, budget=timedelta(seconds=1.5), until=0.5, **OPTIONS)
    assert time.monotonic() - began < 100
    assert report.estimate is not None
    assert report.estimate.ended_by == "budget"
    report = evaluate(tiny_net, tiny_data, budget="2h", until=10, **OPTIONS)
    assert report.estimate is not None
    assert report.estimate.ended_by == "until"


def test_last_iterates_have_an_interval_of_their_own(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    options = {**OPTIONS, "eps": "1/20"}
    whole = evaluate(tiny_net, tiny_data, attack="pgd-sat-3", **options)

    def is_enough(now: Estimate) -> bool:
        return now.last_iterates is not None and now.last_iterates.half_width < 0.1

    early = evaluate(tiny_net, tiny_data, attack="pgd-sat-3", until=is_enough, **options)
    part = early.estimate
    assert part is not None
    assert part.last_iterates is not None
    assert part.last_iterates_full_run is not None
    low, high = part.last_iterates_full_run
    last = whole.stages[0].last_iterate_accuracy
    assert last is not None
    assert low <= last <= high
    assert early.stages[0].last_iterate_accuracy is None
    assert part.last_iterates.correct >= part.robust
    assert Report.model_validate_json(early.to_json()) == early


def test_few_images_are_under_way_beyond_those_that_count(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    met = set[int]()

    class Watching(Pool):
        def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
            for event in super().run(jobs):
                if not isinstance(event, Spent) and event.stage != "apgd-ce":
                    met.add(event.position)
                yield event

    asked = Request(
        tiny_data,
        Threat("Linf", "1/40"),
        evaluation.protocol("autoattack"),
        precision="fp32",
        batch_size=4,
    )
    with begun(tiny_net, asked, executor=Watching) as run:
        run.attack(Anytime(1), is_enough=lambda now: now.m >= 8)
    assert len(met) <= 8 + 2 * 4


def test_the_rows_of_the_next_job_join_the_last_ones_of_this(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    class Recording(nn.Module):
        sizes: ClassVar[list[int]] = []

        def __init__(self) -> None:
            super().__init__()
            self.net = tiny_net

        def forward(self, x: Tensor) -> Tensor:
            self.sizes.append(len(x))
            logits: Tensor = self.net(x)
            return logits

    def rows_of(schedule: Schedule) -> float:
        with begun(Recording().eval(), replace(asked, batch_size=8)) as run:
            Recording.sizes.clear()
            run.attack(schedule)
        return sum(Recording.sizes) / len(Recording.sizes)

    asked = Request(
        tiny_data, Threat("Linf", "1/40"), evaluation.protocol("autoattack"), precision="fp32"
    )
    assert rows_of(Anytime(1)) >= 0.8 * rows_of(BreadthFirst())


def test_a_loose_end_takes_an_early_boundary_and_a_tight_one_a_late(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    whole = protocol("autoattack")
    asked = Request(tiny_data, Threat("Linf", "1/40"), whole, precision="fp32")
    found = []
    for points in (20.0, 0.5):
        with begun(tiny_net, replace(asked, ending=EarlyEnd(points))) as run:
            schedule = schedule_of(run)
        assert isinstance(schedule, Anytime)
        found.append(schedule.n_on_all)
    assert found[0] < found[1]
    with begun(tiny_net, asked) as run:
        assert isinstance(schedule_of(run), BreadthFirst)
