"""Who measured a number: by us is what this project made and committed, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.report.report import Report
from leaderboard import origins, results
from leaderboard.boards import boards, leaderboard
from leaderboard.origins import content_digest, indexed, origin_of
from leaderboard.results import RESULTS
from leaderboard.rows import BoardRow
from tests.leaderboard.forging import DIGITS, committed, forged, put

OURS = f"{DIGITS}.pgd-50.json"


def row(*folders: Path, attack: str = "pgd-50") -> BoardRow:
    found = leaderboard(folders).boards
    (one,) = (r for b in found for r in b.rows if r.model.startswith(DIGITS) and attack in r.robust)
    return one


def test_the_index_names_committed_reports_as_they_are() -> None:
    """Whoever changes a Report of ours, or adds one, says so in leaderboard/origins.json."""
    for name, digest in {**indexed()["project"], **indexed()["reran"]}.items():
        assert content_digest(Report.read(RESULTS / name)) == digest, name


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_every_report_of_today_is_this_projects(path: Path) -> None:
    assert origin_of(Report.read(path), path).who == "project"


def test_a_copy_of_ours_is_ours_and_a_changed_one_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "copy.json").write_bytes((RESULTS / OURS).read_bytes())
    assert row(tmp_path).robust["pgd-50"].origin == "project"
    for change in (put("seconds", 9.0), put("command", ""), put("created", "2026-11-23T00:00:00Z")):
        forged(committed(), change, tmp_path / "copy.json")
        assert row(tmp_path).robust["pgd-50"].origin == "unknown"


def test_what_is_accepted_into_the_package_is_a_submitters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = forged(committed(), put("seed", 5), tmp_path / OURS)
    for module in (origins, results):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    found = row(tmp_path).robust["pgd-50"]
    assert (found.origin, found.reran) == ("submitter", False)
    index = {"project": {}, "reran": {OURS: content_digest(Report.read(path))}}
    (tmp_path / "origins").write_text(json.dumps(index))
    monkeypatch.setattr(origins, "INDEX", tmp_path / "origins")
    origins._index.cache_clear()
    found = row(tmp_path).robust["pgd-50"]
    origins._index.cache_clear()
    assert (found.origin, found.reran) == ("submitter", True)


def test_somebodys_run_of_our_model_stands_in_no_place_of_ours(
    made: Callable[..., Report], tmp_path: Path
) -> None:
    """Whatever they find and flag of it stands in a row of their own, which names them."""
    (tmp_path / OURS).write_bytes((RESULTS / OURS).read_bytes())
    alone = row(tmp_path)

    def stranger(content: dict[str, object]) -> None:
        put("seed", -9)(content)
        put("flags", [{"code": "randomised-forward", "detail": "to cost it its rank"}])(content)

    forged(committed(), stranger, tmp_path / "a.json")
    forged(committed("quick-1.ea9f9237"), stranger, tmp_path / "b.json")
    found = {one.model: one for board in boards([tmp_path]) for one in board.rows if one.reports}
    assert found.pop(alone.model) == alone, "a flagged row takes nobody a rank"
    ((name, theirs),) = found.items()
    assert name == f"{alone.model} (measured, by whom is not known)"
    assert set(theirs.robust) == {"pgd-50", "quick@1"}
    assert {one.origin for one in theirs.robust.values()} == {"unknown"}
    assert [flag.code for flag in theirs.flags] == ["randomised-forward"]


def test_only_the_project_is_called_us() -> None:
    assert origins.measured_by("project") == "measured by us"
    assert origins.measured_by("submitter", reran=True).endswith("a submitter, run again by us")
    assert "us" not in origins.measured_by("unknown").split()
    assert "us" not in origins.measured_by("submitter").split()
