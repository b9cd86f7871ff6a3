"""What people see while a run goes on: one line an epoch, and a moving line on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from eval.report.percent import percent
from zoo.train.record.events import EpochResult

REFRESH_S = 1.0


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


def duration(seconds: float) -> str:
    """Seconds for people: "40 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class ProgressLine:
    """Counts the time since it was made; a resumed run estimates from its own steps."""

    def __init__(self, epochs: int, say: Callable[[str], None]) -> None:
        self._epochs = epochs
        self._say = say
        self._started = time.monotonic()
        self._first_step: int | None = None
        self._shown_at = 0.0
        self._step, self._n_steps = 0, 0
        self._is_terminal = sys.stderr.isatty()

    def on_step(self, step: int, n_steps: int, loss: float, rate: float) -> None:
        """Redraw the moving line, on a terminal, at most once a second."""
        if self._first_step is None:
            self._first_step, self._started = step, time.monotonic()
        self._step, self._n_steps = step, n_steps
        if not self._is_terminal or time.monotonic() - self._shown_at < REFRESH_S:
            return
        self._shown_at = time.monotonic()
        left = self.left_s()
        rest = f"  {duration(left)} left" if left is not None else ""
        sys.stderr.write(
            f"\r\x1b[Kstep {step}/{n_steps}  loss {loss:.3f}  {rate:.0f} images/s{rest}"
        )
        sys.stderr.flush()

    def on_epoch(self, result: EpochResult) -> None:
        """Print the epoch's line."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._say(epoch_line(result, self._epochs, self.left_s()))

    def left_s(self) -> float | None:
        """Seconds to the end at the mean pace so far; None before there is a pace."""
        if self._first_step is None or self._step == self._first_step:
            return None
        pace = (time.monotonic() - self._started) / (self._step - self._first_step)
        return pace * (self._n_steps - self._step)
