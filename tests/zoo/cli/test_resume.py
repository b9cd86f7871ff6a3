import json
import re
import shlex
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
QUICK = ("eval", DIGITS, "--attack", "pgd-5", "--last-iterate", "--n", "40")
QUICK += ("--precision", "fp32", "--json")
Run = Callable[..., Any]


def test_runs_killed_at_random_moments_end_with_the_verdicts_of_undisturbed_ones(
    tmp_path: Path,
) -> None:
    """At least 20 real processes die; see killer.py."""
    options = ("--n", "64", "--batch-size", "16", "--eps", "1/4", "--precision", "fp32")
    command = (sys.executable, KILLER, "20", "1", tmp_path, "eval", DIGITS, "--attack", "short@1")
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sum(one["killed"]["n_killed"] for one in found) >= 20
    for one in found:
        check_against_undisturbed(one["killed"], one["undisturbed"])
    # Those that died before they had known anything have nothing to say.
    said = [text for one in found for text in one["killed"]["said"] if text]
    known = r"sat-zoo: (resuming: \d+ of 64|all 64) verdicts known from .*\n"
    assert said
    assert [text for text in said if not re.fullmatch(known, text)] == []


def check_against_undisturbed(killed: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    assert killed["code"] == undisturbed["code"] == 0, killed
    mine, wanted = Report.read(Path(killed["report"])), Report.read(Path(undisturbed["report"]))
    assert mine.images == wanted.images
    assert mine.survive_8bit == wanted.survive_8bit
    for stage, other in zip(mine.stages, wanted.stages, strict=True):
        assert stage.last_iterate_accuracy == other.last_iterate_accuracy
    # Counts are summed over the processes. A death costs the batch in flight and the last 50 ms.
    spent, needed = (sum(stage.forwards for stage in r.stages) for r in (mine, wanted))
    assert 0.9 * needed < spent < 3 * needed
    assert undisturbed["said"] == [""]


def test_the_same_command_again_returns_the_same_report_without_an_attack(
    sat_zoo: Run, tmp_path: Path
) -> None:
    first, again = sat_zoo(*QUICK), sat_zoo(*QUICK)
    (journal,) = (tmp_path / "home" / "journals").iterdir()
    assert first.err == ""
    assert again.err == (f"sat-zoo: all 40 verdicts known from {journal} (--fresh attacks again)\n")
    one, two = (Report.model_validate_json(done.out) for done in (first, again))
    assert one.images == two.images
    assert one.stages[0].forwards == two.stages[0].forwards


def test_fresh_attacks_again(sat_zoo: Run) -> None:
    sat_zoo(*QUICK)
    fresh = sat_zoo(*QUICK, "--fresh")
    assert fresh.err == ""
    assert fresh.code == 0


def test_another_seed_has_a_journal_of_its_own(sat_zoo: Run, tmp_path: Path) -> None:
    sat_zoo(*QUICK)
    other = sat_zoo(*QUICK, "--seed", "1")
    assert other.err == ""
    assert len(list((tmp_path / "home" / "journals").iterdir())) == 2


def test_a_named_journal_of_another_run_is_refused(sat_zoo: Run, tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "j.sqlite"))
    sat_zoo(*QUICK, *journal)
    done = sat_zoo(*QUICK, *journal, "--seed", "1")
    assert done.code == 1
    assert "j.sqlite is of another run (seed: 0 there, 1 here): name another file" in done.err


def test_ctrl_c_says_where_the_verdicts_are(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def interrupted() -> Iterator[Callable[[Progress], None]]:
        def update(now: Progress) -> None:
            if now.stage == "pgd-5" and now.done == 20:
                raise KeyboardInterrupt

        yield update

    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", interrupted)
        done = sat_zoo(*QUICK, "--batch-size", "8")
    (journal,) = (tmp_path / "home" / "journals").iterdir()
    assert done.code == 130
    assert [line for line in done.err.splitlines() if line] == [
        f"sat-zoo: the verdicts so far are in {journal}: the same command goes on from there",
        f"sat-zoo: go on with: {shlex.join(['sat-zoo', *QUICK, '--batch-size', '8'])}",
        "sat-zoo: interrupted",
    ]
    resumed, undisturbed = sat_zoo(*QUICK), sat_zoo(*QUICK, "--fresh")
    assert resumed.err.startswith("sat-zoo: resuming: ")
    one, two = (Report.model_validate_json(d.out) for d in (resumed, undisturbed))
    assert one.images == two.images


def test_a_home_that_cannot_be_written_is_found_out_before_the_attack(
    sat_zoo: Run, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    done = sat_zoo(*QUICK)
    assert done.code == 1
    assert "home/journals cannot be made (Not a directory): name a file with --journal" in done.err
