"""A bar while something is measured, for who calls from Python: in a notebook, or if asked for."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from eval.errors import UsageError
from eval.report.percent import percent, percent_range

if TYPE_CHECKING:
    from eval.wave import Progress

    Tell = Callable[[Progress], None]

EVERY_S = 0.2
"""How often a bar in a notebook is drawn."""

PLAIN_S = 30.0
"""How often a line is written where there is neither notebook nor terminal."""


@contextmanager
def shown(progress: bool | None, on_progress: Tell | None) -> Iterator[Tell]:
    """Whom to tell of the progress for as long as the block runs: the caller, a bar, or both.

    progress: None for a bar in a notebook whose caller is not told; True for one anywhere, on
    stderr outside of a notebook, where that is no terminal as a line every 30 s; False for none.
    """
    if progress is not None and not isinstance(progress, bool):
        raise UsageError(f"`progress` is {progress!r}: give True, False, or None for a notebook's")
    is_wanted = on_progress is None and in_notebook() if progress is None else progress
    told = [on_progress] if on_progress is not None else []
    if not is_wanted:
        yield on_progress or (lambda _: None)
        return
    with (_notebook_bar if in_notebook() else _terminal_bar)() as bar:

        def tell(now: Progress) -> None:
            for one in (*told, bar):
                one(now)

        yield tell


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, which shows HTML."""
    ipython = sys.modules.get("IPython")  # a kernel has loaded it
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def so_far(now: Progress) -> str:
    """What is known of the accuracy; it is called robust only where that is what is known."""
    if now.estimate is not None and not now.estimate.is_exact:
        return f"robust {percent_range(*now.estimate.interval)} %"
    return f"right {percent(now.n_right / now.n)} %" if now.n else ""


class Clock:
    """How long the stage that runs will still take, by what it took so far."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._stage, self._started, self._before = "", 0.0, 0

    def left(self, now: Progress) -> str:
        """In words, "" where nobody can know yet."""
        if now.stage != self._stage:
            self._stage, self._started, self._before = now.stage, self._now(), now.done
        done = now.done - self._before
        if done <= 0 or now.done >= now.total:
            return ""
        seconds = (self._now() - self._started) * (now.total - now.done) / done
        return f"{_duration(seconds)} left"


@contextmanager
def _notebook_bar() -> Iterator[Tell]:
    """HTML that is drawn again in its place, and gone at the end."""
    ipython: Any = import_module("IPython.display")
    handle = ipython.display(ipython.HTML(""), display_id=True)
    clock, stage, at = Clock(), "", 0.0

    def draw(now: Progress) -> None:
        nonlocal stage, at
        text, is_over = _line(now, clock), now.done >= now.total
        if time.monotonic() - at >= EVERY_S or is_over or now.stage != stage:
            stage, at = now.stage, time.monotonic()
            bar = f'<progress value="{now.done}" max="{max(now.total, 1)}"></progress>'
            handle.update(ipython.HTML(f"<div>{bar} {html.escape(text)}</div>"))

    try:
        yield draw
    finally:
        handle.update(ipython.HTML(""))


@contextmanager
def _terminal_bar() -> Iterator[Tell]:
    """A bar on stderr; a line now and then where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[right]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console) as bar:
        tasks: dict[str, Any] = {}

        def draw(now: Progress) -> None:
            if now.stage not in tasks:
                tasks[now.stage] = bar.add_task(now.stage, total=now.total, right="")
            bar.update(tasks[now.stage], completed=now.done, total=now.total, right=so_far(now))

        yield draw


def _plain_lines() -> Tell:
    clock, said_at = Clock(), [time.monotonic()]

    def say(now: Progress) -> None:
        text = _line(now, clock)
        if time.monotonic() - said_at[0] >= PLAIN_S:
            said_at[0] = time.monotonic()
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    return say


def _line(now: Progress, clock: Clock) -> str:
    parts = (f"{now.stage} {now.done} of {now.total}", so_far(now), clock.left(now))
    return ", ".join(part for part in parts if part)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
