"""The page of the CIFAR-10 models says what the committed Reports say."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from docs.make_cifar10 import (
    AUTOATTACK,
    FIRST,
    FREE,
    LARGER,
    PAGE,
    PGD,
    RELU,
    SMOOTH,
    STUDY,
    against,
    page,
    rows_of,
)
from docs.make_small_network import BOARD, OURS
from docs.tables import filled, head, line
from eval import Report
from eval.report.percent import percent, percent_range, signed_points, signed_range
from leaderboard.boards import Board, boards
from leaderboard.columns import CLEAN
from leaderboard.compare import compare
from leaderboard.folders import RESULTS

SILU = "resnet18-w16-silu-sat-cifar10"
FREE_RELU = RELU.replace("relu-at", "relu-at-free")


@pytest.fixture(scope="module")
def found() -> Sequence[Board]:
    return boards()


def cells(lines: Sequence[str], name: str) -> list[str]:
    """Of the line about that model."""
    (said,) = (one for one in lines if one.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in said.split("|")[1:-1]]


def test_its_tables_are_what_the_script_writes(found: Sequence[Board]) -> None:
    text = PAGE.read_text("utf-8")
    assert text == page(text, found), "write them again: python docs/make_cifar10.py"


def test_a_line_is_of_the_two_reports_it_speaks_of(found: Sequence[Board]) -> None:
    lines = against(rows_of(found, BOARD), {SILU: RELU, RELU: RELU}, (CLEAN, PGD), than="ReLU")
    silu, relu = (Report.read(RESULTS / f"{name}.pgd-50.json") for name in (SILU, RELU))
    pair = compare(silu, relu).robust
    assert silu.robust is not None
    assert pair is not None
    _, clean, robust, of_clean, of_robust = cells(lines, SILU)
    assert clean.startswith(f"{percent(silu.clean.accuracy)} (")
    assert robust.startswith(f"{percent(silu.robust.accuracy)} (")
    ends = " to ".join(map(signed_points, pair.interval()))
    assert of_robust == f"{signed_points(pair.difference)} ({ends})"
    assert of_clean.startswith("-0.1 (")
    assert lines[-1].startswith(f"| `{RELU}`"), "the most robust first"
    assert lines[-1].endswith("|  |  |"), "of itself it says no difference"


def test_what_is_not_measured_is_said_and_has_no_difference(found: Sequence[Board]) -> None:
    rows = dict(rows_of(found, BOARD))
    rows[SILU] = replace(rows[SILU], robust={})
    lines = against(rows, {SILU: RELU, RELU: RELU}, (CLEAN, PGD), than="ReLU")
    assert cells(lines, SILU)[2::2] == ["not measured yet", ""]


def test_an_estimate_is_a_range_and_stands_where_its_middle_does(found: Sequence[Board]) -> None:
    first, name = rows_of(found, FIRST), "resnet18-w16-gelu-sat-cifar10"
    estimated = first[name].robust[AUTOATTACK].estimated
    assert estimated is not None
    low, high = estimated.full_run
    lines = against(first, dict.fromkeys((name, SILU, RELU), RELU), (AUTOATTACK,), than="ReLU")
    said, difference = cells(lines, name)[1:]
    assert said.startswith(f"{percent_range(low, high)}, ended early (")
    relu = first[RELU].robust[AUTOATTACK].accuracy
    assert difference == f"{signed_range(low - relu, high - relu)}, on these"
    middles = {name: (low + high) / 2}
    middles |= {it: first[it].robust[AUTOATTACK].accuracy for it in (SILU, RELU)}
    order = [cell.split("`")[1] for cell in lines[2:]]
    assert order == sorted(order, key=lambda it: -middles[it])


def test_what_it_says_in_words_follows_from_the_numbers(found: Sequence[Board]) -> None:
    full, first = rows_of(found, BOARD), rows_of(found, FIRST)
    gelu, exact = (full[name].clean for name in SMOOTH[1:3])
    assert gelu is not None
    assert exact is not None
    assert round(100 * (exact.accuracy - gelu.accuracy), 1) == 1.4
    for name, usual in FREE.items():
        lost = first[usual].robust[PGD].accuracy - first[name].robust[PGD].accuracy
        assert lost == pytest.approx(0.07, abs=0.003)
    free, usual = (first[name].clean for name in (FREE_RELU, RELU))
    assert free is not None
    assert usual is not None
    assert round(100 * (usual.accuracy - free.accuracy), 1) == 4.8
    smooth = [*SMOOTH, *STUDY]
    lines = against(first, dict.fromkeys(smooth, RELU), (PGD, AUTOATTACK), than="ReLU")
    said = {(name, cell) for name in smooth for cell in cells(lines, name)[3:] if cell}
    early = {(name, cell) for name, cell in said if cell.endswith(", on these")}
    assert len(said - early) > len(smooth)
    below = {name for name, cell in early if " to -" in cell}
    assert below == {OURS.format(f"{name}-sat") for name in ("elu", "celu", "smoothrelu")}
    for _, cell in said - early:
        low, high = map(float, re.findall(r"[+-][0-9.]+", cell)[1:])
        assert low < 0 < high, "a thousand pictures cannot tell"
    ended = [one for name in smooth if (one := first[name].measured(AUTOATTACK)) and one.estimated]
    assert len(ended) == len(early) >= 6
    elu, celu = (
        Report.read(first[OURS.format(f"{name}-sat")].robust[AUTOATTACK].report_path)
        for name in ("elu", "celu")
    )
    assert [elu.engine.precision, celu.engine.precision] == ["fp32", "bf16"]
    pairs = list(zip(elu.images.verdicts, celu.images.verdicts, strict=True))
    assert [one != other for one, other in pairs].count(True) == 2
    whole = {"robust", "open"}
    assert all((one in whole) == (other in whole) for one, other in pairs)
    for it in ended:
        assert it.interval[0] < first[RELU].robust[AUTOATTACK].accuracy < it.interval[1]
    robust = [first[name].robust[PGD] for name in smooth]
    same = [it.report_path for it in robust if it.correct == 417]
    verdicts = {Report.read(path).images.verdicts for path in same}
    assert len(same) == len(verdicts) == 4


def test_what_it_says_of_larger_networks_follows_from_the_numbers(found: Sequence[Board]) -> None:
    wide, b0 = (f"{network}-silu-sat-cifar10" for network in ("resnet18", "efficientnet-b0"))
    for board, name, is_told in ((BOARD, wide, True), (FIRST, b0, False)):
        lines = against(rows_of(found, board), LARGER, (CLEAN, PGD), than="ReLU")
        for cell in cells(lines, name)[3:]:
            low, high = map(float, re.findall(r"[+-][0-9.]+", cell)[1:])
            assert (low > 0) == is_told
            assert is_told or low < 0 < high
    under_attack = cells(against(rows_of(found, FIRST), LARGER, (PGD,), than="ReLU"), wide)[-1]
    low, high = map(float, re.findall(r"[+-][0-9.]+", under_attack)[1:])
    assert low < 0 < high


def test_every_model_it_bundles_is_in_a_table() -> None:
    told = re.findall(r"^\| `(\S+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert set(told) >= {RELU, *SMOOTH, *FREE, *LARGER}


def test_a_page_without_the_table_is_refused() -> None:
    text = "a\n<!-- table: it -->\nold\n<!-- end -->\nb\n"
    written = filled(text, {"it": [*head("x", "n:"), line(["1", "2"])]})
    table = "| x | n |\n| --- | ---: |\n| 1 | 2 |"
    assert written == f"a\n<!-- table: it -->\n\n{table}\n\n<!-- end -->\nb\n"
    assert filled(written, {"it": [*head("x", "n:"), line(["1", "2"])]}) == written
    for broken in ("a\n", text.replace("<!-- end -->", "")):
        with pytest.raises(ValueError, match="the page has no table 'it'"):
            filled(broken, {"it": []})
