"""`sat-zoo curve` as people use it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import zoo.cli
from eval.curves.curve import Curve

SILU, RELU = "resnet8-silu-sat-digits", "resnet8-relu-at-digits"
Run = Callable[..., Any]
ENTRY = EntryPoint("curve", "zoo.cli.curve:command", zoo.cli.GROUP)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from an installation of this tree: what is installed may be older than its commands."""
    entries = zoo.cli._entries()
    monkeypatch.setattr(zoo.cli, "_entries", lambda: {**entries, "curve": ENTRY})


def test_help_has_examples_and_needs_no_torch(sat_zoo: Run) -> None:
    assert sat_zoo("curve", "--help").code == 0
    assert f"sat-zoo curve {SILU} --steps 1,2,5,10,20,50,100" in sat_zoo("curve", "--help").out
    code = (
        "import sys; from zoo.cli.curve import command; command.main(['--help'],"
        " standalone_mode=False); assert not {'torch', 'altair'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_one_model_is_a_table_a_file_and_a_plot(sat_zoo: Run, tmp_path: Path) -> None:
    out, plot = tmp_path / "c.json", tmp_path / "c.png"
    words = [SILU, "--eps", "1/16:3/16:1/16", "--attack", "pgd-5", "--n", "32"]
    done = sat_zoo("curve", *words, "--out", out, "--plot", plot)
    assert (done.code, done.err) == (0, "")
    found = Curve.read(out)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert found.command.startswith("sat-zoo curve resnet8-silu-sat-digits --eps")
    rows = [line.split()[0] for line in done.out.splitlines()[1:6]]
    assert rows == ["eps", "0", "1/16", "1/8", "3/16"]
    assert "check at eps 0.5, where every image can be made plain grey: 0 of 32 stand" in done.out
    assert f"written to {out} and {plot}" in done.out
    again = sat_zoo("curve", *words, "--json")
    assert Curve.model_validate_json(again.out).series[0].fell == found.series[0].fell
    assert "were known from" in again.err
    assert "--fresh attacks again" in again.err


def test_two_models_are_compared_point_by_point(sat_zoo: Run) -> None:
    words = ["--eps", "1/8,1/4", "--attack", "fgsm", "--n", "32", "--no-check"]
    done = sat_zoo("curve", SILU, RELU, *words)
    assert done.code == 0
    header, *rows = done.out.splitlines()[2:6]
    assert header.split()[:2] == ["eps", "A,"]
    assert [row.split()[0] for row in rows] == ["0", "1/8", "1/4"]
    assert max(map(len, [header, *rows])) <= 80
    assert f"A: {SILU} on 32 images of digits (test), Linf, fgsm" in done.out
    assert "B: what stands at the end was not attacked at a large eps" in done.out


def test_along_steps_the_table_says_the_ball(sat_zoo: Run) -> None:
    done = sat_zoo("curve", RELU, "--steps", "1,2", "--n", "16", "--no-check")
    assert f"{RELU} on 16 images of digits (test), Linf eps 3/16, pgd, engine fast" in done.out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "--eps 1/255:16/255"),
        (("--eps", "0"), 2, "leave it out"),
        (("--eps", "foo"), 2, "not a number"),
        (("--eps", "8/255:1/255"), 2, "smaller end first"),
        (("--eps", "1/255:200/255"), 2, "more than 100 points"),
        (("--eps", "1/255,2/255", "--steps", "1,2"), 2, "one radius, as --eps 8/255"),
        (("--steps", "1,2", "--attack", "square"), 2, "--attack pgd"),
        (("--eps", "1/255", "--attack", "clean"), 2, "attacks nothing"),
        (("--eps", "1/255", "--plot", "c.jpg"), 2, ".svg or .png"),
        (("--eps", "1/255", "--plot", "no/c.svg"), 1, "--plot no/c.svg: the folder no does not"),
        (("--eps", "1/255", "--out", "no/c.json"), 1, "--out no/c.json: the folder no does not"),
        (("--eps", "1/255", "--n", "0"), 2, "n = 0"),
        (("resnet8", "--eps", "1/255"), 2, "unknown model 'resnet8'"),
        (("--eps", "1/255", "--factory-option", "x=1"), 2, "--factory-option without"),
    ],
    ids=str,
)
def test_a_wrong_use_is_one_sentence(
    sat_zoo: Run, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = sat_zoo("curve", SILU, *words)
    assert done.code == code
    assert done.err.startswith("sat-zoo: ")
    assert done.err.count("\n") == 1
    assert sentence in done.err
    assert done.out == ""


def test_the_schema_is_the_one_curves_are_checked_by(sat_zoo: Run) -> None:
    done = sat_zoo("curve", SILU, "--eps", "1/8", "--attack", "fgsm", "--n", "4", "--json")
    schema = json.loads(sat_zoo("schema", "curve").out)
    assert set(schema["required"]) == set(json.loads(done.out))
    assert schema["properties"]["schema"]["const"] == "sat-zoo/curve@1"


def test_ctrl_c_says_how_to_go_on(sat_zoo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eval.curves.measuring.Measuring._told", lambda *_: stop)
    done = sat_zoo("curve", SILU, "--eps", "1/8", "--attack", "fgsm", "--n", "8")
    assert done.code == 130
    assert "the same command goes on from there" in done.err
    assert done.out == ""


KILLED = f"""
import os, signal, sys, time
from importlib.metadata import EntryPoint
import zoo.cli
from eval.journal import journal
from zoo import curves
journal.COMMIT_EVERY_S = 0.02
entries = zoo.cli._entries()
entries["curve"] = EntryPoint{(ENTRY.name, ENTRY.value, ENTRY.group)!r}
zoo.cli._entries = lambda: entries
left = int(sys.argv.pop(1))
def told(on_progress, which):
    def tell(now):
        global left
        left -= 1
        if not left:
            time.sleep(0.1)  # so that something is on disk
            os.kill(os.getpid(), signal.SIGKILL)
    return tell
curves._told = told
zoo.cli.main()
"""


@pytest.mark.parametrize("n_calls", [20, 45])
def test_a_curve_that_was_killed_goes_on_to_the_same_curve(
    sat_zoo: Run, tmp_path: Path, n_calls: int
) -> None:
    words = ["curve", SILU, "--eps", "1/8,1/4", "--attack", "pgd-4", "--n", "24"]
    words += ["--batch-size", "4", "--no-check", "--journal"]
    command = [sys.executable, "-c", KILLED, str(n_calls), *words, str(tmp_path / "j"), "--json"]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout == ""
    resumed = Curve.model_validate_json(sat_zoo(*words, tmp_path / "j", "--json").out)
    whole = Curve.model_validate_json(sat_zoo(*words, tmp_path / "other", "--json").out)
    assert resumed.series[0].fell == whole.series[0].fell
    same = [(p.at_text, p.attacked, p.broken, p.carried) for p in whole.series[0].points]
    assert [(p.at_text, p.attacked, p.broken, p.carried) for p in resumed.series[0].points] == same
