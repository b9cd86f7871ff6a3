"""Reports of runs that ended early, among results: which counts, what it replaces, how it ranks."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.errors import ReportError
from leaderboard.boards import leaderboard
from leaderboard.claims import checks
from leaderboard.numbers import Claimed, Estimated, Measured
from leaderboard.results import RESULTS, read_report, read_results, run_key
from leaderboard.rows import BoardRow
from leaderboard.submit import add
from leaderboard.twins import holds, twins
from tests.leaderboard.early import ended_early

Folder = Callable[..., Path]
Make = Callable[..., Report]
DIGITS = Report.read(RESULTS / "resnet8-silu-sat-digits.autoattack.json")
TWIN = Report.read(RESULTS / "resnet8-relu-at-digits.autoattack.json")
LATE, SOON = "2026-12-31T00:00:00Z", "2026-01-02T00:00:00Z"


def early(settled: int, *, after: str = "apgd-ce", created: str = SOON, **more: Any) -> Report:
    cut = ended_early(DIGITS, settled, after=after, **more)
    return cut.model_copy(update={"created": created})


def dated(created: str) -> Report:
    return DIGITS.model_copy(update={"created": created})


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (dated(SOON), early(200, created=LATE)),
        (dated(LATE), early(0)),
        (early(60), early(50, created=LATE)),
        (early(60, after="apgd-t"), early(60, created=LATE)),
        (early(50, created=LATE), early(50)),
    ],
)
def test_of_one_run_the_report_with_most_images_settled_counts(
    better: Report, worse: Report, is_first: bool, results: Folder
) -> None:
    assert run_key(better) == run_key(worse)
    pair = (better, worse) if is_first else (worse, better)
    found = read_results([results(*pair)])
    (one,) = found.stored
    assert one.report == better
    (refused,) = found.refused
    assert "is of the same run as" in refused.reason


def test_a_report_left_out_says_how_many_images_it_lacks(results: Folder) -> None:
    (refused,) = read_results([results(DIGITS, early(200))]).refused
    n_open = early(200).images.verdicts.count("open")
    assert refused.reason.endswith(f"0.json, which has {n_open} more images settled")


def stored(report: Report, folder: Path) -> Path:
    path = folder / "mine.json"
    report.write(path)
    return path


@pytest.mark.parametrize("settled", [0, 1, 200])
def test_an_exact_report_replaces_an_estimate_of_the_same_run(settled: int, tmp_path: Path) -> None:
    first = add(stored(early(settled, created=LATE), tmp_path), tmp_path / "results")
    done = add(stored(DIGITS, tmp_path), tmp_path / "results")
    assert done.replaced == (first.path,)
    assert [Report.read(path) for path in (tmp_path / "results").iterdir()] == [DIGITS]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("settled", [0, 1, 284])
def test_an_estimate_never_replaces_an_exact_report(
    settled: int, force: bool, tmp_path: Path
) -> None:
    add(stored(DIGITS, tmp_path), tmp_path / "results")
    with pytest.raises(ReportError, match=r"is an estimate, \d+ of its images are open, and .* is"):
        add(stored(early(settled), tmp_path), tmp_path / "results", force=force)
    assert [Report.read(path) for path in (tmp_path / "results").iterdir()] == [DIGITS]


def test_an_estimate_gives_way_to_one_with_more_images_settled(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    add(stored(early(50), tmp_path), folder)
    assert len(add(stored(early(60), tmp_path), folder).replaced) == 1
    for less in (early(59), early(60, created=LATE)):
        with pytest.raises(ReportError, match="to replace that one, add --force"):
            add(stored(less, tmp_path), folder)
    assert add(stored(early(59), tmp_path), folder, force=True).report == early(59)


def test_the_command_that_adds_an_estimate_counts_nothing(
    sat_zoo: Callable[..., Any], tmp_path: Path
) -> None:
    path = stored(early(100), tmp_path)
    done = sat_zoo("leaderboard", "add", path, "--results", tmp_path / "results")
    assert done.code == 0, done.err
    assert re.search(r"robust estimated, [\d.]+ to [\d.]+ %: 185 of 360 images are open", done.out)


def test_an_estimate_stands_only_where_nothing_exact_does(results: Folder) -> None:
    seeded = ended_early(DIGITS, 100, after="apgd-ce", seed=0)
    exact = DIGITS.model_copy(update={"seed": 5})
    row = row_of(results(seeded, exact))
    assert row.robust["autoattack-standard@1"].correct == exact.robust.correct
    assert not row.is_estimated


def row_of(folder: Path, model: str = DIGITS.model.name) -> BoardRow:
    rows = [r for b in leaderboard([folder]).boards for r in b.rows if r.model == model]
    return next(row for row in rows if row.reports)


def test_an_estimate_holds_no_count_and_both_intervals(results: Folder) -> None:
    cut = early(100)
    found = row_of(results(cut)).robust["autoattack-standard@1"]
    assert (found.correct, found.accuracy) == (None, cut.robust.accuracy)
    assert (found.low, found.high) == cut.robust.ci95
    assert found.estimated == Estimated(185, cut.robust.ci95, cut.estimate.full_run)


def test_an_estimate_needs_what_the_whole_run_would_find() -> None:
    with pytest.raises(ValueError, match="an estimate without what the whole run would find"):
        Measured.of(early(9).robust, early(9), Path("r.json"), None)


def test_no_gain_is_made_of_an_estimate(results: Folder) -> None:
    clean = {"clean"}
    # Of somebody else, as the ones cut here are: the package's Reports are compared with their own.
    silu, relu = (
        whole.model_copy(update={"seconds": whole.seconds + 1}) for whole in (DIGITS, TWIN)
    )
    for pair in ((early(200), relu), (silu, ended_early(TWIN, 200, after="apgd-ce"))):
        gains = twins(leaderboard([results(*pair)]).boards)
        assert {gain.protocol for gain in gains} == clean
    assert twins(leaderboard([results(silu, TWIN)]).boards) == ()
    gains = twins(leaderboard([results(DIGITS, TWIN)]).boards)
    assert {gain.protocol for gain in gains} == clean | {"autoattack-standard@1"}


@pytest.mark.parametrize(("settled", "after"), [(0, "clean"), (5, "apgd-t"), (284, "apgd-ce")])
def test_an_open_image_is_never_called_lost(settled: int, after: str) -> None:
    cut = ended_early(DIGITS, settled, after=after)
    with pytest.raises(ReportError, match=r"is an estimate, \d+ of these images are open: it does"):
        holds(cut)
    some = [i for i, verdict in enumerate(cut.images.verdicts) if verdict != "open"]
    assert holds(cut, among=some) == [DIGITS.images.verdicts[i] == "robust" for i in some]
    assert holds(cut, clean=True) == holds(DIGITS, clean=True)


def test_where_nothing_is_exact_an_estimate_has_no_rank(results: Folder) -> None:
    row = row_of(results(early(200).model_copy(update={"flags": ()})))
    assert row.rank is None
    assert row.unranked == "estimated, and no exact number stands here to rank it by"


def claiming(report: Report, path: Path, claim: float, run_as: str | None = None) -> BoardRow:
    part, share = report.estimate, report.robust
    found = Measured.of(share, report, path, part.full_run if part else None)
    return BoardRow(
        "a",
        "a",
        "a",
        reports=(report,),
        report_paths=(path,),
        robust={report.protocol.name: found},
        claimed={report.protocol.name: Claimed(claim, source="a paper", run_as=run_as)},
    )


@pytest.mark.parametrize(
    ("claim", "inside", "verdict"), [(0.77, True, "cannot tell"), (0.2, False, "differs")]
)
def test_a_claim_is_judged_by_the_interval_of_an_estimate(
    claim: float, inside: bool, verdict: str
) -> None:
    cut = early(200)
    (check,) = checks(claiming(cut, Path("r.json"), claim))
    assert (check.inside, check.verdict) == (inside, verdict)
    assert check.measured.estimated is not None
    assert check.difference == cut.robust.accuracy - claim


def test_a_claim_of_last_iterates_is_judged_by_those_of_the_estimate(made: Make) -> None:
    verdicts = ["robust", "robust", "robust", "pgd-sat-10", "clean"] * 20
    cut = ended_early(made(verdicts, protocol="pgd-sat-10@1"), 40)
    row = claiming(cut, Path("r.json"), 0.6, run_as="pgd-sat-10@1")
    (check,) = checks(row)
    assert check.counted == "last iterates"
    assert check.measured.accuracy == cut.estimate.last_iterates.accuracy
    assert check.measured.estimated.full_run == cut.estimate.last_iterates_full_run
    assert check.measured.correct is None


def test_without_last_iterates_nothing_else_is_compared_in_their_place(made: Make) -> None:
    cut = ended_early(made(["robust"] * 9 + ["clean"], protocol="pgd-sat-10@1"), 4)
    none = cut.estimate.model_copy(update={"last_iterates": None})
    cut = cut.model_copy(update={"estimate": none})
    assert checks(claiming(cut, Path("r.json"), 0.6, run_as="pgd-sat-10@1")) == ()


def test_the_reports_cut_here_could_be_true(tmp_path: Path) -> None:
    for cut in (early(0), early(100), early(50, after="clean"), ended_early(TWIN, 9)):
        assert read_report(stored(cut, tmp_path)) == cut
