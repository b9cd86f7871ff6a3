import math
import subprocess
import sys
from pathlib import Path

import pytest

from eval.planning.fates import falling
from eval.planning.shares import FILE, ReportShares, StageShare, known_shares, shares_of
from eval.report.report import Report

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "leaderboard/results"

KNOWN = known_shares()
LATER = [
    (protocol, report, i)
    for protocol in KNOWN.protocols
    for report in protocol.reports
    for i in range(1, len(protocol.stages))
]


def test_the_file_is_what_the_committed_reports_say() -> None:
    reports = [(path.name, Report.read(path)) for path in RESULTS.glob("*.json")]
    assert FILE.read_text() == shares_of(reports).to_json(), (
        "write it anew: python -m eval.planning leaderboard/results/*.json"
    )


def test_reports_of_the_reference_engine_and_of_no_attack_are_left_out() -> None:
    names = {report.report for protocol in KNOWN.protocols for report in protocol.reports}
    assert not [name for name in names if "reference" in name or "clean" in name]


def test_a_stage_is_known_by_what_ran_before_it_not_by_the_name_of_the_protocol() -> None:
    (standard,) = [p for p in KNOWN.protocols if p.protocol == "autoattack-standard@1"]
    (quick,) = [p for p in KNOWN.protocols if p.protocol == "quick@1"]
    both = len(standard.reports) + len(quick.reports)
    assert len(KNOWN.known(standard.stages[:1])) == len(KNOWN.known(quick.stages[:1])) == both
    assert len(KNOWN.known(standard.stages)) == len(standard.reports)
    assert KNOWN.known(standard.stages[3:]) == []
    assert KNOWN.known((standard.stages[0], standard.stages[3])) == []


def test_nothing_is_taken_from_reports_of_the_model_itself() -> None:
    for protocol, report, i in LATER:
        known = KNOWN.known(protocol.stages[: i + 1], without=report.weights_sha256)
        assert known
        assert report.model not in {one.model for one, _ in known}


@pytest.mark.parametrize(("protocol", "report", "i"), LATER)
def test_the_others_reports_hold_what_falls_to_each_later_stage(
    protocol: object, report: ReportShares, i: int
) -> None:
    stages = next(p for p in KNOWN.protocols if p is protocol).stages[: i + 1]
    others = KNOWN.known(stages, without=report.weights_sha256)
    share = report.shares[i]
    found = falling(others, share.attacked, report.eps)
    assert found.high <= share.broken / share.attacked <= found.low


def test_other_balls_widen_what_is_known() -> None:
    share = StageShare(name="a", attacked=100, broken=5, forwards=1, backwards=1)
    report = ReportShares(
        report="r",
        model="m",
        weights_sha256="0",
        data="d",
        n=100,
        norm="Linf",
        eps=0.1,
        shares=(share,),
    )
    same, other = (falling([(report, share)], 50, eps) for eps in (0.1, 0.2))
    assert other.high == 0 < same.high < same.expected < same.low < other.low
    assert math.isclose(same.expected, other.expected)


def test_a_report_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    done = subprocess.run(
        [sys.executable, "-m", "eval.planning", str(missing)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: report {missing} cannot be read (No such file")
    assert done.stderr.count("\n") == 1
