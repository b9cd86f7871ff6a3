"""Which tables are meant: by data set, norm, eps and choice of images."""

from __future__ import annotations

from collections.abc import Sequence

from eval.errors import unknown
from leaderboard.boards import Board
from leaderboard.places import same_eps
from leaderboard.published import NOT_STATED

SEE = "sat-zoo leaderboard show"


def narrowed(
    boards: Sequence[Board],
    dataset: str | None = None,
    *,
    norm: str | None = None,
    eps: str | None = None,
    subset: str | None = None,
) -> tuple[Board, ...]:
    """The boards that fit all that is said; None says nothing.

    eps: as any text of the number, "16/510" for "8/255". subset: its key. Capitals do not count.
    Raises `UsageError` for a value that no board has, with what those have that fit the values
    before it.
    """
    fitting = list(boards)
    wanted = {"dataset": dataset, "norm": norm, "eps": _eps(eps), "subset_key": subset}
    said = {"dataset": dataset, "norm": norm, "eps": eps, "subset_key": subset}
    kinds = {"dataset": "data set", "subset_key": "subset"}
    for name, value in wanted.items():
        if value is None:
            continue
        of = f" of {dataset}" if dataset and name != "dataset" else ""
        known = sorted({getattr(board, name) for board in fitting})
        if value.lower() not in {one.lower() for one in known}:
            raise unknown(f"{kinds.get(name, name)}{of}", str(said[name]), known, see=SEE)
        fitting = [one for one in fitting if getattr(one, name).lower() == value.lower()]
    return tuple(fitting)


def main_board(boards: Sequence[Board]) -> Board:
    """Of several tables of one data set the one that people mean: that with most ranked models.

    A rank is what a table is opened for, and where most models were measured on the same images,
    by the same attack, most can be learned. Of equal ones that with most rows, then the first.
    boards: at least one.
    """
    return max(boards, key=lambda board: (_n_ranked(board), len(board.rows)))


def _n_ranked(board: Board) -> int:
    return sum(row.unranked is None for row in board.rows)


def _eps(text: str | None) -> str | None:
    """As boards write it; what is no number stays as it is, so that no board has it."""
    if text is None or text == NOT_STATED:
        return text
    found = same_eps(text)
    return text if found == NOT_STATED else found
