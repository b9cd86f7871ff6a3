"""One case: damage a copy of the sample, read it within limits, judge what came of it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Literal

from eval.errors import SatZooError
from tests.fuzz.format import Damage, Format

MOST_SECONDS = 2.0
MOST_BYTES = 500 * 2**20
LONGEST_SENTENCE = 600
_WAIT_S = 20.0  # without any work done: for what is never said, say by a FIFO
_ROOM = 4 * 2**30  # of addresses, beside what the interpreter has: the machine must survive

Kind = Literal["refused", "accepted", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What came of a case. why: the sentence, or what is wrong; damage: what was done."""

    kind: Kind
    why: str
    damage: str
    trace: str = ""


class TooLong(BaseException):
    """No `except Exception` of a reader may catch it."""


class Tried:
    """A format's sample and what a reader yields of it, ready for cases in `scratch`."""

    def __init__(self, chosen: Format, scratch: Path) -> None:
        self.format, self._scratch = chosen, scratch
        self._sample = scratch / "sample"
        self._sample.mkdir(parents=True)
        chosen.make(self._sample)
        chosen.read(self._copy("first"))  # what is read once must not be what is made once
        self._original = chosen.read(self._copy("original"))
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_addresses() + _ROOM, hard))

    def case(self, seed: int, number: int) -> Outcome:
        """The outcome of one case, which its number and the seed decide."""
        folder = self._copy("case")
        rng = Random(f"{self.format.name} {seed} {number}")
        damage = Damage("not damaged")
        try:
            damage = self.format.damage(folder, rng)
            kind, why, trace = self._judged(folder, damage)
        except Exception as problem:
            why, trace = f"the suite itself failed: {problem!r:.200}", traceback.format_exc()
            return Outcome("failed", why, damage.what, trace)
        return Outcome(kind, why, damage.what, trace)

    def _judged(self, folder: Path, damage: Damage) -> tuple[Kind, str, str]:
        before, spent = _resident_now(), _seconds()
        _forget_peak()
        error: BaseException | None = None
        found: Any = None
        try:
            with _alarm():
                found = self.format.read(folder)
        except BaseException as problem:
            error = problem
        seconds, grown = _seconds() - spent, _peak() - before
        trace = "".join(traceback.format_exception(error)) if error else ""
        if isinstance(error, TooLong) or seconds > MOST_SECONDS:
            return "failed", f"took {seconds:.1f} s: {error or 'then ended'}", trace
        if grown > MOST_BYTES:
            return "failed", f"took {grown / 2**20:.0f} MB", trace
        if isinstance(error, SatZooError):
            problem_with_it = fault_of_sentence(str(error))
            return (
                ("failed" if problem_with_it else "refused"),
                problem_with_it or str(error),
                trace,
            )
        if error is not None:
            return "failed", f"{type(error).__name__}: {str(error)[:200]}", trace
        why = self.format.falsified(folder, found, self._original, damage)
        return ("failed", f"falsified data accepted: {why}", "") if why else ("accepted", "", "")

    def _copy(self, name: str) -> Path:
        folder = self._scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._sample, folder, symlinks=True)
        return folder


def fault_of_sentence(said: str) -> str:
    """What keeps a message from being one sentence for people, or ""."""
    if not said.strip():
        return "refused without a word"
    if not said.isprintable():
        return f"a message with control characters: {said[:200]!r}"
    if len(said) > LONGEST_SENTENCE:
        return f"a message of {len(said)} characters: {said[:200]!r}"
    return ""


@contextmanager
def _alarm() -> Iterator[None]:
    """Raises `TooLong` after so much work, and after a wait in which none is done."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong("stopped in the middle of it")

    before = [signal.signal(number, ring) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, _WAIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


def _seconds() -> float:
    """Of work, not of waiting: on a loaded machine a clock on the wall measures the others."""
    times = os.times()
    return times.user + times.system


def _status(field: str) -> int:
    """A size in the kernel's account of this process, in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _resident_now() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _addresses() -> int:
    return _status("VmSize")


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
