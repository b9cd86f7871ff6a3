"""How far a measurement is: a bar in a notebook or on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from eval.errors import UsageError
from eval.howfar import HowFar, every, so_far

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from eval.wave import Progress

    Tell = Callable[[Progress], None]

EVERY_S = 0.2
"""How often a bar in a notebook is drawn."""

PLAIN_S = 30.0
"""Between two lines where there is neither notebook nor terminal; the first comes after as long, so
that a short run says nothing."""

WIDEST_BAR = 40
"""Columns of a terminal."""


@contextmanager
def shown(progress: bool | None, on_progress: Tell | None) -> Iterator[Tell]:
    """Whom to tell of the progress for as long as the block runs: the caller, a bar, or both.

    progress: None for a bar in a notebook whose caller is not told; True for one anywhere, on
    stderr outside of a notebook, where that is no terminal as a line every 30 s; False for none.
    """
    if progress is not None and not isinstance(progress, bool):
        raise UsageError(f"progress is {progress!r}: give True, False, or None for a notebook's")
    is_wanted = on_progress is None and in_notebook() if progress is None else progress
    told = [on_progress] if on_progress is not None else []
    if not is_wanted:
        yield on_progress or (lambda _: None)
        return
    with _notebook_bar() if in_notebook() else on_stderr(_print) as bar:

        def tell(now: Progress) -> None:
            for one in (*told, bar):
                one(now)

        yield tell


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, which shows HTML."""
    ipython = sys.modules.get("IPython")  # a kernel has loaded it
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def _notebook_bar() -> Iterator[Tell]:
    """HTML that is drawn again in its place, and gone at the end."""
    ipython: Any = import_module("IPython.display")
    handle = ipython.display(ipython.HTML(""), display_id=True)
    how_far, stage, at = HowFar(PLAIN_S), "", 0.0

    def draw(now: Progress) -> None:
        nonlocal stage, at
        how_far.update(now)
        is_over = now.done >= now.total
        if time.monotonic() - at >= EVERY_S or is_over or now.stage != stage:
            stage, at = now.stage, time.monotonic()
            bar = f'<progress value="{now.work_done:g}" max="{max(now.total, 1)}"></progress>'
            handle.update(ipython.HTML(f"<div>{bar} {html.escape(how_far.line())}</div>"))

    try:
        yield draw
    finally:
        handle.update(ipython.HTML(""))


@contextmanager
def on_stderr(say: Callable[[str], None]) -> Iterator[Tell]:
    """A bar on stderr where that is a terminal, else a line every `PLAIN_S`, by `say`."""
    console = _console()
    if _moves(console):
        with _moving_bar(console) as update:
            yield update
        return
    how_far = HowFar(PLAIN_S)
    with every(PLAIN_S, lambda: say(how_far.line())):
        yield how_far.update


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)  # a path that is said above the bar stays whole


def _moves(console: Console) -> bool:
    """Whether a line can be drawn anew. A job of a CI that asks for colour is still no terminal."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and console.is_terminal and not console.is_dumb_terminal


@contextmanager
def _moving_bar(console: Console) -> Iterator[Tell]:
    """A bar for each stage: work done, images settled, what is right so far, time left of it.

    The work of a batch that is under way counts, so that the bar moves within it. It appears with
    the first batch: what is loaded or fetched before may have a bar too.
    """
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

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
            right=so_far(now),
        )

    try:
        yield update
    finally:
        bar.stop()


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
