"""`sat-zoo eval --attack clean` on screen: one accuracy, and the word robust nowhere."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from eval import bars
from eval.run import Progress
from zoo.cli.shared import progress

DIGITS = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


def test_a_clean_run_prints_one_accuracy(sat_zoo: Run) -> None:
    done = sat_zoo("eval", DIGITS, "--attack", "clean", "--n", "40")
    assert done.code == 0, done.err
    assert "clean accuracy   97.5 %  (39 of 40, 95 % interval 87.1 to 99.6)" in done.out
    assert "nothing was attacked" in done.out
    assert "robust" not in done.out + done.err
    assert "eps" not in done.out


def test_an_attacked_run_prints_both(sat_zoo: Run) -> None:
    done = sat_zoo("eval", DIGITS, "--attack", "fgsm", "--n", "40")
    assert "robust accuracy  " in done.out
    assert "Linf eps 3/16" in done.out
    assert "nothing was attacked" not in done.out


def test_the_json_of_a_clean_run_has_null(sat_zoo: Run) -> None:
    told = json.loads(sat_zoo("eval", DIGITS, "--attack", "clean", "--n", "8", "--json").out)
    assert told["robust"] is None
    assert told["images"]["verdicts"] == ["right"] * 8


@pytest.mark.parametrize("stage", ["clean", "pgd-50", "apgd-ce"])
def test_the_progress_bar_says_what_the_share_is_and_never_robust(
    stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(stderr=True, force_terminal=True, width=100)
    monkeypatch.setattr(bars, "_console", lambda: console)
    monkeypatch.setattr(bars, "_moves", lambda _: True)
    with progress.progress_bar() as update:
        update(Progress(stage, 5, 10, n_right=3, n=4))
    shown = capsys.readouterr().err
    assert f"{'right' if stage == 'clean' else 'not broken'} so far 75.0 %" in shown
    assert "robust" not in shown
