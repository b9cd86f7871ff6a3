"""The leaderboard and comparisons in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import quote

from rich.console import Console
from rich.text import Text

from eval.fingerprint import short as short_print
from eval.report.percent import percent, signed_points, signed_range
from leaderboard.boards import Board, Leaderboard
from leaderboard.columns import BEST, CLEAN, family
from leaderboard.compare import ReportComparison
from leaderboard.escape import plain, short
from leaderboard.export import HOW_TO_ADD
from leaderboard.places import HOW_TO_NAME, is_unnamed
from leaderboard.rows import BoardRow
from leaderboard.stats import Paired
from leaderboard.texts import OF_ESTIMATES, RANK_RULE, cell, columns, heading, rank, remarks, yes_no
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.table import print_table

ROWS = 20
"""What fits on one screen with its head and foot."""

COLUMNS = 6
"""Columns of numbers, those that are fullest."""

OVERVIEW = (
    TableColumn("data", importance=0),
    TableColumn("norm", importance=1),
    TableColumn("eps", is_right=True, importance=2),
    TableColumn("models", is_right=True, importance=4),
    TableColumn("measured", is_right=True, importance=5),
    TableColumn("ranked by", importance=6),
    TableColumn("subset key", importance=3),
    TableColumn("images", importance=7),
)
LOST = (
    TableColumn("class", importance=0),
    TableColumn("images", is_right=True, importance=5),
    TableColumn("A held", is_right=True, importance=1),
    TableColumn("B held", is_right=True, importance=2),
    TableColumn("only A", is_right=True, importance=3),
    TableColumn("only B", is_right=True, importance=4),
)
PAIRED = (
    TableColumn("accuracy", "", importance=0),
    TableColumn("A", is_right=True, importance=1),
    TableColumn("B", is_right=True, importance=2),
    TableColumn("A - B, 95 % interval", is_right=True, importance=3),
    TableColumn("both", is_right=True, importance=7),
    TableColumn("only A", is_right=True, importance=5),
    TableColumn("only B", is_right=True, importance=6),
    TableColumn("neither", is_right=True, importance=8),
    TableColumn("p", is_right=True, importance=4),
)


def print_overview(whole: Leaderboard, console: Console) -> None:
    """All boards, a line each."""
    rows = []
    for board in whole.boards:
        n_measured = sum(bool(row.reports) for row in board.rows)
        words = [board.dataset, board.norm, board.eps, str(len(board.rows)), str(n_measured)]
        words += [board.ranked_by or "-", board.subset_key, board.subset]
        rows.append([*map(_text, words)])
    print_table(OVERVIEW, rows, console)


def print_board(
    board: Board, others: Sequence[Board], console: Console, *, everything: bool
) -> None:
    """One board on one screen; with `everything`, all of its rows and columns of numbers."""
    console.print(_text(heading(board)), style="bold")
    if not board.rows:
        console.print("no model stands here yet")
    rows = board.rows if everything else board.rows[:ROWS]
    if rows:
        _print_rows(board, rows, console, everything=everything)
    for row in rows:
        if said := remarks(row):
            console.print(Text("! ", style="yellow") + _text(f"{short(row.model)}: {said}"))
    n_left = len(board.rows) - len(rows)
    if n_left or board.excluded:
        hidden = f"not shown: {n_left} rows, {len(board.excluded)} models outside of the table"
        console.print("outside of the table:" if everything else f"{hidden}; --all shows them")
    for row in board.excluded if everything else ():
        console.print(_text(f"  {short(row.model)}: {row.excluded}"))
    _print_foot(board, others, console)


def _print_rows(
    board: Board, rows: Sequence[BoardRow], console: Console, *, everything: bool
) -> None:
    """The table: what ranks the board and clean accuracy stay longest, beside rank and model."""
    shown = columns(board, at_most=None if everything else COLUMNS)
    table = [
        TableColumn("rank", is_right=True, importance=1),
        TableColumn("model", importance=0),
        TableColumn("activation", importance=90),
        TableColumn("extra data", "extra\ndata", importance=91),
    ]
    for place, column in enumerate(shown):
        # In two lines a head is hardly wider than its numbers.
        head = column.title.replace(" ", "\n", 1)
        is_main = column == BEST or (BEST not in shown and family(column.key) == board.ranked_by)
        first = 2 if is_main else 3 if column.key == CLEAN else 10
        table.append(TableColumn(column.title, head, is_right=True, importance=first + place))
    lines = []
    for row in rows:
        # A flag must not be left out with a column: it stands at the rank, and in words below.
        marked = f"{rank(row)}{' !' if row.flags else '  '}"
        facts = [marked, short(row.model), row.activation or "", yes_no(row.extra_data)]
        numbers = [str(cell(row, column) or "") for column in shown]
        lines.append([*map(_text, (*facts, *numbers))])
    print_table(table, lines, console)


def _print_foot(board: Board, others: Sequence[Board], console: Console) -> None:
    if board.ranked_by:
        which = f" {short_print(board.fingerprint)}" if board.fingerprint else ""
        console.print(f"the attack that ranks is {board.ranked_by}{which}; {RANK_RULE}")
    apart = [words for words in map(_apart, board.rows) if words]
    for words in apart:
        console.print(_text(f"not ranked: {words}"))
    if any(row.is_estimated for row in board.rows):
        console.print(f"estimated: the run ended before all images were settled; {OF_ESTIMATES}")
    # Nobody wants to be sent to an empty table; and what is to be copied stays in one piece.
    filled = [other for other in others if other.rows]
    if filled:
        console.print("other tables, never to be mixed with this one:")
    for other in filled:
        where = f"--norm {other.norm} --eps {quote(other.eps)} --subset {other.subset_key}"
        n_models = f"{len(other.rows)} model{'' if len(other.rows) == 1 else 's'}"
        console.print(_text(f"{n_models}: {where}"), soft_wrap=True)
    if is_unnamed(board.subset_key):
        console.print("to give these images the name of their list, and to join its table:")
        console.print(f"  {HOW_TO_NAME}", soft_wrap=True)
    console.print("add a result:")
    console.print(f"  {HOW_TO_ADD}", soft_wrap=True)


def _apart(row: BoardRow) -> str:
    """Of a row whose attack has the name of the one that ranks and is another: why."""
    why = row.unranked or ""
    return f"{short(row.model)}: {why}" if "hyper-parameters" in why else ""


def print_comparison(done: ReportComparison, console: Console) -> None:
    """The paired counts and differences, then classes and stages where the two differ."""
    console.print(Text("A  ") + _text(done.a))
    console.print(Text("B  ") + _text(done.b))
    rows = [("clean", *_paired(done.clean))]
    if done.robust is not None:
        rows.append(("robust", *_paired(done.robust)))
    print_table(PAIRED, rows, console)
    images = f"{done.clean.n} images"
    if done.n != done.clean.n:
        images += f", robust on {done.n} of them: {done.n_open} are open, see the note"
    console.print(f"{images}, paired; interval: Newcombe 1998, method 10; p: exact McNemar test")
    if done.on_all is not None:
        console.print(f"robust, A - B on all {done.clean.n} of these images: {done.on_all.words}")
    _print_lost("A keeps, B loses", done.lost_by_b, console)
    _print_lost("B keeps, A loses", done.lost_by_a, console)
    _print_classes(done, console)
    for note in done.notes:
        console.print(Text("note: ", style="yellow") + _text(note))


def _print_classes(done: ReportComparison, console: Console) -> None:
    """The ten classes that differ most."""
    differing = [row for row in done.classes if row.only_a or row.only_b]
    differing.sort(key=lambda row: (-abs(row.only_a - row.only_b), row.label))
    if not differing:
        return
    heads = {f"{which} held": f"{which} {done.held}" for which in "AB"}
    table = [replace(column, head=heads.get(column.name)) for column in LOST]
    rows = [
        [str(it) for it in (row.label, row.n, row.a, row.b, row.only_a, row.only_b)]
        for row in differing[:10]
    ]
    print_table(table, rows, console)
    if len(differing) > 10:
        console.print(f"{len(differing) - 10} more classes differ: --json has all")


def _paired(paired: Paired) -> list[str]:
    n_a, n_b = paired.both + paired.only_a, paired.both + paired.only_b
    return [
        percent(n_a / paired.n),
        percent(n_b / paired.n),
        f"{signed_points(paired.difference)} ({signed_range(*paired.interval())})",
        *map(str, (paired.both, paired.only_a, paired.only_b, paired.neither)),
        f"{paired.p_value():.3g}",
    ]


def _print_lost(title: str, by: Mapping[str, int], console: Console) -> None:
    if by:
        listed = ", ".join(f"{n} to {stage}" for stage, n in by.items())
        console.print(_text(f"{title}: {sum(by.values())} images, {listed}"))


def _text(words: str) -> Text:
    # Text, not a string: in a string rich would obey the markup of a stranger's name.
    return Text(plain(words))
