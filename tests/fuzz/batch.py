"""Batches of cases in child processes: a case that takes the interpreter along is a case too."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SILENCE_S = 60.0  # a reader that no signal ends: in C, or waiting for what never comes
_START_S = 300.0


@dataclass(frozen=True)
class Failure:
    """A case that did not end as it must, and how to see it again."""

    format: str
    seed: int
    case: int
    damage: str
    why: str
    trace: str = ""

    def __str__(self) -> str:
        again = f"python -m tests.fuzz --format {self.format} --seed {self.seed} --case {self.case}"
        return f"{again}\n    {self.damage}\n    {self.why}"


@dataclass
class Tally:
    """How the cases of one format ended."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    @property
    def n_cases(self) -> int:
        """All that were tried."""
        return sum(self.counts.values())


class NotStarted(Exception):
    """A child could not even read the undamaged sample."""


def run_batch(name: str, seed: int, first: int, end: int, tally: Tally) -> None:
    """Try the cases first to end - 1 of a format, in as many children as that takes."""
    while first < end:
        last = _run_child(name, seed, first, end, tally)
        first = end if last is None else last + 1


def _run_child(name: str, seed: int, first: int, end: int, tally: Tally) -> int | None:
    """Try cases until one ends the child; its number, None where none did."""
    arguments = [sys.executable, "-m", "tests.fuzz.child", name, *map(str, (seed, first, end))]
    begun: int | None = None
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL
        ) as child:
            is_silent = False
            for line in _lines(child):
                told = json.loads(line)
                if "begins" in told:
                    begun = told["begins"]
                elif "case" in told:
                    begun = None
                    _note(tally, name, seed, told)
                elif "silent" in told:
                    is_silent = True
                    child.kill()
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-2000:]
    if begun is None and child.returncode == 0:
        return None
    if begun is None:
        raise NotStarted(f"{name}: the child ended with {child.returncode}: {said}")
    why = f"no answer in {_SILENCE_S:.0f} s" if is_silent else f"ended by {_end(child.returncode)}"
    tally.counts["failed"] += 1
    tally.failures.append(Failure(name, seed, begun, "see --case", why, said))
    return begun


def _note(tally: Tally, name: str, seed: int, told: dict[str, Any]) -> None:
    tally.counts[told["kind"]] += 1
    if told["kind"] == "failed":
        what = (told["damage"], told["why"], told["trace"])
        tally.failures.append(Failure(name, seed, told["case"], *what))


def _lines(child: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What a child tells, until it ends; last that it is silent, where it was so for too long."""
    assert child.stdout is not None
    file, rest, wait = child.stdout.fileno(), b"", _START_S
    while select.select([file], [], [], wait)[0]:
        piece = os.read(file, 2**16)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        wait = _SILENCE_S
    yield b'{"silent": true}'


def _end(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
