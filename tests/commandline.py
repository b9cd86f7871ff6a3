"""`sat-zoo` as a user starts it: in this process, or in processes of its own that can be killed."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from zoo.cli import main

# A job in the background has SIGINT ignored, and so have the processes that it starts.
_CODE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
{first}
from zoo.cli import main
main()
"""

PATIENCE_S = 600
"""For a process to end, or to come so far: only a test that fails waits so long."""


WAITS = re.compile(
    r"sat-zoo: (getting ready, |no worker is ready after |[\w-]+: \d+ of \d+ images done)"
)
"""What is said of work that takes 30 s or more, as anything may on a busy machine."""


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """The lines of stderr but for those that only time brings."""
        return [line for line in self.err.splitlines() if not WAITS.match(line)]


@pytest.fixture
def sat_zoo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Done]:
    """Runs the command line in this process, as the console script does, in a home of its own."""
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))

    def run(*args: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["sat-zoo", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


class Processes:
    """`sat-zoo` in processes of their own; env: added to ours; first: Python to run before it."""

    def __init__(self, first: str = "", **env: str) -> None:
        self._code = _CODE.format(first=first)
        self._env = {**os.environ, **env}
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self,
        *args: str,
        stdin: int = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
        **env: str,
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", self._code, *args],
            env={**self._env, **env},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.started.append(process)
        return process


@contextmanager
def processes_of(first: str = "", **env: str) -> Iterator[Processes]:
    """Processes that are killed at the end, should they still run."""
    all_of_them = Processes(first, **env)
    yield all_of_them
    for process in all_of_them.started:
        process.kill()
        process.wait()
