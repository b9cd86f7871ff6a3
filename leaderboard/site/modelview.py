"""A row as its own page shows it: numbers with sources, card, recipe, reports, flags, gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.percent import percent, percent_range
from eval.report.report import Report
from leaderboard.boards import Board
from leaderboard.citing import Copied, copies
from leaderboard.columns import CLEAN, SOURCES, Column, column, title
from leaderboard.numbers import BestKnown, Claimed
from leaderboard.rows import BoardRow, Check
from leaderboard.site.boardrows import DASH
from leaderboard.site.boardview import board_name, columns_by_attack
from leaderboard.site.early import about_early
from leaderboard.site.gallery import Gallery
from leaderboard.site.markup import count, points, render
from leaderboard.site.numbers import best_view, number_view
from leaderboard.sources import contradictions
from leaderboard.texts import mark, rank
from zoo.cards import ModelCard
from zoo.registry import FAMILIES

N_LARGE = 4
"""Claims that stand large at the top of a page where nobody else found a number."""


def model_page(
    row: BoardRow,
    board: Board,
    common: Mapping[str, Any],
    *,
    galleries: Sequence[Gallery] = (),
    siblings: Sequence[tuple[str, str]] = (),
) -> str:
    """The page of a row as HTML; common: what every page shows, the rest as `model_view`."""
    view = model_view(row, board, galleries=galleries, siblings=siblings)
    return render("model.html", {**common, "model": view}, depth=1)


def model_view(
    row: BoardRow,
    board: Board,
    *,
    galleries: Sequence[Gallery] = (),
    siblings: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """What templates/model.html shows.

    siblings: key and text of the rows of the same model on other boards.
    """
    paper = row.published
    recipe = _recipe(row.card)
    return {
        "name": row.model,
        "board": f"{board_name(board)}, {board.subset}",
        "board_key": board.key,
        "title": paper.title if paper else None,
        "link": row.link,
        "venue": paper.venue if paper else None,
        "authors": paper.authors if paper else None,
        "excluded": row.excluded,
        "unranked": row.unranked,
        "headline": _headline(row, board),
        "flags": row.flags,
        "numbers": _numbers(row),
        "copies": _copies(row, board),
        "apart": contradictions(row),
        "checks": [check_view(check) for check in row.checks],
        "facts": _facts(row),
        "reports": [_report(report) for report in sorted(row.reports, key=_strength)],
        "recipe": recipe[1],
        "recipe_file": recipe[0],
        "galleries": galleries,
        "siblings": siblings,
    }


_COPIES = {
    "python": "Load it",
    "shell": "Evaluate it",
    "bibtex": "Cite its paper",
    "latex": "Its line in LaTeX",
}
"""What its page has to copy, under which heading; other formats are on its board."""


def _copies(row: BoardRow, board: Board) -> list[tuple[str, Copied]]:
    """What can be taken away of it, each under its heading."""
    found = {it.key: it for it in copies(board, row)}
    return [(title, found[key]) for key, title in _COPIES.items() if key in found]


def check_view(check: Check) -> dict[str, Any]:
    """A claim beside its measurement, with the verdict in words."""
    verdict = "inside the interval" if check.inside else "outside the interval"
    return {
        "protocol": title(check.protocol),
        "claimed": percent(check.claimed.accuracy),
        "measured": percent(check.measured.accuracy),
        "low": 100 * check.measured.low,
        "high": 100 * check.measured.high,
        "range": percent_range(check.measured.low, check.measured.high) + mark(check.measured),
        "difference": points(check.difference),
        "verdict": verdict,
        "tag": "good" if check.inside else "warn",
        "why": f"counts {check.counted}" if check.counted else None,
        "text": (
            f"{title(check.protocol)}: claimed {percent(check.claimed.accuracy)}, measured"
            f" {percent(check.measured.accuracy)}{mark(check.measured)}"
            f" ({points(check.difference)} points)."
        ),
    }


def _headline(row: BoardRow, board: Board) -> list[dict[str, Any]]:
    """The few numbers that stand large at the top: best known, clean, its rank; else claims."""
    numbers = row.numbers
    sources = [row.best.column.source] if row.best else []
    clean = [it for source in (*sources, *SOURCES) if (it := Column(source, CLEAN)) in numbers][:1]
    if row.best is None:
        claims = [it for it in columns_by_attack([row]) if it.source == "claimed"]
        return [number_view(it, numbers[it]) for it in (claims or clean)[:N_LARGE]]
    shown = [best_view(row.best), *(number_view(it, numbers[it]) for it in clean)]
    if row.rank is not None:
        n = sum(other.rank is not None for other in board.rows)
        here = {"what": "Rank", "term": "rank", "text": rank(row), "of": f"of {n} ranked"}
        shown.append(here | {"range": "", "kind": "", "found_by": ""})
    return shown


def _numbers(row: BoardRow) -> list[dict[str, Any]]:
    """Every number with its own interval; first one of a stronger evaluation, if there is any.

    A note, and the address of a source, stands once, beside the first number that it is about.
    """
    found = [(it, row.numbers[it]) for it in columns_by_attack([row])]
    stronger = [
        best_view(BestKnown(number.best_known, it, True, number.by_authors), number)
        for it, number in found
        if isinstance(number, Claimed) and number.best_known is not None
    ]
    lines = [*stronger, *(number_view(it, number) for it, number in found)]
    said: set[str | None] = set()
    for line in lines:
        here = {line["note"], line["source"]}
        line["note"] = None if line["note"] in said else line["note"]
        line["is_same_source"] = line["source"] in said
        said |= here
    return lines


def _facts(row: BoardRow) -> list[tuple[str, str]]:
    card = row.card
    extra = {True: "yes", False: "no", None: "not stated"}[row.extra_data]
    facts = [
        ("architecture", row.architecture or "not stated"),
        ("activation", row.activation or "not stated"),
        ("extra data", extra),
        ("parameters", f"{row.parameters:,}" if row.parameters else "not stated"),
        ("multiply-adds", f"{row.flops:,} for one image" if row.flops else "not stated"),
    ]
    if card is not None:
        spec = card.input
        trained = f"{card.threat.norm}, eps {card.threat.eps}" if card.threat else "not published"
        facts += [
            ("name in the zoo", card.name),
            ("input", f"{spec.channels} × {spec.size} × {spec.size} in [0, 1]"),
            ("trained for", trained),
            *(("note", note) for note in card.notes),
        ]
    if row.published is not None:
        facts.append(("entry", row.published.id))
    return facts


def _recipe(card: ModelCard | None) -> tuple[str, str | None]:
    """File name and text of the training recipe that lies beside the card."""
    if card is None or card.recipe is None:
        return "", None
    path = FAMILIES / card.family / card.recipe
    if not path.is_file():
        return "", None
    return f"zoo/families/{card.family}/{card.recipe}", path.read_text("utf-8").rstrip()


def _strength(report: Report) -> tuple[int, str]:
    """Reports with more stages first: AutoAttack, then single attacks, then clean."""
    is_clean = report.protocol.name == "clean"
    return (1 if is_clean else -len(report.stages), column(report))


def _report(report: Report) -> dict[str, Any]:
    data, engine = report.data, report.engine
    before = report.clean.accuracy
    stages = [_stage("clean", data.n, data.n - report.clean.correct, before, 1.0)]
    for stage in report.stages:
        passes = (stage.forwards + stage.backwards) / max(stage.attacked, 1)
        stages.append(
            _stage(stage.name, stage.attacked, stage.broken, stage.accuracy_after, before)
            | {
                "rejected": stage.rejected,
                "passes": f"{passes:,.0f}",
                "seconds": f"{stage.seconds:,.1f}",
            }
        )
        before = stage.accuracy_after
    survived = report.survive_8bit
    return {
        "protocol": title(column(report)),
        "about": (
            f"{data.n:,} images of {data.name} ({data.split}), engine {engine.name} in"
            f" {engine.precision}, seed {report.seed}, {report.created[:10]}."
            + (
                f" {survived.broken_after_rounding} of {survived.n} adversarial images still fool"
                " the model when stored in 8 bits."
                if survived.n
                else ""
            )
        ),
        "early": about_early(report),
        "stages": stages if report.stages else [],
        "flags": report.flags,
        "command": report.command,
        "facts": [
            ("protocol", report.protocol.id),
            ("weights", f"{report.model.weights_sha256} ({report.model.source})"),
            ("ids", data.ids_sha256),
            ("pixels", data.pixels_sha256),
            *([("decoder", data.decoder)] if data.decoder else []),
            ("software", f"sat-zoo {engine.version}, torch {engine.torch}, {engine.device}"),
            ("parameters", count(report.model.parameters)),
            ("seconds", f"{report.seconds:,.0f}"),
        ],
    }


def _stage(name: str, attacked: int, broken: int, after: float, before: float) -> dict[str, Any]:
    return {
        "name": name,
        "attacked": f"{attacked:,}",
        "broken": f"{broken:,}",
        "after": after,
        "before": before,
        "rejected": "",
        "passes": DASH,
        "seconds": DASH,
    }
