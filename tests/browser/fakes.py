"""Boards made up for the pages: 500 rows, and names that attack the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.intervals import wilson
from eval.report.report import Flag
from leaderboard.boards import Board, Leaderboard
from leaderboard.numbers import Claimed, Estimated, Measured
from leaderboard.rows import BoardRow
from leaderboard.stats import RankRange

SCRIPT = "<script>document.title = 'owned'</script>"
BREAKOUT = "</script><img src=x onerror=\"document.title = 'owned'\">"
HOSTILE = (SCRIPT, BREAKOUT, "' onmouseover='alert(1)", "<!-- {{ 7 * 7 }} ${alert(1)} -->")
ACTIVATIONS = ("ReLU", "SiLU", "GELU", None)


def measured(correct: int, n: int = 1000) -> Measured:
    return Measured(correct / n, n=n, correct=correct, report_path=Path("report.json"))


def estimated(correct: int, n: int = 1000) -> Measured:
    early = Estimated(n // 2, wilson(correct, n), (0.1, 0.9))
    return replace(measured(correct, n), correct=None, estimated=early)


def row(number: int) -> BoardRow:
    """Every third row measured, the others of a third party; accuracies differ row by row.

    The first is estimated: it would stand in every front.
    """
    clean, robust = 950 - number % 389, 700 - number
    name = HOSTILE[number] if number < len(HOSTILE) else f"model-{number:03d}"
    numbers: dict[str, Claimed] = {}
    if number % 3:
        numbers["clean"] = Claimed(clean / 1000, source="a source")
        numbers["autoattack"] = Claimed(robust / 1000, 1000, source="a source")
    ours = measured if number else estimated
    is_flagged = number % 50 == 7
    return BoardRow(
        key=f"board-row-{number}",
        model_key=f"row-{number}",
        model=name,
        architecture=("WideResNet-34-10", "ResNet-50", "Swin-B")[number % 3],
        activation=ACTIVATIONS[number % 4],
        parameters=1_000_000 * (number + 1) if number % 2 else None,
        flops=1_000_000 * (number + 1) if number % 5 else None,
        extra_data=(True, False, None)[number % 3],
        clean=None if numbers else measured(clean),
        robust={} if numbers else {"autoattack-standard@1": ours(robust)},
        third_party=numbers,
        claimed={"pgd-20": Claimed(0.5, source=SCRIPT, note=BREAKOUT)} if number % 10 == 0 else {},
        flags=(Flag(code="square-breaks", detail=BREAKOUT),) if is_flagged else (),
        rank=None if is_flagged else RankRange(max(1, number - 9), number + 9),
        unranked="flagged: square-breaks" if is_flagged else None,
    )


def board(n: int) -> Board:
    excluded = BoardRow("board-apart", "apart", SCRIPT, excluded=BREAKOUT)
    return Board(
        dataset="cifar10",
        norm="Linf",
        eps="8/255",
        subset_key="full",
        subset="all 10,000 images",
        key="board",
        rows=tuple(row(number) for number in range(n)),
        excluded=(excluded,),
        ranked_by="AutoAttack",
    )


def whole(n: int) -> Leaderboard:
    return Leaderboard((board(n),), ())
