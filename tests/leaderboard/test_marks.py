"""What stands in a row under whose name, and which flags mark it."""

from collections.abc import Callable
from pathlib import Path

import zoo
from eval import Report
from eval.report.flag_codes import FLAGS, OF_THE_PROTOCOL
from leaderboard.boards import boards
from leaderboard.results import read_results


def test_a_flag_of_a_protocol_is_no_mark_of_the_model() -> None:
    rows = [row for board in boards() for row in board.rows if row.reports]
    reported = {flag.code for row in rows for one in row.reports for flag in one.flags}
    assert "upper-bound" in reported, "the Reports of quick@1 have it"
    by_name = {row.model: {flag.code for flag in row.flags} for row in rows}
    assert by_name["resnet8-silu-sat-digits"] == {"square-breaks"}
    assert by_name["resnet8-relu-at-digits"] == set()
    assert set(FLAGS) > OF_THE_PROTOCOL


def test_a_model_of_somebodys_own_has_no_row_under_the_name_of_one_of_the_zoo(
    made: Callable[..., Report], results: Callable[..., Path]
) -> None:
    info = zoo.card("resnet50-silu-sat")
    facts = {"parameters": info.parameters, "classes": info.classes}
    mine = made(model=info.name, source="factory", **facts)
    theirs = made(model=info.name, source="file", **facts)
    other = made(model="mine", source="factory")
    found = read_results([results(mine, theirs, other)])
    assert [one.report for one in found.stored] == [theirs, other]
    (refused,) = found.refused
    assert "is called resnet50-silu-sat, as a model of the zoo is" in refused.reason
