"""SIGTERM and Ctrl-C: what is known is kept and told, and so is the command that goes on."""

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval import evaluation as measuring
from eval.run import Progress
from tests.commandline import processes_of
from zoo import registry
from zoo.cards import Claim, ThreatSpec
from zoo.cli.shared import progress
from zoo.cli.shared.stopping import command_again
from zoo.train.record.progress import ProgressLine

DIGITS = "resnet8-silu-sat-digits"
QUICK = ("eval", DIGITS, "--attack", "pgd-5", "--n", "40", "--precision", "fp32")
QUICK += ("--batch-size", "8")
CURVE = ("curve", DIGITS, "--steps", "1,2", "--n", "16", "--no-check")
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    """Whatever started the tests may have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    signal.signal(signal.SIGINT, before)


@contextmanager
def signalled(number: int, stage: str, done: int) -> Iterator[Callable[[Progress], None]]:
    """In place of the progress: a signal once a stage is so far."""

    def update(now: Progress) -> None:
        if now.stage == stage and now.done >= done:
            signal.raise_signal(number)

    yield update


def gone_on_with(said: str) -> list[str]:
    """The command, without the program's name, that the last lines on stderr name."""
    (line,) = [one for one in said.splitlines() if one.startswith("sat-zoo: go on with: ")]
    program, *args = shlex.split(line.removeprefix("sat-zoo: go on with: "))
    assert program == "sat-zoo"
    return args


@pytest.mark.parametrize(
    ("number", "code", "end"),
    [(signal.SIGTERM, 143, "stopped by SIGTERM"), (signal.SIGINT, 130, "interrupted")],
)
def test_eval_leaves_a_report_and_says_how_to_go_on(
    sat_zoo: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    end: str,
) -> None:
    out, journal = tmp_path / "a report's.json", tmp_path / "my journal"
    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", lambda: signalled(number, "pgd-5", 20))
        done = sat_zoo(*QUICK, "--fresh", "--out", out, "--journal", journal)
    assert done.code == code
    assert "robust accuracy  estimated," in done.out
    assert (part := Report.read(out).estimate) is not None
    assert part.ended_by == "interruption"
    first, *_, last = done.err.strip().splitlines()
    assert first == (
        f"sat-zoo: the verdicts so far are in {journal}: the same command without --fresh goes on"
        " from there"
    )
    assert last == f"sat-zoo: {end}"
    again = gone_on_with(done.err)
    assert again == [*QUICK, "--out", str(out), "--journal", str(journal)]
    resumed = sat_zoo(*again)
    assert resumed.err.startswith("sat-zoo: resuming: ")
    assert resumed.code == 0
    assert Report.read(out).estimate is None


def test_a_second_signal_ends_at_once_and_loses_no_verdict(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = measuring._report

    def impatient(*args: Any, **more: Any) -> Report:
        signal.raise_signal(signal.SIGTERM)
        return real(*args, **more)

    out = tmp_path / "r.json"
    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", lambda: signalled(signal.SIGINT, "pgd-5", 20))
        patch.setattr(measuring, "_report", impatient)
        done = sat_zoo(*QUICK, "--out", out)
    assert (done.code, done.out.strip(), out.exists()) == (143, "", False)
    resumed = sat_zoo(*QUICK)
    n_known = int(resumed.err.removeprefix("sat-zoo: resuming: ").split()[0])
    assert n_known >= 20  # within the second that a verdict may wait, and closed in order


def test_a_clean_pass_keeps_nothing_and_says_nothing_of_going_on(
    sat_zoo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "progress_bar", lambda: signalled(signal.SIGTERM, "clean", 1))
    done = sat_zoo("eval", DIGITS, "--attack", "clean", "--n", "8")
    assert (done.code, done.err.strip()) == (143, "sat-zoo: stopped by SIGTERM")


def test_curve_says_how_to_go_on(sat_zoo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", lambda: signalled(signal.SIGTERM, "steps 2", 1))
        done = sat_zoo(*CURVE, "--fresh")
    assert done.code == 143
    assert "the same command without --fresh goes on from there" in done.err
    again = gone_on_with(done.err)
    assert again == [*CURVE]
    assert sat_zoo(*again).code == 0


def test_reproduce_says_how_to_go_on(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim(
        accuracy=0.05,
        protocol="pgd-2",
        threat=ThreatSpec(norm="Linf", eps="3/16"),
        source="a table",
        run_as="pgd-sat-2@1",
    )
    cards = dict(registry._cards())
    cards[DIGITS] = cards[DIGITS].model_copy(update={"claims": (claim,)})
    monkeypatch.setattr(registry, "_cards", lambda: cards)
    command = ("reproduce", DIGITS, "--out", str(tmp_path / "my reports"), "--n", "8")
    with monkeypatch.context() as patch:
        stopped = lambda: signalled(signal.SIGTERM, "pgd-sat-2", 1)  # noqa: E731
        patch.setattr(progress, "progress_bar", stopped)
        done = sat_zoo(*command, "--fresh")
    assert done.code == 143
    assert gone_on_with(done.err) == [*command]
    (report,) = (tmp_path / "my reports").iterdir()
    assert Report.read(report).estimate is not None
    assert sat_zoo(*command).code == 0
    assert Report.read(report).estimate is None


def test_train_says_how_to_go_on_and_the_checkpoint_is_there(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ("train", DIGITS, "--device", "cpu", "--set", "attack_steps=1", "--limit-steps", "4")
    command = (*short, "--out", str(tmp_path / "my run"))
    with monkeypatch.context() as patch:
        patch.setattr(ProgressLine, "on_step", lambda *_: signal.raise_signal(signal.SIGTERM))
        done = sat_zoo(*command, "--fresh")
    assert done.code == 143
    checkpoints = tmp_path / "my run" / "checkpoints"
    assert "sat-zoo: stopped at step 2 of " in done.err
    assert f"; the checkpoint of that step is in {checkpoints}\n" in done.err
    assert gone_on_with(done.err) == [*command]
    assert [*checkpoints.glob("step-*2")]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["eval", "a b.safetensors", "--fresh"], "sat-zoo eval 'a b.safetensors'"),
        (["eval", "x", "--out", "it's"], """sat-zoo eval x --out 'it'"'"'s'"""),
        (["--debug", "curve", "x", "--fresh", "--n", "3"], "sat-zoo --debug curve x --n 3"),
        (["eval", "--", "--fresh"], "sat-zoo eval -- --fresh"),
    ],
)
def test_the_command_that_goes_on_is_quoted_and_not_fresh(args: list[str], said: str) -> None:
    assert command_again(args) == said


SELF_KILLED = """
import os, threading
from zoo import registry
from zoo.cards import Claim, ThreatSpec
from eval import bars
bars.PLAIN_S = 0.02
real, line, told = bars.HowFar.update, bars.HowFar.line, threading.Event()
def update(self, now):
    real(self, now)
    if now.stage == "pgd-5" and now.done >= 20:
        told.wait(60)
        os.kill(os.getpid(), signal.SIGTERM)
def telling(self):
    said = line(self)
    if ": 20 of" in said:
        told.set()
    return said
bars.HowFar.update, bars.HowFar.line = update, telling
"""


def test_a_process_without_a_terminal_tells_lines_and_answers_sigterm(tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    with processes_of(SELF_KILLED, SAT_ZOO_HOME=str(tmp_path / "home")) as processes:
        process = processes.start(*QUICK, "--fresh", "--out", str(out))
        printed, said = process.communicate(timeout=600)
    assert process.returncode == 143, said
    assert "robust accuracy  estimated," in printed
    assert Report.read(out).estimate is not None
    lines = [line for line in said.splitlines() if line]
    assert any(": 20 of" in line and "not broken so far" in line for line in lines)
    assert "\x1b" not in said
    assert lines[-2:] == [
        f"sat-zoo: go on with: {shlex.join(['sat-zoo', *QUICK, '--out', str(out)])}",
        "sat-zoo: stopped by SIGTERM",
    ]
    assert not [line for line in lines if not line.startswith("sat-zoo: ")]
