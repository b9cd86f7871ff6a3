"""A row as its own page shows it: numbers with sources, card, recipe, reports, flags, gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.percent import percent, percent_range
from eval.report.report import Report
from leaderboard.boards import Board
from leaderboard.columns import SOURCES, Column, column, title
from leaderboard.rows import BoardRow, Check, Claimed, Measured
from leaderboard.site.boardview import DASH, LABELS, WHOSE, board_name, columns_by_attack
from leaderboard.site.early import about_early
from leaderboard.site.gallery import Gallery
from leaderboard.site.markup import count, percent_or_dash, points, render
from leaderboard.texts import mark
from zoo.cards import ModelCard
from zoo.registry import FAMILIES


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
        "headline": _headline(row),
        "flags": row.flags,
        "numbers": _numbers(row),
        "checks": [check_view(check) for check in row.checks],
        "facts": _facts(row),
        "reports": [_report(report) for report in sorted(row.reports, key=_strength)],
        "recipe": recipe[1],
        "recipe_file": recipe[0],
        "galleries": galleries,
        "siblings": siblings,
    }


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


def _headline(row: BoardRow) -> list[dict[str, Any]]:
    """The few numbers that stand large at the top: ours, else those of others."""
    for source in SOURCES:
        theirs = (it for it in columns_by_attack([row]) if it.source == source)
        found = [_large(it, row.numbers[it]) for it in theirs]
        if found:
            return found[:4]
    return []


def _large(it: Column, found: Measured | Claimed) -> dict[str, Any]:
    return {
        "value": percent_or_dash(found.accuracy),
        "label": f"{LABELS.get(it.key, title(it.key))}, {WHOSE[it.source]}",
        "range": _range(found),
        "other": it.source != "measured",
    }


def _range(found: Measured | Claimed) -> str:
    if found.low is None or found.high is None:
        return ""
    of = ""
    if isinstance(found, Measured) and found.correct is not None:
        of = f", {found.correct:,} of {found.n:,}"
    elif isinstance(found, Measured) and found.estimated is not None:
        of = f"{mark(found)}, {found.estimated.n_open:,} of {found.n:,} images open"
    return f"{percent_range(found.low, found.high)}{of}"


def _numbers(row: BoardRow) -> list[dict[str, Any]]:
    lines = []
    for it in columns_by_attack([row]):
        found = row.numbers[it]
        note = None
        if isinstance(found, Claimed):
            lower = found.believed < found.accuracy
            best = f"best known: {percent(found.believed)}" if lower else None
            note = "; ".join(filter(None, (best, found.note)))
        lines.append(
            {
                "what": LABELS.get(it.key, title(it.key)),
                "kind": it.source,
                "whose": WHOSE[it.source],
                "value": percent_or_dash(found.accuracy),
                "range": _range(found),
                "source": found.source if isinstance(found, Claimed) else found.report_path.name,
                "note": note,
            }
        )
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
        facts += [("entry", row.published.id), ("source", row.published.source)]
        facts += [("note", row.published.note)] if row.published.note else []
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
            ("protocol", report.protocol.name),
            ("weights", f"{report.model.weights_sha256} ({report.model.source})"),
            ("ids", data.ids_sha256),
            ("pixels", data.pixels_sha256),
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
