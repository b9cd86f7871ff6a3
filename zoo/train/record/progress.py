"""What people see while a run goes on: a line an epoch, and where it stands within one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from eval.report.duration import duration
from eval.report.percent import percent
from zoo.train.record.events import EpochResult

REFRESH_S = 1.0
"""Between two looks of the moving line."""

EVERY_S = 30.0
"""Between two lines where there is no terminal; the first comes after as long."""


def epoch_line(result: EpochResult, epochs: int, left_s: float | None) -> str:
    """One line for people: accuracies in per cent, of training and of held-out images."""
    clean = "" if result.train_clean is None else f"clean {percent(result.train_clean)} % "
    parts = [
        f"epoch {result.epoch:3d}/{epochs}",
        f"loss {result.loss:.3f}",
        f"train {clean}robust {percent(result.train_robust)} %",
    ]
    if result.valid_clean is not None and result.valid_robust is not None:
        parts.append(
            f"held out clean {percent(result.valid_clean)} %"
            f" robust {percent(result.valid_robust)} %"
        )
    parts += [f"lr {result.lr:.4f}", f"{result.images_per_second:.0f} images/s"]
    if left_s is not None:
        parts.append(f"{duration(left_s)} left")
    return "  ".join(parts)


class ProgressLine:
    """Counts the time since it was made; a resumed run estimates from its own steps.

    remark: is told a line now and then where there is no terminal; None: nothing is shown between
    the lines of epochs, on a terminal neither. clock: seconds.
    """

    def __init__(
        self,
        epochs: int,
        say: Callable[[str], None],
        remark: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epochs = epochs
        self._say, self._remark, self._clock = say, remark, clock
        self._started = self._lined_at = clock()
        self._first_step: int | None = None
        self._shown_at = 0.0
        self._step, self._n_steps = 0, 0
        self._is_terminal = remark is not None and sys.stderr is not None and sys.stderr.isatty()

    def on_step(self, step: int, n_steps: int, loss: float, rate: float) -> None:
        """Redraw the moving line on a terminal, at most once a second; elsewhere a line."""
        now = self._clock()
        if self._first_step is None:
            self._first_step, self._started = step, now
        self._step, self._n_steps = step, n_steps
        if self._remark is None:
            return
        if self._is_terminal and now - self._shown_at >= REFRESH_S:
            self._shown_at = now
            sys.stderr.write(f"\r\x1b[K{self._line(loss, rate)}")
            sys.stderr.flush()
        elif not self._is_terminal and now - self._lined_at >= EVERY_S:
            self._lined_at = now
            self._remark(self._line(loss, rate))

    def _line(self, loss: float, rate: float) -> str:
        left = self.left_s()
        rest = f"  {duration(left)} left" if left is not None else ""
        return f"step {self._step}/{self._n_steps}  loss {loss:.3f}  {rate:.0f} images/s{rest}"

    def on_epoch(self, result: EpochResult) -> None:
        """Print the epoch's line."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._lined_at = self._clock()
        self._say(epoch_line(result, self._epochs, self.left_s()))

    def left_s(self) -> float | None:
        """Seconds to the end at the mean pace so far; None before there is a pace."""
        if self._first_step is None or self._step == self._first_step:
            return None
        pace = (self._clock() - self._started) / (self._step - self._first_step)
        return pace * (self._n_steps - self._step)
