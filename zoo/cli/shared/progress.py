"""What people see while an evaluation runs: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Column

from eval.report.duration import duration
from eval.report.percent import percent, percent_range
from zoo.cli.shared.console import is_quiet, say

if TYPE_CHECKING:
    from eval.run import Progress

EVERY_S = 30.0
"""Between two lines where there is no terminal; the first comes after as long, so that a short run
says nothing."""

WIDEST_BAR = 40


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Yields what is to be called with how far an evaluation is, which is then shown on stderr.

    A bar on a terminal, else a line every `EVERY_S`; with --quiet nothing.
    """
    if is_quiet():
        yield lambda _: None
        return
    console = Console(stderr=True, soft_wrap=True)  # a path that is said above the bar stays whole
    if _moves(console):
        with _bar(console) as update:
            yield update
        return
    how_far = HowFar(EVERY_S)
    with every(EVERY_S, lambda: say(how_far.line())):
        yield how_far.update


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar for each stage: work done, images settled, what is right so far, time left of it.

    The work of a batch that is under way counts, so that the bar moves within it. It appears with
    the first batch: what is loaded or fetched before may have a bar too.
    """
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=None, table_column=Column(max_width=WIDEST_BAR)),
        TextColumn("{task.fields[images]}"),
        TextColumn("{task.fields[right]}"),
        TimeRemainingColumn(),
    )
    bar = RichProgress(*columns, console=console)
    tasks: dict[str, TaskID] = {}
    last: dict[str, int] = {}  # by stage, the images done

    def update(now: Progress) -> None:
        if not tasks:
            bar.start()
        if now.done < last.get(now.stage, 0):  # of another run, as in `reproduce`
            bar.reset(tasks[now.stage])
        last[now.stage] = now.done
        if now.stage not in tasks:
            tasks[now.stage] = bar.add_task(now.stage, total=now.total, images="", right="")
        bar.update(
            tasks[now.stage],
            completed=now.work_done,
            total=now.total,
            images=f"{now.done}/{now.total}",
            right=_so_far(now),
        )

    try:
        yield update
    finally:
        bar.stop()


def _moves(console: Console) -> bool:
    """Whether a line can be drawn anew. A job of a CI that asks for colour is still no terminal."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and console.is_terminal and not console.is_dumb_terminal


def _so_far(now: Progress) -> str:
    """What is known of the accuracy: of the clean pass, of an attack under way, or at its end.

    Only an interval, which images drawn by chance allow, is called robust: in a stage the share of
    those not broken still falls, and the clean pass breaks none.
    """
    if now.estimate is not None and not now.estimate.is_exact:
        return f"robust {percent_range(*now.estimate.interval)} %"
    if not now.n:
        return ""
    what = "right so far" if now.stage.split()[-1] == "clean" else "not broken so far"
    return f"{what} {percent(now.n_right / now.n)} %"


@contextmanager
def every(seconds: float, tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` each time that so many seconds are over, from a thread, while the block runs.

    So one step that takes minutes, which tells nothing itself, is no reason to think it hangs.
    """
    stop = Event()

    def keep_telling() -> None:
        while not stop.wait(seconds):
            tell()

    thread = Thread(target=keep_telling, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(1.0)  # no longer: who reads our stderr may have stopped to


class HowFar:
    """Where an evaluation stands, in a line.

    silence_s: after so long without news the line says so. clock: seconds that never go back.
    """

    def __init__(self, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._silence_s, self._clock = silence_s, clock
        self._began = self._told = clock()
        self._now: Progress | None = None
        self._done: dict[str, int] = {}  # by stage, the images
        self._starts: dict[str, tuple[float, float]] = {}  # by stage: when, and the work done then

    def update(self, now: Progress) -> None:
        """Note where it stands now."""
        self._told = self._clock()
        if now.done < self._done.get(now.stage, 0):  # of another run, as in `reproduce`
            del self._starts[now.stage]
        self._done[now.stage] = now.done
        self._starts.setdefault(now.stage, (self._told, now.work_done))
        self._now = now

    def line(self) -> str:
        """Stage, images done, share of the work, accuracy so far, time left, time taken."""
        now, time_now = self._now, self._clock()
        taken = f"{duration(time_now - self._began)} so far"
        if now is None:
            return f"getting ready, {taken}"
        parts = [f"{now.stage}: {now.done} of {now.total} images done"]
        if now.under_way:
            parts[0] += f", {100 * now.work_done / now.total:.0f} % of the work"
        if said := _so_far(now):
            parts.append(said)
        left_s = self._left_s(now)
        if left_s is not None:
            parts.append(f"about {duration(left_s)} left of {now.stage}")
        parts.append(taken)
        silence = time_now - self._told
        if silence >= self._silence_s:
            parts.append(f"nothing new for {duration(silence)}, still at work")
        return ", ".join(parts)

    def _left_s(self, now: Progress) -> float | None:
        """What is left of the stage at its mean pace so far; None before there is a pace."""
        since, work_then = self._starts[now.stage]
        work, seconds = now.work_done - work_then, self._told - since
        if work <= 0 or seconds <= 0 or now.work_done >= now.total:
            return None
        whole = seconds / work * (now.total - now.work_done)
        return max(whole - (self._clock() - self._told), 0.0)
