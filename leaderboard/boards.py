"""Tables: one for each data set, norm, eps and choice of images, which are never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from eval.files.paths import AnyPath
from leaderboard.columns import CLEAN
from leaderboard.join import join
from leaderboard.places import NOT_COUNTED, Place, slug, unique
from leaderboard.ranking import in_order, most_claimed, ranked, ranked_by, ranking_fingerprint
from leaderboard.results import RESULTS, Refused
from leaderboard.rows import BoardRow

__all__ = ["RESULTS", "Board", "Leaderboard", "Refused", "boards", "leaderboard"]


@dataclass(frozen=True)
class Board:
    """One table.

    key: url-safe and unique. eps: as text, "8/255". subset_key: url-safe, "full" for the whole test
    set; subset: the same in words. ranked_by: the attack that a row needs to
    be ranked, "AutoAttack" or "PGD-50", see `leaderboard.ranking`; None if nothing is ranked. rows:
    best first. excluded: not in the table, each with its reason. fingerprint: of the
    hyper-parameters that a row's number of that attack must be found by; None where none is stated.
    """

    dataset: str
    norm: str
    eps: str
    subset_key: str
    subset: str
    key: str
    rows: tuple[BoardRow, ...]
    excluded: tuple[BoardRow, ...]
    ranked_by: str | None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Leaderboard:
    """Everything: the boards, and the files that could not be used."""

    boards: tuple[Board, ...]
    refused: tuple[Refused, ...]


def leaderboard(results: AnyPath | Sequence[AnyPath] | None = None) -> Leaderboard:
    """Join the Reports in `results` (folders or files), the cards and the published numbers.

    results: None for those of `leaderboard.results.result_folders`. Raises `UsageError` for a path
    that does not exist.
    """
    joined = join(results)
    taken: set[str] = set()
    row_keys: set[str] = set()
    models: dict[str, str] = {}
    done = []
    for place in sorted(joined.rows, key=_order_of_places):
        wanted = slug(f"{place.dataset} {place.norm} {place.eps} {place.subset.key}")
        key = unique(wanted, repr(place), taken)
        done.append(_board(place, key, _keyed(joined.rows[place], key, row_keys, models)))
    return Leaderboard(tuple(done), joined.refused)


def boards(results: AnyPath | Sequence[AnyPath] | None = None) -> tuple[Board, ...]:
    """The boards alone."""
    return leaderboard(results).boards


def _keyed(
    rows: Iterable[BoardRow], board: str, taken: set[str], models: dict[str, str]
) -> list[BoardRow]:
    """The rows with keys that are unique: `taken` holds those of rows, `models` those of models.

    models: from the key of a model to its name.
    """
    done = []
    for row in rows:
        model_key = row.model_key
        if models.setdefault(model_key, row.model) != row.model:
            model_key = unique(model_key, row.model, {model_key})
            models[model_key] = row.model
        key = unique(f"{board}-{model_key}", row.model, taken)
        done.append(replace(row, key=key, model_key=model_key))
    return done


def _board(place: Place, key: str, every: Sequence[BoardRow]) -> Board:
    rows = _without_robust_numbers_apart(every)
    shown = [row for row in rows if row.excluded is None]
    attack = ranked_by(shown)
    grouped, claimed = ranked(shown, attack), most_claimed(shown)
    is_ranked = any(row.rank for row in grouped)
    return Board(
        dataset=place.dataset,
        norm=place.norm,
        eps=place.eps,
        subset_key=place.subset.key,
        subset=place.subset.text,
        key=key,
        rows=in_order(grouped, attack, claimed),
        excluded=tuple(sorted((r for r in rows if r.excluded), key=lambda row: row.model)),
        ranked_by=attack if is_ranked else None,
        fingerprint=ranking_fingerprint(shown, attack) if is_ranked else None,
    )


def _without_robust_numbers_apart(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Where some row has a robust number, those of which none is known stand outside the table."""
    empty = [not any(it.key != CLEAN for it in row.numbers) for row in rows]
    if all(empty):
        return list(rows)
    return [
        replace(row, excluded=row.excluded or "no robust accuracy of it is known here, only clean")
        if is_empty
        else row
        for row, is_empty in zip(rows, empty, strict=True)
    ]


def _order_of_places(place: Place) -> tuple[str, bool, str, str, bool, bool, str]:
    return (
        place.dataset,
        place.norm != "Linf",
        place.norm,
        place.eps,
        place.subset.key != "full",
        place.subset == NOT_COUNTED,
        place.subset.key,
    )
