"""`sat-zoo eval --until`, `--budget` and Ctrl-C, and `sat-zoo reproduce --until`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.run import Progress
from zoo.cli.shared import progress

KILLER = Path(__file__).with_name("killer.py")
DIGITS = "resnet8-silu-sat-digits"
QUICK = ("eval", DIGITS, "--attack", "pgd-5", "--n", "60", "--precision", "fp32")
Run = Callable[..., Any]


def test_it_says_what_is_sure_and_how_to_go_on(sat_zoo: Run, tmp_path: Path) -> None:
    out, plot = tmp_path / "r.json", tmp_path / "p.svg"
    done = sat_zoo(*QUICK, "--until", "10", "--out", out, "--plot", plot, "--batch-size", "8")
    assert (done.code, done.err) == (0, "")
    report = Report.read(out)
    part = report.estimate
    assert part is not None
    said = " ".join(done.out.split())
    assert "robust accuracy estimated," in said
    assert "what the whole run finds on these 60 images, sure to 95 %" in said
    assert "of the images' distribution: 95 % interval" in said
    assert f"{report.images.verdicts.count('open')} images are open: of the" in said
    assert "the same command without --until goes on from the journal, to the exact number" in said
    assert plot.read_text().startswith("<svg")
    checked = sat_zoo("verify", out)
    assert checked.code == 0
    assert "open, so robust" in checked.out
    whole = sat_zoo(*QUICK, "--json")
    assert whole.err.startswith("sat-zoo: resuming: ")
    robust = json.loads(whole.out)["robust"]["accuracy"]
    assert part.full_run[0] <= robust <= part.full_run[1]


def test_ctrl_c_leaves_a_report(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def interrupted() -> Iterator[Callable[[Progress], None]]:
        def update(now: Progress) -> None:
            if now.stage == "pgd-5" and now.done == 20:
                raise KeyboardInterrupt

        yield update

    out = tmp_path / "r.json"
    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", interrupted)
        done = sat_zoo(*QUICK, "--budget", "1h", "--out", out, "--batch-size", "8")
    assert done.code == 130
    assert "sat-zoo: interrupted" in done.err
    assert "robust accuracy  estimated," in done.out
    report = Report.read(out)
    assert report.estimate is not None
    assert report.estimate.ended_by == "interruption"
    again = sat_zoo(*QUICK, "--json")
    assert Report.model_validate_json(again.out).estimate is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--until", "0"), "--until 0 is no half width of an interval in percentage points: give"),
        (("--until", "wide"), "--until wide is no half width of an interval in percentage"),
        (("--budget", "30"), "--budget 30 is no time: give a number above 0 with its unit, as 90s"),
        (("--until", "1", "--attack", "clean"), "--until ends an attack, and attack 'clean'"),
        (("--budget", "1m", "--attack", "clean"), "--budget ends an attack, and attack 'clean'"),
        (("--until", "1", "--engine", "reference"), "in the order of the data: use --engine fast"),
        (("--plot", "x.docx"), "x.docx is of no kind that can be drawn: end its name in .svg"),
        (("--plot", "x.svg", "--attack", "clean"), "is to show how robust accuracy becomes known"),
        (("--plot", "no/such/x.svg"), "--plot"),
        (("--plan", "--until", "1"), "--plan tells what the whole run would cost: leave out --unt"),
    ],
)
def test_a_wrong_end_is_answered_before_anything_starts(
    sat_zoo: Run, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = sat_zoo("eval", DIGITS, "--attack", "pgd-5", *options)
    assert done.code in {1, 2}
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "home" / "journals").exists()


def test_quick_and_until_combine(sat_zoo: Run, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    done = sat_zoo("eval", DIGITS, "--attack", "quick", "--n", "40", "--until", "15", "--out", out)
    report = Report.read(out)
    assert done.code == 0
    assert report.protocol.name == "quick@1"
    assert report.estimate is not None


def test_runs_killed_under_until_end_with_the_interval_of_undisturbed_ones(
    tmp_path: Path,
) -> None:
    """At least 20 real processes die; see killer.py."""
    options = ("--n", "64", "--batch-size", "8", "--eps", "1/4", "--precision", "fp32")
    command = (sys.executable, KILLER, "20", "7", tmp_path, "eval", DIGITS, "--attack", "short@1")
    done = subprocess.run(
        [*command, *options, "--until", "9"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sum(one["killed"]["n_killed"] for one in found) >= 20
    n_estimated = 0
    for one in found:
        assert one["killed"]["code"] == one["undisturbed"]["code"] == 0, one["killed"]
        mine, wanted = (
            Report.read(Path(one[which]["report"])) for which in ("killed", "undisturbed")
        )
        assert mine.images == wanted.images
        assert mine.robust == wanted.robust
        assert mine.estimate == wanted.estimate
        n_estimated += mine.estimate is not None
    assert n_estimated == len(found)


def test_reproduce_takes_a_width_or_no_value_and_refuses_others(sat_zoo: Run) -> None:
    done = sat_zoo("reproduce", "resnet50-silu-sat", "--until", "soon", "--data-dir", "nowhere")
    assert done.code == 2
    assert "--until soon is no half width of an interval in percentage points" in done.err
    done = sat_zoo("reproduce", "resnet50-silu-sat", "--until", "--data-dir", "nowhere")
    assert "--until" not in done.err
