"""The first page: the boards that most papers report on, ours, and the rest folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.flag_codes import FLAGS, RANK
from leaderboard import texts
from leaderboard.boards import Board, Leaderboard
from leaderboard.columns import CLEAN, Column, family, order, title
from leaderboard.origins import TRUSTED
from leaderboard.places import ROBUSTBENCH_SUBSET
from leaderboard.ranking import most_claimed
from leaderboard.rows import BoardRow
from leaderboard.site.boardrows import BY
from leaderboard.site.boardview import board_name, n_measured
from leaderboard.site.markup import points
from leaderboard.site.numbers import best_view, number_view
from leaderboard.twins import Gain

FULL = "full"
N_FIRST = 3
"""Rows of a board that the index shows."""


@dataclass(frozen=True)
class Canonical:
    """A board that leads: where it stands, and what it asks of a model, in words."""

    dataset: str
    norm: str
    eps: str
    subset: str
    about: str

    def is_of(self, board: Board) -> bool:
        """Whether `board` is this one."""
        here = (board.dataset, board.norm, board.eps, board.subset_key)
        return here == (self.dataset, self.norm, self.eps, self.subset)


CANONICAL = (
    Canonical(
        "cifar10",
        "Linf",
        "8/255",
        FULL,
        "Small photographs of 10 kinds of things. Every pixel may change by 8 of the 255 steps of"
        " brightness, which people hardly see. The threat that most papers report.",
    ),
    Canonical(
        "cifar10",
        "L2",
        "0.5",
        FULL,
        "The same photographs under another limit: not each pixel but the length of the whole"
        " change is bounded, so that a few pixels may change a lot.",
    ),
    Canonical(
        "cifar100",
        "Linf",
        "8/255",
        FULL,
        "Small photographs again, of 100 kinds and with a tenth as many pictures to learn each"
        " from: the same attack leaves far less standing.",
    ),
    Canonical(
        "imagenet",
        "Linf",
        "4/255",
        ROBUSTBENCH_SUBSET.key,
        "Photographs of full size, of 1,000 kinds, with half of CIFAR-10's step. AutoAttack on a"
        " fixed list of 5,000 validation images, as on all 50,000 it takes days.",
    ),
    Canonical(
        "imagenet",
        "Linf",
        "4/255",
        FULL,
        "All 50,000 validation images, where papers on ImageNet usually test. The attacks differ"
        " from paper to paper, and only numbers of one attack compare.",
    ),
)


def index_view(found: Leaderboard, gains: Sequence[Gain]) -> dict[str, Any]:
    """What templates/index.html shows."""
    leading = [board for one in CANONICAL for board in found.boards if one.is_of(board)]
    others = [board for board in found.boards if board not in leading]
    ours = [board for board in others if any(row.reports for row in board.rows)]
    rest = sorted((it for it in others if it not in ours), key=lambda it: -len(it.rows))
    reports = {id(it) for board in found.boards for row in board.rows for it in row.reports}
    return {
        "n_reports": len(reports),
        "n_boards": len(found.boards),
        "n_models": len({row.model_key for board in found.boards for row in board.rows}),
        "leading": [_card(board) for board in leading],
        "ours": [_card(board) for board in ours],
        "rest": [_line(board) for board in rest],
        "gains": [_gain(gain, found.boards) for gain in _telling(gains)],
        "flags": [
            {"code": code, "means": FLAGS[code].means, **rank._asdict()}
            for code, rank in RANK.items()
        ],
        "refused": [{"name": it.path.name, "reason": it.reason} for it in found.refused],
    }


def _card(board: Board) -> dict[str, Any]:
    about = next((one.about for one in CANONICAL if one.is_of(board)), "")
    return _line(board) | {
        "about": about,
        "is_ranked": board.ranked_by is not None,
        "first": [_first(row, board) for row in board.rows[:N_FIRST]],
        "unranked": None if board.ranked_by else _why_unranked(board),
    }


def _line(board: Board) -> dict[str, Any]:
    n = len(board.rows)
    return {
        "key": board.key,
        "title": board_name(board),
        "subset": board.subset,
        "n": f"{n} model{'' if n == 1 else 's'}",
        "measured": [f"{it} {BY[who]}" for who in TRUSTED if (it := n_measured(board, who)) != "0"],
        "apart": len(board.excluded),
        "attack": board.ranked_by or "",
    }


def _why_unranked(board: Board) -> str:
    attack = most_claimed(board.rows)
    by = f" Here they stand by what authors claim under {attack}." if attack else ""
    return f"Not ranked: nobody but the authors measured a model here.{by}"


def _first(row: BoardRow, board: Board) -> dict[str, Any]:
    """One of a board's first rows: its rank, and the number that stands for it with its source."""
    shown = {"key": row.key, "name": row.model, "rank": texts.rank(row)}
    found = _number(row, board)
    if found is None:
        what = "no robust accuracy known"
        return shown | {"text": "", "range": "", "kind": "", "found_by": "", "what": what}
    return shown | found


def _number(row: BoardRow, board: Board) -> dict[str, Any] | None:
    """The best known robust accuracy, else what its authors claim under the board's attack."""
    if row.best is not None:
        return best_view(row.best)
    attack = most_claimed(board.rows)
    claims = [Column("claimed", key) for key in row.claimed if key != CLEAN]
    claims.sort(key=lambda it: (family(it.key) != attack, order(it.key)))
    return number_view(claims[0], row.claimed[claims[0].key]) if claims else None


def _telling(gains: Sequence[Gain]) -> Iterable[Gain]:
    """One gain for each board and pair: of the strongest attack that both met there."""
    found: dict[tuple[str, str, str], Gain] = {}
    for gain in sorted(gains, key=lambda it: order(it.protocol)):
        if gain.protocol != CLEAN:
            found.setdefault((gain.board, gain.model_key, gain.twin_key), gain)
    return found.values()


def _gain(gain: Gain, boards: Sequence[Board]) -> dict[str, Any]:
    board = next(it for it in boards if it.key == gain.board)
    says = "shows a difference" if gain.is_clear else "does not show a difference"
    return {
        "board": board_name(board),
        "subset": board.subset,
        "attack": title(gain.protocol),
        "difference": points(gain.difference),
        "interval": f"{points(gain.low)} to {points(gain.high)}",
        "says": says,
        "model": gain.model,
        "model_key": gain.model_key,
        "twin": gain.twin,
        "twin_key": gain.twin_key,
        "p": f"{gain.p_value:.2g}",
        "n": f"{gain.n:,}",
    }
