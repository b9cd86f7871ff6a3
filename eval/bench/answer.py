"""How long a trustworthy answer takes: until a valid interval is narrow enough, and we stop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from eval.begin import begun
from eval.bench.contenders import Setup
from eval.bench.machine import wait
from eval.bench.record import Answer, Timing
from eval.ending import EarlyEnd
from eval.engine.engine import Precision
from eval.request import Request
from eval.run import Run
from eval.soonest import schedule_of


def measure_answer(
    setup: Setup,
    precision: Precision,
    ending: EarlyEnd,
    *,
    repeats: int,
    say: Callable[[str], None],
) -> Answer:
    """Evaluate as `sat-zoo eval --until` does, with a journal, `repeats` times; all preparation.

    The seed is the same in each repeat, and so is where it ends.
    """
    seconds: list[float] = []
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            request = Request(
                data=setup.data,
                threat=setup.threat,
                protocol=setup.protocol,
                precision=precision,
                seed=setup.seed,
                batch_size=setup.batch_size,
                device=str(setup.device),
                name=setup.name,
                journal=Path(folder),
                ending=ending,
            )
            wait(setup.device)
            started = time.perf_counter()
            with begun(setup.model, request) as run:
                run.attack(schedule_of(run), is_enough=ending.is_reached)
                wait(setup.device)
                seconds.append(time.perf_counter() - started)
        say(f"repeat {repeat + 1} of {repeats}, ± {ending.points:g}: {seconds[-1]:.2f} s")
    return _answer(run, ending, seconds)


def _answer(run: Run, ending: EarlyEnd, seconds: list[float]) -> Answer:
    known, after = run.ledger.estimate, run.ledger.last_on_all
    assert ending.points is not None, "an answer has a half width"
    assert known.s is not None, "nothing is enough before an order is drawn"
    assert after is not None, "nothing is enough before an order is drawn"
    return Answer(
        points=ending.points,
        precision=run.precision,
        seconds=Timing.of(seconds),
        forwards=sum(stage.forwards for stage in run.stage_results),
        backwards=sum(stage.backwards for stage in run.stage_results),
        after=after,
        survivors=known.s,
        settled=known.m,
        full_run=known.interval,
    )
