"""-q and -v: nothing but the result, or more than usual."""

import json
import os
import pty
import re
import struct
import termios
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import PATIENCE_S, processes_of

DIGITS = "resnet8-silu-sat-digits"
QUICK = ("eval", DIGITS, "--attack", "pgd-2", "--n", "20", "--precision", "fp32")
CURVE = ("curve", DIGITS, "--eps", "1/16", "--attack", "pgd-2", "--n", "20", "--no-check")
TRAIN = ("train", DIGITS, "--device", "cpu", "--set", "attack_steps=1", "--limit-steps", "1")
Run = Callable[..., Any]


@pytest.mark.parametrize("command", [QUICK, CURVE], ids=["eval", "curve"])
@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_leaves_the_result_alone(sat_zoo: Run, command: tuple[str, ...], option: str) -> None:
    first = sat_zoo(*command, "--json", option)
    assert (first.code, first.err) == (0, "")
    json.loads(first.out)
    assert "known from" in sat_zoo(*command).err  # what the second call would remark on
    again = sat_zoo(*command, option)
    assert (again.code, again.err) == (0, "")
    assert "clean accuracy" in again.out or "accuracy" in again.out


def test_quiet_still_says_errors(sat_zoo: Run) -> None:
    done = sat_zoo(*QUICK, "-q", "--eps", "none")
    assert done.code == 2
    assert done.err.startswith("sat-zoo: eps 'none' is not a number")


def test_verbose_says_what_was_chosen_and_where_things_are(sat_zoo: Run, tmp_path: Path) -> None:
    done = sat_zoo(*QUICK, "-v")
    assert done.code == 0
    for said in (
        f"sat-zoo: weights of {DIGITS}: bundled, ",
        "sat-zoo: device cpu, ",
        "sat-zoo: engine fast searches in fp32, ",
        "sat-zoo: its copy of the model was proven on images that neither has seen: logits differ",
        f"sat-zoo: each verdict is kept in {tmp_path / 'home' / 'journals'}",
    ):
        assert said in done.err
    usual = sat_zoo(*QUICK, "--fresh")
    assert usual.err == ""  # and the log is silent again


def test_verbose_is_known_to_curve_and_reproduce(sat_zoo: Run) -> None:
    assert "searches in" in sat_zoo(*CURVE, "--verbose").err


def test_both_at_once_are_refused(sat_zoo: Run) -> None:
    for command in (QUICK, CURVE, TRAIN, ("reproduce", DIGITS)):
        done = sat_zoo(*command, "-q", "-v")
        assert done.code == 2
        assert done.err == (
            "sat-zoo: --quiet and --verbose ask for opposite things: leave one out\n"
        )


def test_a_quiet_training_says_where_the_weights_are(sat_zoo: Run, tmp_path: Path) -> None:
    done = sat_zoo(*TRAIN, "--out", tmp_path / "run", "--quiet")
    assert done.code == 0
    assert done.out == f"weights written to {tmp_path / 'run' / 'model.safetensors'}\n"
    assert done.err == ""


def test_a_verbose_training_names_its_checkpoints(sat_zoo: Run, tmp_path: Path) -> None:
    done = sat_zoo(*TRAIN, "--out", tmp_path / "run", "-v")
    assert re.search(r"sat-zoo: checkpoint of step 1: .*/run/checkpoints/step-", done.err)


SHOWN_OFTEN = """
import eval.executors.pool as pool
pool.Pool.__init__.__kwdefaults__["tell_every_s"] = 0.0
"""


def test_on_a_terminal_of_80_columns_the_bar_moves_within_a_batch(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = ("eval", DIGITS, "--attack", "pgd-60", "--n", "48", "--precision", "fp32")
    with processes_of(SHOWN_OFTEN, SAT_ZOO_HOME=str(tmp_path), TERM="xterm") as processes:
        process = processes.start(*command, stderr=theirs)
        os.close(theirs)
        screen = _read(ours)
        assert process.wait(PATIENCE_S) == 0, screen
    lengths: dict[str, set[int]] = {}
    for frame in re.split(r"\r|\n", screen):
        if images := re.search(r"pgd-60 .* (\d+/\d+) ", frame):
            lengths.setdefault(images[1], set()).add(_done(frame))
            assert len(re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", frame)) <= 80
    # With as many images settled, more and more of the bar is done.
    assert max(map(len, lengths.values())) > 1, screen
    assert "right so far" in screen
    assert "not broken so far" in screen


def _read(terminal: int) -> str:
    heard = b""
    while True:
        try:
            some = os.read(terminal, 4096)
        except OSError:  # nobody writes to it any more
            return heard.decode()
        if not some:
            return heard.decode()
        heard += some


def _done(frame: str) -> int:
    """The length of the bar's part that is done; what is left is grey."""
    return frame.split("\x1b[90m", maxsplit=1)[0].count("━")
