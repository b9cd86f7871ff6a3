"""The page of a board: strings for the table, numbers for the charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.percent import percent, percent_range
from leaderboard.boards import Board
from leaderboard.columns import CLEAN, SOURCES, Column, family, order, title
from leaderboard.places import slug
from leaderboard.published import NOT_STATED
from leaderboard.rows import BoardRow, Claimed, Measured
from leaderboard.site import charts, libraries
from leaderboard.site.markup import asset, count, percent_or_dash, render
from leaderboard.texts import OF_ESTIMATES, mark

DASH = "–"
LABELS = {CLEAN: "Clean", NOT_STATED: "Attack not stated"}
DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar10-jpeg": "CIFAR-10, JPEG copy",
    "cifar100": "CIFAR-100",
    "digits": "Digits",
    "imagenet": "ImageNet",
}
WHOSE = {"measured": "measured by us", "third-party": "third party", "claimed": "claimed"}
WORDS = {**WHOSE, "measured": "measured"}


@dataclass(frozen=True)
class Fact:
    """A column of what is known of a model; left out of a table in which nobody knows it."""

    name: str
    attribute: str
    css: str = "wide"

    def of(self, row: BoardRow) -> Any:
        """The row's value, None if it is not known."""
        return getattr(row, self.attribute)

    def cell(self, row: BoardRow) -> dict[str, Any]:
        """Text, and the number that sorts it."""
        value = self.of(row)
        if isinstance(value, int) and not isinstance(value, bool):
            return {"kind": self.css, "text": count(value), "order": value}
        words = {True: "yes", False: "no", None: DASH}
        text = words[value] if value is None or isinstance(value, bool) else value
        return {"kind": self.css, "text": text, "order": "" if "num" in self.css else None}


FACTS = (
    Fact("Activation", "activation"),
    Fact("Architecture", "architecture"),
    Fact("Extra data", "extra_data"),
    Fact("Parameters", "parameters", "num wide"),
)


def board_name(board: Board) -> str:
    """How people call the board: "CIFAR-10, Linf 8/255"."""
    name = DATASETS.get(board.dataset, board.dataset)
    if board.norm == "clean" or not board.eps:
        return name
    return f"{name}, {board.norm} {board.eps}"


def columns_by_attack(rows: Iterable[BoardRow]) -> list[Column]:
    """Every column in which a row has a number, by attack and then by whose it is."""
    return sorted(
        {it for row in rows for it in row.numbers},
        key=lambda it: (order(it.key)[:2], family(it.key), SOURCES.index(it.source), it.key),
    )


def attack(it: Column) -> str:
    """The attack of a column as a url-safe key."""
    return slug(family(it.key))


def board_page(board: Board, common: Mapping[str, Any]) -> str:
    """The page of a board as HTML; common: what every page shows."""
    data = {"rows": board_data(board), "charts": charts.specs("scatter", "parameters", "flops")}
    scripts = (libraries.tables(), libraries.charts(), asset("charts.js") + asset("board.js"))
    values = {**common, "board": board_view(board), "data": data}
    return render("board.html", values, scripts=scripts, depth=1)


def board_view(board: Board) -> dict[str, Any]:
    """What templates/board.html shows."""
    all_columns = columns_by_attack(board.rows)
    groups = _groups(all_columns)
    families = [group for group in groups if group["key"] != CLEAN]
    ranked = slug(board.ranked_by) if board.ranked_by else ""
    # In the order of the columns, which decides between two attacks with as many numbers.
    robust = (it for row in board.rows for it in columns_by_attack([row]) if it.key != CLEAN)
    filled = Counter(map(attack, robust))
    facts = [fact for fact in FACTS if any(fact.of(row) not in {None, ""} for row in board.rows)]
    return {
        "key": board.key,
        "title": board_name(board),
        "dataset": DATASETS.get(board.dataset, board.dataset),
        "lede": _lede(board),
        "caption": _caption(board),
        "is_ranked": board.ranked_by is not None,
        "heads": [("Model", ""), *((it.name, it.css) for it in facts)],
        "groups": groups,
        "families": families,
        "first": ranked if ranked in filled else max(filled, key=filled.__getitem__, default=""),
        "filters": _filters(board.rows),
        "rows": [_row(row, facts, all_columns) for row in board.rows],
        "excluded": [
            {
                "key": row.key,
                "name": row.model,
                "numbers": _numbers(row),
                "reason": row.excluded or DASH,
            }
            for row in board.excluded
        ],
    }


def board_data(board: Board) -> list[dict[str, Any]]:
    """What filters and charts need beside the table, a row each; accuracies in per cent."""
    all_columns = columns_by_attack(board.rows)
    return [
        {
            "activation": row.activation or "",
            "architecture": row.architecture or "",
            "family": architecture_family(row.architecture),
            "extra": row.extra_data,
            "sources": sorted({it.source for it in row.numbers}, key=SOURCES.index),
            "parameters": row.parameters,
            "flops": row.flops,
            "counts": row.rank_group is not None if board.ranked_by else not row.doubts,
            "values": chart_values(row, all_columns),
        }
        for row in board.rows
    ]


def chart_values(row: BoardRow, all_columns: Sequence[Column]) -> dict[str, dict[str, list[Any]]]:
    """By attack and by whose: clean, low, high, robust, low, high, robust as stated; in per cent.

    And, last, what the tooltip says behind the robust one: that it is estimated, or nothing.

    Both accuracies of a point are the same person's, so that it is a point and not a mixture.
    Where a stronger evaluation of somebody else broke more, the point is at what is believed.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    numbers = row.numbers
    for it in all_columns:
        robust = numbers.get(it)
        if it.key == CLEAN or robust is None or it.source in found.get(attack(it), {}):
            continue
        clean = numbers.get(Column(it.source, CLEAN))
        stated = round(100 * robust.accuracy, 2)
        point = [*_triple(clean), *_triple(robust), stated, mark(robust)]
        found.setdefault(attack(it), {})[it.source] = point
    return found


def architecture_family(architecture: str | None) -> str:
    """Of WideResNet-70-16 its WideResNet, for a filter that is not as long as the table."""
    if not architecture:
        return ""
    name = architecture.replace("_", "-").split(",")[0].split(" ")[0]
    known = {"WRN": "WideResNet", "WideResNet": "WideResNet", "Wide": "WideResNet"}
    head = name.split("-")[0].rstrip("0123456789") or name
    return known.get(head, head)


def _triple(found: Measured | Claimed | None) -> list[float | None]:
    if found is None:
        return [None, None, None]
    share = found.believed if isinstance(found, Claimed) else found.accuracy
    values = (share, found.low, found.high)
    return [None if value is None else round(100 * value, 2) for value in values]


def _groups(all_columns: Sequence[Column]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for it in all_columns:
        label = LABELS.get(it.key, family(it.key))
        group = groups.setdefault(attack(it), {"key": attack(it), "label": label, "heads": []})
        extra = title(it.key).removeprefix(family(it.key)).strip(" ()") if it.key != CLEAN else ""
        group["heads"].append(f"{WORDS[it.source]}, {extra}" if extra else WORDS[it.source])
    return list(groups.values())


def _row(row: BoardRow, facts: Sequence[Fact], all_columns: Sequence[Column]) -> dict[str, Any]:
    paper = row.published
    about = paper.venue if paper else None
    words = (row.model, paper.title, paper.authors, about) if paper else (row.model,)
    return {
        "key": row.key,
        "name": row.model,
        "about": about,
        "search": " ".join(filter(None, words)),
        "rank": row.rank_group or DASH,
        "facts": [fact.cell(row) for fact in facts],
        "flags": row.flags,
        "cells": [_cell(it, row.numbers.get(it)) for it in all_columns],
    }


def _cell(it: Column, found: Measured | Claimed | None) -> dict[str, Any]:
    small = ""
    if isinstance(found, Measured):
        small = f"{percent_range(found.low, found.high)}{mark(found)}"
    elif found is not None and found.believed < found.accuracy:
        small = f"best known {percent(found.believed)}"
    return {
        "source": it.source,
        "text": percent_or_dash(found.accuracy if found else None),
        "small": small,
    }


def n_measured(board: Board) -> str:
    """How many rows have numbers of ours, and how many of them estimates, as "3 (1 estimated)"."""
    n_early = sum(row.is_estimated for row in board.rows)
    early = f" ({n_early} estimated)" if n_early else ""
    return f"{sum(bool(row.reports) for row in board.rows)}{early}"


def _lede(board: Board) -> str:
    n = len(board.rows)
    rows, ours = f"{n} model{'' if n == 1 else 's'}", ", none measured by us yet"
    if any(row.reports for row in board.rows):
        ours = f", {n_measured(board)} of them measured by us"
    return f"{board.subset[:1].upper()}{board.subset[1:]}. {rows}{ours}."


def _caption(board: Board) -> str:
    unit = "Per cent; small print: 95 % interval."
    is_early = any(row.is_estimated for row in board.rows)
    if is_early:
        unit += " Estimated: the run ended before all images were settled."
    if board.ranked_by is None:
        return f"{unit} Nothing here is ranked."
    rule = f" {OF_ESTIMATES[:1].upper()}{OF_ESTIMATES[1:]}." if is_early else ""
    return f"{unit} Groups are by {board.ranked_by}: within one, intervals overlap.{rule}"


def _filters(rows: Sequence[BoardRow]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    activations = sorted({row.activation for row in rows if row.activation})
    families = sorted({architecture_family(row.architecture) for row in rows} - {""})
    return [
        ("activation", "Activation", [(name, name) for name in activations]),
        ("architecture", "Architecture", [(name, name) for name in families]),
        ("extra", "Extra data", [("true", "yes"), ("false", "no"), ("null", "not stated")]),
        ("source", "Source", list(WHOSE.items())),
    ]


def _numbers(row: BoardRow) -> str:
    said = []
    for it in columns_by_attack([row]):
        found = row.numbers[it]
        said.append(f"{title(it.key)} {percent(found.accuracy)} ({WHOSE[it.source]}{mark(found)})")
    return "; ".join(said) or DASH
