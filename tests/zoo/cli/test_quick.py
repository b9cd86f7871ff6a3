"""Whoever meets a number of quick@1 is told that it is an upper bound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.report.report import Report
from leaderboard.columns import column, title

DIGITS = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


def test_every_surface_says_that_it_is_an_upper_bound(sat_zoo: Run, tmp_path: Path) -> None:
    path = tmp_path / "quick.json"
    shown = sat_zoo("eval", DIGITS, "--attack", "quick", "--n", "8", "--out", str(path))
    assert shown.code == 0
    assert "flag upper-bound:" in shown.out
    report = Report.read(path)
    assert "upper-bound" in {flag.code for flag in report.flags}
    found = f"robust {report.robust.correct} (an upper bound) of 8 images"
    assert found in " ".join(sat_zoo("verify", str(path)).out.split())
    assert title(column(report)) == "quick (upper bound)"
    assert "upper bound" in " ".join(sat_zoo("eval", "--help").out.split())


def test_its_plan_holds_both_stages(sat_zoo: Run) -> None:
    done = sat_zoo("eval", DIGITS, "--attack", "quick", "--n", "8", "--plan")
    assert done.code == 0
    assert "apgd-ce" in done.out
    assert "apgd-near" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--step-size", "1/255"), "goes with pgd-K only, not with attack 'quick'"),
        (("--last-iterate",), "goes with pgd-K only, not with attack 'quick'"),
    ],
)
def test_what_it_does_not_take_is_refused(
    sat_zoo: Run, words: tuple[str, ...], message: str
) -> None:
    done = sat_zoo("eval", DIGITS, "--attack", "quick", *words)
    assert done.code == 2
    assert message in " ".join(done.err.split())
