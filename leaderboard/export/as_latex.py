"""The leaderboard as LaTeX: rows for tables of one's own."""

from __future__ import annotations

from leaderboard import escape
from leaderboard.boards import Leaderboard
from leaderboard.texts import Cell, cell, columns, heading, protocols


def to_latex(whole: Leaderboard) -> str:
    """Rows for a tabular of one's own; a comment above each block names its columns.

    In ASCII, but for comments: one above a row has the name that LaTeX cannot set as it is.
    """
    blocks = ["% Per cent; small: 95 % interval of that number."]
    for board in whole.boards:
        shown = columns(board)
        heads = ["model", "activation", *(column.title for column in shown)]
        lines = [f"% {escape.plain(heading(board))}", f"% {' & '.join(map(escape.plain, heads))}"]
        lines += [f"% {escape.plain(f'{title}: {words}')}" for title, words in protocols(board)]
        for row in board.rows:
            if (original := escape.latex_original(row.model)) is not None:
                lines.append(original)
            name = escape.latex(escape.short(row.model))
            words = [rf"\texttt{{{name}}}", escape.latex(row.activation or "--")]
            words += [_latex_cell(cell(row, column)) for column in shown]
            lines.append(" & ".join(words) + r" \\")
        if board.rows:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _latex_cell(shown: Cell | None) -> str:
    if shown is None:
        return "--"
    if not shown.range:
        return f"{shown.text}{shown.mark}"
    interval = shown.range.replace(" to ", "--")
    return f"{shown.text} {{\\scriptsize ({interval}){shown.mark}}}"
