"""The page of a board: strings for the table, numbers for the charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.report.known import TITLES
from eval.report.percent import percent
from leaderboard.boards import Board
from leaderboard.citing import copies
from leaderboard.columns import BEST, CLEAN, SOURCES, Column, family, order, title
from leaderboard.origins import TRUSTED, Who
from leaderboard.places import slug
from leaderboard.published import NOT_STATED
from leaderboard.rows import BoardRow
from leaderboard.site.boardrows import (
    BY,
    DASH,
    FACTS,
    Fact,
    architecture_family,
    by,
    measured_in,
    row_data,
    row_view,
    year,
)
from leaderboard.site.markup import render
from leaderboard.site.terms import TERMS, term_of, words_of
from leaderboard.texts import OF_ESTIMATES, mark, protocols

LABELS = {CLEAN: "Clean", NOT_STATED: "Attack not stated"}
WHOSE = {"measured": "measured", "third-party": "third party", "claimed": "claimed"}
"""Kinds of sources; by whom something was measured says `leaderboard.origins.measured_by`."""

SIZES = (
    ("0-10", "below 10 M"),
    ("10-50", "10 to 50 M"),
    ("50-150", "50 to 150 M"),
    ("150-", "from 150 M"),
    ("none", "not published"),
)
"""Numbers of parameters to choose from, in millions: from the first to below the second."""


def board_name(board: Board) -> str:
    """How people call the board: "CIFAR-10, Linf 8/255"."""
    name = TITLES.get(board.dataset, board.dataset)
    if board.norm == "clean" or not board.eps:
        return name
    return f"{name}, {board.norm} {board.eps}"


def columns_by_attack(rows: Iterable[BoardRow]) -> list[Column]:
    """Every column in which a row has a number, by attack and then by whose it is; clean first."""
    return sorted(
        {it for row in rows for it in row.numbers},
        key=lambda it: (order(it.key)[:2], family(it.key), SOURCES.index(it.source), it.key),
    )


def attack(it: Column) -> str:
    """The attack of a column as a url-safe key."""
    return slug(family(it.key))


def board_page(board: Board, common: Mapping[str, Any]) -> str:
    """The page of a board as HTML; common: what every page shows."""
    values = {
        **common,
        "board": board_view(board),
        "data": board_data(board),
        "explained": lambda word: TERMS[word].text if word else "",
    }
    scripts = ("address", "table", "details", "vega", "charts", "boardcharts", "board")
    return render("board.html", values, scripts=scripts, depth=1)


def board_view(board: Board) -> dict[str, Any]:
    """What templates/board.html shows."""
    numbers = number_columns(board)
    groups = _groups([it for it in numbers if it != BEST], dict(protocols(board)))
    facts = [fact for fact in FACTS if _tells(fact, board.rows)]
    has_best = BEST in numbers
    return {
        "key": board.key,
        "charts": _charts(board.rows),
        "title": board_name(board),
        "dataset": TITLES.get(board.dataset, board.dataset),
        "lede": _lede(board),
        "caption": _caption(board),
        "words": words_of(board),
        "is_ranked": board.ranked_by is not None,
        "has_best": has_best,
        "facts": facts,
        "groups": groups,
        "attacks": _attacks(board, groups, has_best=has_best),
        "beside": slug(board.ranked_by) if board.ranked_by else "",
        "filters": [it for it in _filters(board.rows) if len(it[2]) > 1],
        "rows": [row_view(row, facts, numbers) for row in board.rows],
        "excluded": [
            {
                "id": row.model_key,
                "key": row.key,
                "name": row.model,
                "numbers": _numbers(row),
                "reason": row.excluded or DASH,
            }
            for row in board.excluded
        ],
    }


def board_data(board: Board) -> dict[str, Any]:
    """What scripts need beside the table: the rows in its order, and what they may copy.

    Nothing stands twice, so that the page stays light. papers: [authors, BibTeX] of every paper, to
    which a row's `paper` points. kinds: of a row's `copy`; around: what all texts of one kind begin
    and end with.
    """
    numbers = number_columns(board)
    texts = [{it.key: it.text for it in copies(board, row)} for row in board.rows]
    papers: dict[tuple[str | None, str | None], int] = {}
    kinds = list(dict.fromkeys(kind for theirs in texts for kind in theirs if kind != "bibtex"))
    around = [_around([it[kind] for it in texts if kind in it]) for kind in kinds]
    rows = []
    for row, theirs in zip(board.rows, texts, strict=True):
        data = row_data(board, row, numbers)
        authors = row.published.authors if row.published else None
        if authors or "bibtex" in theirs:
            data["paper"] = papers.setdefault((authors, theirs.get("bibtex")), len(papers))
        data["copy"] = [
            theirs[kind][len(start) : len(theirs[kind]) - len(end)] if kind in theirs else None
            for kind, (start, end) in zip(kinds, around, strict=True)
        ]
        rows.append(data)
    return {"rows": rows, "papers": list(papers), "kinds": kinds, "around": around}


def number_columns(board: Board) -> list[Column]:
    """The columns of accuracies as the table has them: best known, attack by attack, clean."""
    best = [BEST] if any(row.best for row in board.rows) else []
    return [*best, *sorted(columns_by_attack(board.rows), key=lambda it: it.key == CLEAN)]


def _around(texts: Sequence[str]) -> tuple[str, str]:
    """What all the texts begin and end with; of one text nothing."""
    if len(texts) < 2:
        return "", ""
    start = _common(texts)
    rests = [text[len(start) :] for text in texts]
    return start, _common([rest[::-1] for rest in rests])[::-1]


def _common(texts: Sequence[str]) -> str:
    """The longest start of all; the first and the last in order differ soonest."""
    low, high = min(texts), max(texts)
    same = next(
        (i for i, pair in enumerate(zip(low, high, strict=False)) if len({*pair}) > 1), None
    )
    return low[:same]


def _charts(rows: Sequence[BoardRow]) -> list[str]:
    """The charts, beside that of accuracies, in which the rows do not all stand at one place."""
    values: Mapping[str, set[Any]] = {
        "progress": {year(row) for row in rows},
        "parameters": {row.parameters for row in rows},
        "flops": {row.flops for row in rows},
    }
    return [name for name, found in values.items() if len(found - {None}) > 1]


def _tells(fact: Fact, rows: Sequence[BoardRow]) -> bool:
    """Whether a column tells rows apart; that all see pictures of one size the data set says."""
    known: set[Any] = {fact.of(row) for row in rows} - {None, ""}
    return len(known) > (fact.key == "input")


def _groups(all_columns: Sequence[Column], prints: Mapping[str, str]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for it in all_columns:
        label = LABELS.get(it.key, family(it.key))
        about: dict[str, Any] = {
            "key": attack(it),
            "label": label,
            "word": term_of(it),
            "heads": [],
        }
        group = groups.setdefault(attack(it), about)
        extra = title(it.key).removeprefix(family(it.key)).strip(" ()") if it.key != CLEAN else ""
        text = f"{WHOSE[it.source]}, {extra}" if extra else WHOSE[it.source]
        key = f"{attack(it)}.{it.source}"
        taken = sum(head["key"].startswith(key) for head in group["heads"])
        key = f"{key}.{taken + 1}" if taken else key
        head = {"key": key, "source": it.source, "text": text, "prints": prints.get(it.title)}
        group["heads"].append(head)
    return list(groups.values())


def _attacks(
    board: Board, groups: Sequence[Mapping[str, Any]], *, has_best: bool
) -> list[tuple[str, str]]:
    """What can be chosen, first what is shown first: best known, or the attack with most numbers.

    In the order of the columns, which decides between two attacks with as many numbers.
    """
    found = [(group["key"], group["label"]) for group in groups if group["key"] != CLEAN]
    filled = Counter(attack(it) for row in board.rows for it in row.numbers if it.key != CLEAN)
    if has_best:
        return [("best", "Best known"), *found]
    return sorted(found, key=lambda it: -filled[it[0]])


def n_measured(board: Board, who: Who | None = None) -> str:
    """How many rows are measured, by `who` or by anybody; of them estimates: "3 (1 estimated)"."""
    found = [row for row in board.rows if any(who in {None, it.origin} for it in measured_in(row))]
    n_early = sum(row.is_estimated for row in found)
    return f"{len(found)}{f' ({n_early} estimated)' if n_early else ''}"


def _lede(board: Board) -> str:
    n = len(board.rows)
    counts = [(who, n_measured(board, who)) for who in TRUSTED]
    said = [f"{count} {BY[who]}" for who, count in counts if count != "0"]
    rows = f"{n} model{'' if n == 1 else 's'}, {'; '.join(said) or 'none measured by us yet'}"
    return f"{board.subset[:1].upper()}{board.subset[1:]}. {rows}."


def _caption(board: Board) -> str:
    unit = "Per cent, with 95 % intervals."
    is_early = any(row.is_estimated for row in board.rows)
    if is_early:
        unit += " Estimated: the run ended before all images were settled."
    if board.ranked_by is None:
        return f"{unit} Nothing here is ranked."
    rule = f" {OF_ESTIMATES[:1].upper()}{OF_ESTIMATES[1:]}." if is_early else ""
    return (
        f"{unit} Rank 3–7: 2 models are surely more robust, all but 7 are surely less, by the"
        " lowest robust accuracy found by us, by a third party or, beside it, by a stronger"
        f" attack.{rule}"
    )


def _filters(rows: Sequence[BoardRow]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    activations = sorted({row.activation for row in rows if row.activation})
    families = sorted({architecture_family(row.architecture) for row in rows} - {""})
    has_size = any(row.parameters for row in rows)
    extra = {row.extra_data for row in rows}
    said = {True: ("yes", "yes"), False: ("no", "no"), None: (DASH, "not stated")}
    found = {by(it, number) for row in rows for it, number in row.numbers.items()}
    return [
        ("architecture", "Architecture", [(name, name) for name in families]),
        ("activation", "Activation", [(name, name) for name in activations]),
        ("size", "Parameters", list(SIZES) if has_size else []),
        ("extra", "Extra data", [said[it] for it in said if it in extra]),
        ("by", "Who measured", [(key, text) for key, text in BY.items() if key in found]),
    ]


def _numbers(row: BoardRow) -> str:
    said = []
    for it in columns_by_attack([row]):
        found = row.numbers[it]
        said.append(f"{title(it.key)} {percent(found.accuracy)} ({WHOSE[it.source]}{mark(found)})")
    return "; ".join(said) or DASH
