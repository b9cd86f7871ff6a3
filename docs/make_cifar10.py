"""Write the tables of zoo/families/cifar10/README.md from the committed Reports.

    python docs/make_cifar10.py

Accuracies in percent with 95 % intervals; differences in points, paired, on the same pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from docs.make_small_network import ACTIVATIONS, BOARD, GRADIENTS, OURS
from docs.tables import filled, head, line
from eval.report.percent import percent, percent_range, signed_points, signed_range
from leaderboard.boards import Board, boards
from leaderboard.columns import CLEAN
from leaderboard.compare import compare
from leaderboard.numbers import Measured
from leaderboard.rows import BoardRow
from leaderboard.seeds import GainOverSeeds, Runs, gains_over_seeds
from leaderboard.twins import report_of

PAGE = Path(__file__).parents[1] / "zoo/families/cifar10/README.md"

FIRST = "cifar10-linf-8-255-first-1000"
PGD, AUTOATTACK = "pgd-50", "autoattack-standard@1"
TITLES = {CLEAN: "clean", PGD: "PGD-50", AUTOATTACK: "AutoAttack (standard)"}

RELU = OURS.format("relu-at")
SMOOTH = [OURS.format(f"{activation}-sat") for activation in ACTIVATIONS]
STUDY = [OURS.format(f"relu-smooth-{kind}-at") for kind in GRADIENTS.values()]
FREE = {OURS.format(f"{kind}-free"): OURS.format(kind) for kind in ("silu-sat", "relu-at")}
LARGER = {
    f"{network}-{kind}-cifar10": f"{network}-relu-at-cifar10"
    for network in ("resnet18", "efficientnet-b0")
    for kind in ("silu-sat", "relu-at")
}

Rows = Mapping[str, BoardRow]
"""Of one board, by the model's name."""


def rows_of(found: Sequence[Board], key: str) -> Rows:
    """Those of the board `key`."""
    (board,) = (board for board in found if board.key == key)
    return {row.model: row for row in board.rows}


def against(
    rows: Rows, pairs: Mapping[str, str], columns: Sequence[str], *, than: str
) -> list[str]:
    """A table of models, each beside another: the best of the last column first.

    pairs: the other model of each, as ReLU's; of the model itself no difference is said. than:
    what the others are, for the head.
    """
    titles = [TITLES[column] for column in columns]
    measured = [name for name in pairs if name in rows]
    measured.sort(key=lambda name: (_order(rows[name], columns), name))
    lines = [
        [
            f"`{name}`",
            *(_accuracy(rows[name], column) for column in columns),
            *(_difference(rows, name, pairs[name], column) for column in columns),
        ]
        for name in measured
    ]
    ends = [f"{title} minus {than}:" for title in titles]
    return [*head("model", *(f"{title}:" for title in titles), *ends), *map(line, lines)]


def over_seeds(found: Sequence[Board]) -> Iterator[str]:
    """The runs of SiLU and ReLU: each, mean and standard deviation, and what they differ by."""
    yield from head("pictures", "", "SiLU:", "ReLU:", "SiLU minus ReLU:", "seeds alone:")
    told = {(it.board, it.protocol): it for it in gains_over_seeds(found)}
    for key, pictures in ((BOARD, "all 10,000, JPEG"), (FIRST, "first 1,000, exact")):
        for column in (PGD, CLEAN):
            yield line([pictures, TITLES[column], *_over_seeds(told[key, column])])


def _over_seeds(gain: GainOverSeeds) -> list[str]:
    difference = f"{signed_points(gain.difference)} ({signed_range(gain.low, gain.high)})"
    reach = f"±{percent(gain.of_seeds_alone)}"
    return [*map(_each, (gain.model, gain.twin)), difference, reach]


def _each(runs: Runs) -> str:
    each = ", ".join(map(percent, runs.accuracies))
    return f"{each}: {percent(runs.mean)} ± {percent(runs.spread)}"


def _order(row: BoardRow, columns: Sequence[str]) -> list[float]:
    """By the last column, then those before it; a range by its middle, what is not there last."""
    return [-_middle(row.measured(column)) for column in reversed(columns)]


def _middle(found: Measured | None) -> float:
    if found is None:
        return -1.0
    return found.accuracy if found.estimated is None else sum(found.estimated.full_run) / 2


def _accuracy(row: BoardRow, column: str) -> str:
    found = row.measured(column)
    if found is None:
        return "not measured yet"
    interval = percent_range(*found.interval)
    if found.estimated is not None:  # what the whole run would find on these pictures
        return f"{percent_range(*found.estimated.full_run)}, ended early ({interval})"
    return f"{percent(found.accuracy)} ({interval})"


def _difference(rows: Rows, name: str, other: str, column: str) -> str:
    """Paired; where a run ended early what is possible on these very pictures says more."""
    found = [(rows[it], rows[it].measured(column)) for it in (name, other) if it in rows]
    reports = [report_of(row, one) for row, one in found if one is not None]
    if name == other or len(reports) < 2:
        return ""
    compared = compare(*reports)
    if column != CLEAN and compared.on_all is not None:
        return f"{signed_range(compared.on_all.low, compared.on_all.high)}, on these"
    pair = compared.clean if column == CLEAN else compared.robust
    return f"{signed_points(pair.difference)} ({signed_range(*pair.interval())})" if pair else ""


def page(text: str, found: Sequence[Board]) -> str:
    """The page with its tables written anew."""
    full, first = rows_of(found, BOARD), rows_of(found, FIRST)
    to_relu = dict.fromkeys([RELU, *SMOOTH], RELU)
    every = to_relu | dict.fromkeys(STUDY, RELU)
    usual = (CLEAN, PGD)
    tables = {
        "activations": against(full, to_relu, usual, than="ReLU"),
        "gradients": against(full, dict.fromkeys(STUDY, RELU), usual, than="ReLU"),
        "first 1,000": against(first, every, (*usual, AUTOATTACK), than="ReLU"),
        "seeds": over_seeds(found),
        "larger": against(full, LARGER, usual, than="ReLU"),
        "larger, first 1,000": against(first, LARGER, (*usual, AUTOATTACK), than="ReLU"),
        "free": against(first, FREE, usual, than="the other recipe"),
    }
    return filled(text, tables)


def main() -> None:
    """Write them."""
    PAGE.write_text(page(PAGE.read_text("utf-8"), boards()), "utf-8")
    print(PAGE, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
