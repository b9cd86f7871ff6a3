"""The leaderboard as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.report.percent import percent, signed_points, signed_range
from leaderboard import escape
from leaderboard.boards import Board, Leaderboard
from leaderboard.columns import Column
from leaderboard.seeds import GainOverSeeds, Runs, gains_over_seeds
from leaderboard.texts import (
    OF_ESTIMATES,
    RANK_RULE,
    cell,
    columns,
    heading,
    protocols,
    rank,
    remarks,
    yes_no,
)
from leaderboard.twins import Gain, twins

_ABOUT = f"""Accuracies in per cent, each with its own 95 % Wilson interval where its source says
how many images it counted. `robust (best known)`: the lowest robust accuracy that this project or a
third party found, or a stronger attack beside theirs. `measured`: from a Report. `estimated`: of a
run that ended before all images were settled; its interval covers the open ones too. `third-party`:
published by somebody who attacked another's model. `claimed`: by the authors. Attacks differ in
strength, so only numbers of one attack can be compared. {RANK_RULE[:1].upper()}{RANK_RULE[1:]};
{OF_ESTIMATES}."""

HOW_TO_ADD = "sat-zoo eval MODEL --out report.json && sat-zoo leaderboard add report.json"


def to_markdown(whole: Leaderboard) -> str:
    """One section a board, with its table and what stands outside of it."""
    lines = ["# Leaderboard", "", _ABOUT, "", f"Add a result: `{HOW_TO_ADD}`", ""]
    if not any(row.reports for board in whole.boards for row in board.rows):
        lines += ["Nothing was measured by us yet: every number here was published by others.", ""]
    for board in whole.boards:
        lines += _markdown_board(board)
    lines += _markdown_gains(twins(whole.boards))
    lines += _markdown_seeds(gains_over_seeds(whole.boards))
    if whole.refused:
        lines += ["## Files that could not be used", ""]
        lines += [f"- {escape.markdown(refused.reason)}" for refused in whole.refused]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_board(board: Board) -> Iterator[str]:
    shown = columns(board)
    yield from (f"## {escape.markdown(heading(board))}", "")
    if board.rows:
        heads = ["rank", "model", "architecture", "activation", "extra data"]
        heads += [*(column.title for column in shown), "remarks"]
        yield _markdown_line([escape.markdown(head) for head in heads])
        yield _markdown_line(["---"] * len(heads))
        for row in board.rows:
            facts = [escape.short(row.model), row.architecture or "", row.activation or ""]
            accuracies = [str(cell(row, column) or "") for column in shown]
            words = [rank(row), *map(escape.markdown, facts), yes_no(row.extra_data), *accuracies]
            yield _markdown_line([*words, escape.markdown(remarks(row))])
        yield ""
        said = [f"{title} {words}" for title, words in protocols(board)]
        if said:
            yield from (f"Protocols: {escape.markdown('; '.join(said))}.", "")
    for row in board.excluded:
        yield f"- not in the table: {escape.markdown(f'{row.model}: {row.excluded}')}"
    if board.excluded:
        yield ""


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_gains(gains: Sequence[Gain]) -> Iterator[str]:
    if not gains:
        return
    yield from ("## Smooth against ReLU", "")
    yield "Same architecture, recipe and images; points with the paired 95 % interval (Newcombe)."
    yield from ("", "| model | twin | attack | gain | only model | only twin | exact McNemar p |")
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for gain in gains:
        words = [escape.markdown(name) for name in (gain.model, gain.twin)]
        words += [
            Column("measured", gain.protocol).title,
            f"{signed_points(gain.difference)} ({signed_range(gain.low, gain.high)})",
        ]
        words += [str(gain.only_model), str(gain.only_twin), f"{gain.p_value:.3g}"]
        yield _markdown_line(words)
    yield ""


def _markdown_seeds(gains: Sequence[GainOverSeeds]) -> Iterator[str]:
    if not gains:
        return
    yield from ("## Smooth against ReLU, over seeds", "")
    yield "Means over training runs; points with the 95 % interval over other seeds and images."
    yield "Seeds alone: how far one run of each is apart, in 19 of 20, if only the seed differs."
    yield from ("", "| model | twin | attack | model's runs | twin's runs | gain | seeds alone |")
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for gain in gains:
        words = [escape.markdown(runs.model) for runs in (gain.model, gain.twin)]
        words.append(Column("measured", gain.protocol).title)
        words += [_runs(runs) for runs in (gain.model, gain.twin)]
        words.append(f"{signed_points(gain.difference)} ({signed_range(gain.low, gain.high)})")
        yield _markdown_line([*words, f"±{percent(gain.of_seeds_alone)}"])
    yield ""


def _runs(runs: Runs) -> str:
    each = ", ".join(map(percent, runs.accuracies))
    return f"{percent(runs.mean)}, sd {100 * runs.spread:.1f} ({each})"
