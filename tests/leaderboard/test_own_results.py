"""Your own Reports beside the package's: where they are stored, and who reads them."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.errors import ReportError
from leaderboard.boards import boards
from leaderboard.compare import find_report
from leaderboard.folders import RESULTS, own_results
from leaderboard.results import read_results
from leaderboard.site import builder
from leaderboard.stats import RankRange
from leaderboard.submit import add

Make = Callable[..., Report]
Run = Callable[..., Any]
BUNDLED = "resnet8-silu-sat-digits.autoattack"


@pytest.fixture
def mine(made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of a model of one's own, in a home of one's own."""
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.json"
    made(model="my-net").write(path)
    return path


def test_add_stores_in_the_users_own_folder_and_never_in_the_package(
    mine: Path, sat_zoo: Run, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in RESULTS.iterdir()}
    done = sat_zoo("leaderboard", "add", mine)
    assert done.code == 0, done.err
    (stored,) = (tmp_path / "home" / "results").iterdir()
    assert done.out.startswith(f"{stored}: my-net, pgd-50")
    assert Report.read(stored) == Report.read(mine)
    assert {path: path.stat().st_mtime_ns for path in RESULTS.iterdir()} == before


def test_show_export_and_python_read_both(mine: Path, sat_zoo: Run) -> None:
    stored = add(mine).path
    assert "my-net" in sat_zoo("leaderboard", "show", "toy").out
    assert "resnet8-silu-sat-digits" in sat_zoo("leaderboard", "show", "digits").out
    table = csv.DictReader(io.StringIO(sat_zoo("leaderboard", "export", "--format", "csv").out))
    assert {stored.name, f"{BUNDLED}.json"} <= {line["from"] for line in table}
    assert {"toy", "digits"} <= {board.dataset for board in boards()}


def test_compare_finds_stored_reports_by_name(mine: Path, sat_zoo: Run) -> None:
    name = add(mine).path.stem
    done = sat_zoo("compare", name, mine)
    assert done.code == 0, done.err
    assert "A  my-net" in done.out
    assert find_report(BUNDLED) == Report.read(RESULTS / f"{BUNDLED}.json")


def test_build_reads_both_and_adds_those_that_are_named(
    mine: Path, sat_zoo: Run, made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, ...]] = []

    def build(out: Path, *, results: tuple[Path, ...], **_: object) -> builder.Built:
        asked.append(results)
        return builder.Built(out, 1, 1, 1, (), 1)

    monkeypatch.setattr(builder, "build", build)
    add(mine)
    more = tmp_path / "more"
    for options in ((), ("--results", more), ("--results", more, "--only")):
        assert sat_zoo("leaderboard", "build", "--out", tmp_path / "site", *options).code == 0
    both = (RESULTS, own_results())
    assert asked == [both, (*both, more), (more,)]


def test_results_are_added_to_show_and_only_leaves_the_others_out(
    made: Make, sat_zoo: Run, results: Callable[..., Path]
) -> None:
    folder = results(made(model="another"))
    tables = json.loads(sat_zoo("leaderboard", "show", "--json", "--results", folder).out)["boards"]
    n_reports = sum(len(row["reports"]) for board in tables for row in board["rows"])
    assert n_reports == 1 + len(list(RESULTS.glob("*.json")))
    alone = sat_zoo("leaderboard", "show", "--json", "--results", folder, "--only").out
    rows = [row for board in json.loads(alone)["boards"] for row in board["rows"]]
    assert sum(len(row["reports"]) for row in rows) == 1


def test_a_run_that_the_package_has_is_not_added_again(mine: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    shutil.copy(RESULTS / f"{BUNDLED}.json", again)
    with pytest.raises(ReportError, match=f"same run as {BUNDLED}, which comes with the package"):
        add(again, force=True)
    assert not own_results().exists()
    assert add(again, tmp_path / "elsewhere").path.is_file(), "in a folder of its own it is no copy"


def test_of_one_run_in_both_folders_the_packages_counts(mine: Path) -> None:
    content = json.loads((RESULTS / f"{BUNDLED}.json").read_text())
    own_results().mkdir(parents=True)
    (own_results() / "by-hand.json").write_text(
        json.dumps(content | {"created": "2026-12-31T00:00:00Z"})
    )
    found = read_results()
    assert RESULTS / f"{BUNDLED}.json" in {one.path for one in found.stored}
    (refused,) = found.refused
    assert refused.path == own_results() / "by-hand.json"
    assert "is of the same run as" in refused.reason


def test_a_name_that_both_folders_have_is_asked_about(mine: Path, sat_zoo: Run) -> None:
    own_results().mkdir(parents=True)
    shutil.copy(mine, own_results() / f"{BUNDLED}.json")
    done = sat_zoo("compare", BUNDLED, BUNDLED)
    assert done.code == 2
    assert f"name the file, {RESULTS / BUNDLED}.json or {own_results() / BUNDLED}.json" in done.err
    assert sat_zoo("compare", own_results() / f"{BUNDLED}.json", mine).code == 0


def test_what_is_not_true_is_not_stored(mine: Path, sat_zoo: Run) -> None:
    mine.write_text(mine.read_text().replace('"correct": 2', '"correct": 4', 1))
    assert sat_zoo("leaderboard", "add", mine).code == 1
    assert not own_results().exists()


def test_export_makes_its_folder_and_keeps_to_the_tables_that_are_meant(
    sat_zoo: Run, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "tables"
    done = sat_zoo("leaderboard", "export", "--out", out, "--data", "CIFAR10", "--norm", "l2")
    assert done.code == 0, done.err
    assert len(done.out.split()) == len(list(out.iterdir())) == 4
    lines = list(csv.DictReader((out / "leaderboard.csv").read_text().splitlines()))
    assert {(line["dataset"], line["norm"], line["eps"]) for line in lines} == {
        ("cifar10", "L2", "0.5")
    }
    told = sat_zoo("leaderboard", "export", "--format", "json", "--eps", "16/510").out
    assert {board["eps"] for board in json.loads(told)["boards"]} == {"8/255"}
    assert (
        "## digits"
        not in sat_zoo("leaderboard", "export", "--format", "md", "--data", "imagenet").out
    )
    (tmp_path / "file").write_text("")
    refused = sat_zoo("leaderboard", "export", "--out", tmp_path / "file")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "cannot be made: File exists; choose another folder" in refused.err


def test_the_headline_model_is_ranked_beside_its_mark() -> None:
    (board,) = (one for one in boards() if one.dataset == "digits")
    rows = {row.model: row for row in board.rows}
    silu, relu = rows["resnet8-silu-sat-digits"], rows["resnet8-relu-at-digits"]
    assert "square-breaks" in {flag.code for flag in silu.flags}
    assert silu.rank == relu.rank == RankRange(1, len(board.rows))
