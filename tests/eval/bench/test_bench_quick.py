"""The table of quick@1 beside the standard, and the measurement that chose its targets."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.bench import quick
from eval.bench.targets import HEADER, command
from eval.errors import ReportError
from eval.report.report import Report

ROOT = Path(__file__).parents[3]
RESULTS, DOCS = ROOT / "leaderboard" / "results", ROOT / "docs"
DIGITS = ("resnet8-silu-sat-digits", "resnet8-relu-at-digits")


def test_the_page_has_the_table_of_the_committed_reports() -> None:
    page = (DOCS / "protocols.md").read_text("utf-8")
    assert f"{quick.BEGIN}\n{quick.markdown(RESULTS)}\n{quick.END}" in page


def test_every_bundled_model_stands_in_the_table_once() -> None:
    names = [one.model.name for one, _ in quick.pairs(RESULTS)]
    cifar = ("resnet18-w16-silu-sat-cifar10", "resnet18-w16-relu-at-cifar10")
    assert sorted(names) == sorted((*DIGITS, *cifar))


def said() -> str:
    return " ".join((DOCS / "protocols.md").read_text("utf-8").split())


def test_the_page_quotes_the_run_of_the_authors_package() -> None:
    names = ("autoattack-reference", "autoattack")
    both = [Report.read(RESULTS / f"{DIGITS[0]}.{name}.json") for name in names]
    shares = [f"{100 * report.robust.accuracy:.1f} %" for report in both if report.robust]
    assert f"leaves {shares[0]} of `{DIGITS[0]}` standing where ours leaves {shares[1]}" in said()


def test_the_page_says_what_of_the_standard_found_more_on_the_digits() -> None:
    missed = Counter[str]()
    for fast, standard in quick.pairs(RESULTS):
        if fast.data.name == "digits":
            verdicts = zip(fast.images.verdicts, standard.images.verdicts, strict=True)
            missed.update(one for left, one in verdicts if left == "robust" != one)
    assert set(missed) == {"apgd-t", "fab-t", "square"}
    found = "APGD broke {apgd-t}, FAB {fab-t} and Square {square};".format(**missed)
    assert f"Of those that only the standard broke on the digits, {found}" in said()


def test_whole_runs_take_a_fifth_of_the_standards_passes_at_the_most() -> None:
    for fast, standard in quick.pairs(RESULTS):
        assert 5 * quick.passes(fast) <= quick.passes(standard)


def test_committed_reports_say_that_they_are_upper_bounds() -> None:
    for fast, standard in quick.pairs(RESULTS):
        assert [flag.code for flag in fast.flags if flag.code == "upper-bound"]
        assert not [flag.code for flag in standard.flags if flag.code == "upper-bound"]
        assert fast.stages[0].attacked == standard.stages[0].attacked


def test_the_table_is_put_between_the_markers_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "protocols.md"
    page.write_text(f"before\n{quick.BEGIN}\nold\n{quick.END}\nafter\n")
    monkeypatch.setattr(quick, "PAGE", page)
    done = CliRunner().invoke(quick.command, [str(RESULTS), "--write-readme"])
    assert done.exit_code == 0, done.output
    assert page.read_text() == f"before\n{quick.BEGIN}\n{done.output.strip()}\n{quick.END}\nafter\n"
    with pytest.raises(ReportError, match="the page needs one line"):
        quick.with_table("no markers", RESULTS)


def test_a_folder_without_a_pair_is_refused(tmp_path: Path) -> None:
    standard = next(standard for _, standard in quick.pairs(RESULTS))
    standard.write(tmp_path / "standard.json")
    with pytest.raises(ReportError, match=r"has no Reports of quick@1 and autoattack-standard@1"):
        quick.markdown(tmp_path)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ReportError, match="is not a valid"):
        quick.markdown(tmp_path)


def test_targets_are_measured_on_training_images_in_both_orders(tmp_path: Path) -> None:
    words = ["--factory", "zoo:load", "--model", DIGITS[0], "--data", "digits", "--eps", "3/16"]
    words += ["--n", "24", "--held-out", "100", "--steps", "3", "--targets", "2"]
    out = tmp_path / "targets.csv"
    for _ in range(2):
        done = CliRunner().invoke(command, [*words, "--out", str(out)])
        assert done.exit_code == 0, done.output
    header, *rows = csv.reader(out.read_text().splitlines())
    assert tuple(header) == HEADER
    assert len(rows) == 2 * (1 + 2 * 2 * 2)
    assert rows[: len(rows) // 2] == rows[len(rows) // 2 :]
    table = [dict(zip(HEADER, row, strict=True)) for row in rows[:9]]
    assert {row["data"] for row in table} == {"digits (train)"}
    before = int(table[0]["passes of a standing image"])
    assert before == 202
    for row in table[1:]:
        targets, looks = int(row["targets"]), 9 * (row["order"] == "nearest")
        assert int(row["passes of a standing image"]) == before + 2 * (4 * targets + looks)
        assert int(row["standing"]) <= int(table[0]["standing"])


def test_reports_of_other_protocols_make_no_pair() -> None:
    names = {one.protocol.name for pair in quick.pairs(RESULTS) for one in pair}
    assert names == {quick.QUICK, quick.STANDARD}
    assert all(isinstance(one, Report) for pair in quick.pairs(RESULTS) for one in pair)
