"""Where an evaluation stands, in words, and how to say that now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from eval.report.duration import duration
from eval.report.percent import percent, percent_range

if TYPE_CHECKING:
    from eval.wave import Progress


def so_far(now: Progress) -> str:
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
        if said := so_far(now):
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
