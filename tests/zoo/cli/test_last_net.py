"""However a command ends: one sentence, the right code, and nothing lost."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.errors import ReportError
from zoo.cli.shared import crash
from zoo.cli.shared.console import stdout, visible
from zoo.cli.shared.ending import ending_of

Run = Callable[..., Any]
Shell = Callable[..., "subprocess.CompletedProcess[str]"]

DIGITS = "resnet8-silu-sat-digits"
ROOT = Path(__file__).parents[3]
EVAL = f"eval {DIGITS} --attack pgd-2 --n 8 --precision fp32"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Has `sat-zoo list` raise an error."""

    def break_with(error: Exception) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("zoo.cli.list.catalogue", fail)

    return break_with


def crashes(home: Path) -> list[Path]:
    return sorted((home / "crashes").glob("*"))


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError("I say nothing")


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        ZeroDivisionError("by zero"),
        OverflowError("int too large to convert to float"),
        AttributeError("'NoneType' object has no attribute 'x'"),
        ValueError("two\nlines \x1b[2J"),
        OSError(errno.EIO, "Input/output error"),
        Silent(),
        ExceptionGroup("several", [ValueError("a")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_nobody_foresaw_is_one_sentence_a_file_and_code_70(
    sat_zoo: Run, tmp_path: Path, broken: Callable[[Exception], None], error: Exception
) -> None:
    broken(error)
    done = sat_zoo("list")
    assert (done.code, done.out) == (70, "")
    (path,) = crashes(tmp_path / "home")
    assert done.err.count("\n") == 1
    assert done.err[:-1].isprintable()
    assert done.err.startswith(f"sat-zoo: an unexpected error, {type(error).__name__}: ")
    assert done.err.endswith(f"the traceback is in {path}: please report it, with the traceback\n")
    kept = path.read_text()
    assert "Traceback (most recent call last)" in kept
    assert "sat-zoo list" in kept
    assert path.stat().st_mode & 0o777 == 0o600


def test_debug_shows_the_traceback(
    sat_zoo: Run, broken: Callable[[Exception], None], tmp_path: Path
) -> None:
    broken(KeyError("x"))
    done = sat_zoo("--debug", "list")
    assert done.code == 70
    assert "Traceback (most recent call last)" in done.err
    assert done.err.splitlines()[-1].startswith("sat-zoo: an unexpected error, KeyError: 'x'")


def test_twenty_crash_files_are_kept_and_no_other_file_is_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    (tmp_path / "crashes").mkdir()
    (tmp_path / "crashes" / "a-note.txt").write_text("mine")
    for i in range(30):
        (tmp_path / "crashes" / f"crash-20250101T0000{i:02d}Z-{i:08x}.txt").write_text("")
    written = crash.write_crash(ValueError("new"))
    names = [path.name for path in crashes(tmp_path)]
    assert len(names) == crash.KEPT + 1
    assert written is not None
    assert {"a-note.txt", written.name, "crash-20250101T000029Z-0000001d.txt"} <= set(names)
    assert "crash-20250101T000010Z-0000000a.txt" not in names


@pytest.mark.parametrize("obstacle", ["a file", "a device"])
def test_a_crash_file_that_cannot_be_written_is_said(
    sat_zoo: Run, broken: Callable[[Exception], None], tmp_path: Path, obstacle: str
) -> None:
    broken(KeyError("x"))
    (tmp_path / "home").mkdir()
    if obstacle == "a file":
        (tmp_path / "home" / "crashes").write_text("")
    else:
        (tmp_path / "home" / "crashes").symlink_to("/dev/null")
    done = sat_zoo("list")
    assert done.code == 70
    assert "no file for its traceback could be written: please report it" in done.err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "there is not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "there is not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "there is not enough memory"),
        (ImportError("x.so: failed to map segment from shared object"), "not enough memory"),
        (RecursionError("maximum recursion depth exceeded"), "something is nested too deep"),
        (OSError(errno.EMFILE, "Too many open files", "a"), "no more files can be opened"),
        (OSError(errno.ENFILE, "Too many open files"), "no more files can be opened"),
        (OSError(errno.ENOSPC, "No space left", "/x\x1b[2J"), r"the disk of /x\x1b[2J is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
    ],
)
def test_what_the_machine_has_too_little_of_is_said_with_code_1(
    sat_zoo: Run,
    broken: Callable[[Exception], None],
    tmp_path: Path,
    error: Exception,
    said: str,
) -> None:
    broken(error)
    done = sat_zoo("list")
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") == 1
    assert crashes(tmp_path / "home") == []


def test_sentences_of_ours_keep_their_code_and_draw_nothing(
    sat_zoo: Run, broken: Callable[[Exception], None]
) -> None:
    broken(ReportError("report a\x1b[2J\nb \u202ec: no"))
    done = sat_zoo("list")
    assert (done.code, done.err) == (1, "sat-zoo: report a\\x1b[2J b \\u202ec: no\n")
    assert ending_of(ReportError("x")).exit_code == 1


def test_a_console_obeys_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    name = "[red]a[/] :smile: \x1b[1A\x1b[2K\x9b2J\rb\u202ec"
    table = Table(name)
    table.add_row(name)
    for shown in (name, Text(name), table):
        stdout().print(shown)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert out.count("[red]a[/] :smile: ") == 4
    assert out.count(r"\x1b[1A\x1b[2K\x9b2Jb\u202ec") == 2
    assert visible("a\tb\n\x07") == "a\tb\n\\x07"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Runs a line in which `sat-zoo` is a process of its own, as a shell does."""

    def run(line: str, **env: str) -> "subprocess.CompletedProcess[str]":
        command = f"set -o pipefail; sat-zoo() {{ '{sys.executable}' -m sat_zoo \"$@\"; }}; {line}"
        return subprocess.run(
            ["bash", "-c", command],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SAT_ZOO_HOME": str(tmp_path / "home"),
                **env,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.mark.parametrize("command", ["list", "list --json", "show resnet50-silu-sat", "--help"])
@pytest.mark.parametrize(
    ("where", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")]
)
def test_a_stdout_that_is_full_or_closed_is_one_sentence(
    shell: Shell, command: str, where: str, why: str
) -> None:
    done = shell(f"sat-zoo {command} {where}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"sat-zoo: stdout takes no more output ({why}): ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["list", "list --json", "schema report"])
def test_a_reader_that_went_away_is_no_error(shell: Shell, command: str) -> None:
    done = shell(f"sat-zoo {command} | head -c 9; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) == 9


@pytest.mark.parametrize(("where", "options"), [(">/dev/full", "--json"), (">&-", "")])
def test_verdicts_that_could_not_be_printed_are_in_the_journal(
    shell: Shell, where: str, options: str
) -> None:
    done = shell(f"sat-zoo {EVAL} {options} {where}")
    assert done.returncode == 1
    assert "stdout takes no more output" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    again = shell(f"sat-zoo {EVAL} --json")
    assert again.returncode == 0
    assert "all 8 verdicts known from" in again.stderr
    assert Report.model_validate(json.loads(again.stdout)).data.n == 8


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_a_stderr_that_is_gone_stops_nothing(shell: Shell, where: str) -> None:
    done = shell(f"sat-zoo list --json {where}")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) > 20
    assert shell(f"sat-zoo nothing {where}").returncode == 2


def test_a_name_that_the_encoding_has_not_is_still_shown(shell: Shell) -> None:
    done = shell("sat-zoo list --json", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("n_files", [6])
def test_too_few_descriptors_are_one_sentence(shell: Shell, n_files: int) -> None:
    done = shell(f"ulimit -n {n_files}; sat-zoo {EVAL}")
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1, 3}


@pytest.mark.parametrize("megabytes", [400])
def test_too_little_memory_is_one_sentence(shell: Shell, megabytes: int) -> None:
    done = shell(f"ulimit -v {megabytes * 1024}; sat-zoo {EVAL}")
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "there is not enough memory" in done.stderr
