"""The leaderboard and comparisons in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.report.percent import percent, signed_points
from leaderboard.boards import Board, Leaderboard
from leaderboard.compare import ReportComparison
from leaderboard.escape import plain
from leaderboard.export import HOW_TO_ADD
from leaderboard.stats import Paired
from leaderboard.texts import OF_ESTIMATES, cell, columns, heading, rank, remarks, yes_no

ROWS = 20
"""What fits on one screen with its head and foot."""

COLUMNS = 6
"""Columns of numbers, those that are fullest."""


def print_overview(whole: Leaderboard, console: Console) -> None:
    """All boards, a line each."""
    table = _table("data", "norm", "eps", "images", "models", "measured", "ranked by", "subset key")
    for board in whole.boards:
        n_measured = sum(bool(row.reports) for row in board.rows)
        words = [board.dataset, board.norm, board.eps, board.subset, str(len(board.rows))]
        words += [str(n_measured), board.ranked_by or "-", board.subset_key]
        table.add_row(*map(_text, words))
    console.print(table)


def print_board(
    board: Board, others: Sequence[Board], console: Console, *, everything: bool
) -> None:
    """One board on one screen; with `everything`, all of its rows and columns."""
    console.print(_text(heading(board)), style="bold")
    if not board.rows:
        console.print("no model stands here yet")
    shown = columns(board, at_most=None if everything else COLUMNS)
    # In two lines a head is hardly wider than its numbers.
    heads = [column.title.replace(" ", "\n", 1) for column in shown]
    table = _table("rank", "model", "activation", "extra\ndata", *heads, "remarks")
    rows = board.rows if everything else board.rows[:ROWS]
    for row in rows:
        words = [rank(row), row.model, row.activation or "", yes_no(row.extra_data)]
        words += [cell(row.numbers.get(column)) for column in shown]
        table.add_row(*map(_text, (*words, remarks(row))))
    if rows:
        console.print(table)
    n_left = len(board.rows) - len(rows)
    if n_left or board.excluded:
        hidden = f"not shown: {n_left} rows, {len(board.excluded)} models outside of the table"
        console.print("outside of the table:" if everything else f"{hidden}; --all shows them")
    for row in board.excluded if everything else ():
        console.print(_text(f"  {row.model}: {row.excluded}"))
    _print_foot(board, others, console)


def _print_foot(board: Board, others: Sequence[Board], console: Console) -> None:
    if board.ranked_by:
        console.print(
            f"rank by {board.ranked_by}: a group overlaps the 95 % interval of its best; claims and"
            " models with a flag that casts doubt on the number are not ranked"
        )
    if any(row.is_estimated for row in board.rows):
        console.print(f"estimated: the run ended before all images were settled; {OF_ESTIMATES}")
    if others:
        console.print("other tables, never to be mixed with this one:")
    for other in others:
        where = f"--norm {other.norm} --eps '{other.eps}' --subset {other.subset_key}"
        console.print(_text(f"  {len(other.rows):3d} models, {where}"))
    console.print(f"add a result: {HOW_TO_ADD}")


def print_comparison(done: ReportComparison, console: Console) -> None:
    """The paired counts and differences, then classes and stages where the two differ."""
    console.print(Text("A  ") + _text(done.a))
    console.print(Text("B  ") + _text(done.b))
    table = _table("", "A", "B", "A - B, 95 % interval", "both", "only A", "only B", "neither", "p")
    table.add_row("clean", *_paired(done.clean))
    if done.robust is not None:
        table.add_row("robust", *_paired(done.robust))
    console.print(table)
    images = f"{done.clean.n} images"
    if done.n != done.clean.n:
        images += f", robust on {done.n} of them: {done.n_open} are open, see the note"
    console.print(f"{images}, paired; interval: Newcombe 1998, method 10; p: exact McNemar test")
    _print_lost("A keeps, B loses", done.lost_by_b, console)
    _print_lost("B keeps, A loses", done.lost_by_a, console)
    differing = [row for row in done.classes if row.only_a or row.only_b]
    differing.sort(key=lambda row: (-abs(row.only_a - row.only_b), row.label))
    if differing:
        kinds = (f"A {done.held}", f"B {done.held}")
        by_class = _table("class", "images", *kinds, "only A", "only B")
        for row in differing[:10]:
            by_class.add_row(*map(str, (row.label, row.n, row.a, row.b, row.only_a, row.only_b)))
        console.print(by_class)
    if len(differing) > 10:
        console.print(f"{len(differing) - 10} more classes differ: --json has all")
    for note in done.notes:
        console.print(Text("note: ", style="yellow") + _text(note))


def _paired(paired: Paired) -> list[str]:
    low, high = paired.interval()
    n_a, n_b = paired.both + paired.only_a, paired.both + paired.only_b
    return [
        percent(n_a / paired.n),
        percent(n_b / paired.n),
        f"{signed_points(paired.difference)} ({signed_points(low)} to {signed_points(high)})",
        *map(str, (paired.both, paired.only_a, paired.only_b, paired.neither)),
        f"{paired.p_value():.3g}",
    ]


def _print_lost(title: str, by: Mapping[str, int], console: Console) -> None:
    if by:
        listed = ", ".join(f"{n} to {stage}" for stage, n in by.items())
        console.print(_text(f"{title}: {sum(by.values())} images, {listed}"))


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        is_name = head in {"model", "data", "activation", "images", "subset key", "remarks", ""}
        table.add_column(
            Text(head), justify="left" if is_name else "right", overflow="fold", no_wrap=False
        )
    return table


def _text(words: str) -> Text:
    # Text, not a string: in a string rich would obey the markup of a stranger's name.
    return Text(plain(words))
