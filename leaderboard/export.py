"""The leaderboard as files for people and programs: Markdown, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.errors import ReportError
from eval.files.paths import AnyPath, path_of
from eval.files.writing import write_atomically
from eval.report.percent import percent, signed_points
from leaderboard import escape
from leaderboard.boards import Board, Leaderboard
from leaderboard.columns import Column, family
from leaderboard.rows import BoardRow, Claimed, Measured
from leaderboard.texts import OF_ESTIMATES, cell, columns, heading, mark, rank, remarks, yes_no
from leaderboard.twins import Gain, twins

_ABOUT = f"""Accuracies in per cent. `measured`: by us, from a Report, with 95 % Wilson interval.
`estimated`: of a run that ended before all images were settled; its interval covers the open ones
too. `third-party`: published by somebody who attacked another's model. `claimed`: by the authors.
Attacks differ in strength, so only numbers of one attack can be compared. rank: models whose
interval overlaps that of the best of their group share a rank, since chance explains the rest;
claims are not ranked, nor models with a flag that makes the number another thing than its
neighbours; other flags are marks beside the rank;
{OF_ESTIMATES}."""

HOW_TO_ADD = "sat-zoo eval MODEL --out report.json && sat-zoo leaderboard add report.json"


def write_all(whole: Leaderboard, out: AnyPath) -> tuple[Path, ...]:
    """Write leaderboard.md, .csv, .json and .tex into the folder `out`, made if it is not there.

    Raises `ReportError` if the folder cannot be made or a file not be written.
    """
    out = path_of(out, "out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"--out {out} cannot be made: {error.strerror}; choose another folder"
        ) from error
    formats: dict[str, Callable[[Leaderboard], str]] = {
        "md": to_markdown,
        "csv": to_csv,
        "json": to_json,
        "tex": to_latex,
    }
    paths = []
    for suffix, render in formats.items():
        path = out / f"leaderboard.{suffix}"
        write_atomically(path, render(whole).encode())
        paths.append(path)
    return tuple(paths)


def to_markdown(whole: Leaderboard) -> str:
    """One section a board, with its table and what stands outside of it."""
    lines = ["# Leaderboard", "", _ABOUT, "", f"Add a result: `{HOW_TO_ADD}`", ""]
    if not any(row.reports for board in whole.boards for row in board.rows):
        lines += ["Nothing was measured by us yet: every number here was published by others.", ""]
    for board in whole.boards:
        lines += _markdown_board(board)
    lines += _markdown_gains(twins(whole.boards))
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
            facts = [row.model, row.architecture or "", row.activation or ""]
            accuracies = [cell(row.numbers.get(column)) for column in shown]
            words = [rank(row), *map(escape.markdown, facts), yes_no(row.extra_data), *accuracies]
            yield _markdown_line([*words, escape.markdown(remarks(row))])
        yield ""
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
        points = " to ".join(map(signed_points, (gain.low, gain.high)))
        words = [escape.markdown(name) for name in (gain.model, gain.twin)]
        words += [
            Column("measured", gain.protocol).title,
            f"{signed_points(gain.difference)} ({points})",
        ]
        words += [str(gain.only_model), str(gain.only_twin), f"{gain.p_value:.3g}"]
        yield _markdown_line(words)
    yield ""


_CSV = (
    *("dataset", "norm", "eps", "images", "rank_group", "model", "architecture", "activation"),
    *("extra_data", "parameters", "flops", "source", "attack", "protocol", "accuracy", "low"),
    *("high", "n", "correct", "best_known", "flags", "unranked", "excluded", "from", "note"),
    *("estimated", "open", "full_run_low", "full_run_high"),
)


def to_csv(whole: Leaderboard) -> str:
    """One line a number, with what it is about; accuracies are fractions.

    estimated: yes or no for a measured one. low, high: for the distribution of the images, of an
    estimate too; full_run_low, full_run_high: for what the whole run would find on these images.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for board in whole.boards:
        for row in (*board.rows, *board.excluded):
            for line in _csv_lines(board, row):
                writer.writerow(
                    [escape.csv_cell(v) if isinstance(v, str) else _or_empty(v) for v in line]
                )
    return text.getvalue()


def _csv_lines(board: Board, row: BoardRow) -> Iterator[list[Any]]:
    about: list[Any] = [board.dataset, board.norm, board.eps, board.subset, row.rank_group]
    about += [row.model, row.architecture, row.activation, yes_no(row.extra_data)]
    about += [row.parameters, row.flops]
    flags = " ".join(flag.code for flag in row.flags)
    rest: list[Any]
    for column, found in row.numbers.items():
        what: list[Any] = [column.source, family(column.key), column.key, found.accuracy, found.low]
        what += [found.high, found.n]
        if isinstance(found, Measured):
            rest = [found.correct, None, flags, row.unranked, row.excluded, found.report_path.name]
            yield [*about, *what, *rest, None, *_csv_estimate(found)]
        else:
            rest = [None, found.best_known, flags, row.unranked, row.excluded, found.source]
            yield [*about, *what, *rest, found.note, None, None, None, None]


def _csv_estimate(found: Measured) -> list[Any]:
    if found.estimated is None:
        return ["no", 0, None, None]
    return ["yes", found.estimated.n_open, *found.estimated.full_run]


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def to_json(whole: Leaderboard) -> str:
    """Everything but the verdicts of single images, which stand in the Reports."""
    content = {
        "schema": "sat-zoo/leaderboard@1",
        "boards": [_json_board(board) for board in whole.boards],
        "gains": [vars(gain) for gain in twins(whole.boards)],
        "refused": [{"file": r.path.name, "reason": r.reason} for r in whole.refused],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _json_board(board: Board) -> dict[str, Any]:
    facts = {k: v for k, v in vars(board).items() if k not in {"rows", "excluded"}}
    return {
        **facts,
        "rows": [_json_row(row) for row in board.rows],
        "excluded": [_json_row(row) for row in board.excluded],
    }


def _json_row(row: BoardRow) -> dict[str, Any]:
    plain = ["key", "model_key", "model", "architecture", "activation", "parameters", "flops"]
    plain += ["extra_data", "link", "rank_group", "unranked", "excluded"]
    return {
        **{name: getattr(row, name) for name in plain},
        "numbers": [
            {"kind": column.source, "protocol": column.key, **_json_number(found)}
            for column, found in row.numbers.items()
        ],
        "checks": [
            {
                "protocol": check.protocol,
                "measured": check.measured.accuracy,
                "estimated": check.measured.estimated is not None,
                "ci95": [check.measured.low, check.measured.high],
                "claimed": check.claimed.accuracy,
                "difference": check.difference,
                "inside": check.inside,
                "verdict": check.verdict,
                "why": check.why,
                "counted": check.counted,
            }
            for check in row.checks
        ],
        "flags": [flag.model_dump() for flag in row.flags],
        "reports": [path.name for path in row.report_paths],
    }


def _json_number(found: Measured | Claimed) -> dict[str, Any]:
    facts = {k: v for k, v in vars(found).items() if k not in {"report_path", "estimated"}}
    if isinstance(found, Claimed):
        return facts
    early = found.estimated
    return facts | {
        "report": found.report_path.name,
        "estimated": early is not None,
        "open": early.n_open if early else 0,
        "full_run": early.full_run if early else None,
    }


def to_latex(whole: Leaderboard) -> str:
    """Rows for a tabular of one's own; a comment above each block names its columns."""
    blocks = ["% Per cent; third-party and claimed numbers are the best known, if lower."]
    for board in whole.boards:
        shown = columns(board)
        heads = ["model", "activation", *(column.title for column in shown)]
        lines = [f"% {escape.plain(heading(board))}", f"% {' & '.join(map(escape.plain, heads))}"]
        for row in board.rows:
            words = [rf"\texttt{{{escape.latex(row.model)}}}", escape.latex(row.activation or "--")]
            words += [_latex_cell(row.numbers.get(column)) for column in shown]
            lines.append(" & ".join(words) + r" \\")
        if board.rows:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _latex_cell(found: Measured | Claimed | None) -> str:
    if found is None:
        return "--"
    if isinstance(found, Measured):
        interval = f"{percent(found.low)}--{percent(found.high)}"
        return f"{percent(found.accuracy)} {{\\scriptsize ({interval}){mark(found)}}}"
    return percent(found.believed)
