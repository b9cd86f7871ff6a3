"""Which flags of Reports mark a row: those of the model, not those of one of its numbers."""

from eval.report.flag_codes import FLAGS, OF_THE_PROTOCOL
from leaderboard.boards import boards


def test_a_flag_of_a_protocol_is_no_mark_of_the_model() -> None:
    rows = [row for board in boards() for row in board.rows if row.reports]
    reported = {flag.code for row in rows for one in row.reports for flag in one.flags}
    assert "upper-bound" in reported, "the Reports of quick@1 have it"
    by_name = {row.model: {flag.code for flag in row.flags} for row in rows}
    assert by_name["resnet8-silu-sat-digits"] == {"square-breaks"}
    assert by_name["resnet8-relu-at-digits"] == set()
    assert set(FLAGS) > OF_THE_PROTOCOL
