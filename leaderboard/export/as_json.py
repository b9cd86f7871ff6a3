"""The leaderboard as JSON: all that is known but the verdicts of single images."""

from __future__ import annotations

import json
from typing import Any

from leaderboard import escape
from leaderboard.boards import Board, Leaderboard
from leaderboard.numbers import BestKnown, Claimed, Measured, Number
from leaderboard.rows import BoardRow
from leaderboard.seeds import GainOverSeeds, gains_over_seeds
from leaderboard.twins import twins


def to_json(whole: Leaderboard) -> str:
    """Everything but the verdicts of single images, which stand in the Reports."""
    content = {
        "schema": "sat-zoo/leaderboard@1",
        "boards": [_json_board(board) for board in whole.boards],
        "gains": [vars(gain) for gain in twins(whole.boards)],
        "gains_over_seeds": [_over_seeds(gain) for gain in gains_over_seeds(whole.boards)],
        "refused": [{"file": r.path.name, "reason": r.reason} for r in whole.refused],
    }
    return escape.in_json(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def _over_seeds(gain: GainOverSeeds) -> dict[str, Any]:
    runs = {
        whose: {**vars(one), "mean": one.mean, "spread": one.spread}
        for whose, one in (("model", gain.model), ("twin", gain.twin))
    }
    numbers = {"difference": gain.difference, "of_seeds_alone": gain.of_seeds_alone}
    return {**vars(gain), **runs, **numbers}


def _json_board(board: Board) -> dict[str, Any]:
    facts = {k: v for k, v in vars(board).items() if k not in {"rows", "excluded"}}
    return {
        **facts,
        "rows": [_json_row(row) for row in board.rows],
        "excluded": [_json_row(row) for row in board.excluded],
    }


def _json_row(row: BoardRow) -> dict[str, Any]:
    plain = ["key", "model_key", "model", "architecture", "activation", "parameters", "flops"]
    plain += ["input_size", "extra_data", "year", "link", "unranked", "excluded"]
    return {
        **{name: getattr(row, name) for name in plain},
        "rank": [row.rank.first, row.rank.last] if row.rank else None,
        "best_known": _json_best(row.best),
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


def _json_best(best: BestKnown | None) -> dict[str, Any] | None:
    if best is None:
        return None
    of = {"kind": best.whose, "stronger": best.stronger}
    attack = f"stronger than {best.column.key}" if best.stronger else best.column.key
    share = _json_share(best.number)
    return {**share, **of, "protocol": attack, "estimated": best.is_estimated}


def _json_share(found: Number) -> dict[str, Any]:
    """A number with its own interval; `ci95` is null where nobody says how many images it is of."""
    return {"accuracy": found.accuracy, "ci95": found.interval, "n": found.n}


def _json_number(found: Measured | Claimed) -> dict[str, Any]:
    if isinstance(found, Claimed):
        best = _json_share(found.best_known) if found.best_known else None
        about = {"source": found.source, "note": found.note, "run_as": found.run_as}
        return {
            **_json_share(found),
            **about,
            "best_known": best,
            "fingerprint": found.fingerprint,
        }
    early = found.estimated
    return {
        **_json_share(found),
        "correct": found.correct,
        "report": found.report_path.name,
        "origin": found.origin,
        "reran": found.reran,
        "estimated": early is not None,
        "open": early.n_open if early else 0,
        "full_run": early.full_run if early else None,
        "fingerprint": found.fingerprint,
    }
