"""Tables: one for each data set, norm, eps and choice of images, which are never mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboard.columns import AUTOATTACK, CLEAN, family
from leaderboard.join import join
from leaderboard.places import NOT_COUNTED, Place, slug, unique
from leaderboard.results import RESULTS, Refused
from leaderboard.rows import BoardRow, Claimed, Measured, precedence
from leaderboard.stats import Interval, group_beside, rank_groups, share_beside

__all__ = ["RESULTS", "Board", "Leaderboard", "Refused", "boards", "leaderboard"]


@dataclass(frozen=True)
class Board:
    """One table.

    key: url-safe and unique. eps: as text, "8/255". subset_key: url-safe, "full" for the whole test
    set; subset: the same in words. ranked_by: the attack whose accuracies `BoardRow.rank_group`
    ranks, "AutoAttack" or "PGD-50", or None if nothing is ranked. rows: best first. excluded: not
    in the table, each with its reason.
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


@dataclass(frozen=True)
class Leaderboard:
    """Everything: the boards, and the files that could not be used."""

    boards: tuple[Board, ...]
    refused: tuple[Refused, ...]


def leaderboard(results: Sequence[Path] = (RESULTS,)) -> Leaderboard:
    """Join the Reports in `results` (folders or files), the cards and the published numbers.

    Raises `UsageError` for a path that does not exist.
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


def boards(results: Sequence[Path] = (RESULTS,)) -> tuple[Board, ...]:
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


def _board(place: Place, key: str, rows: Sequence[BoardRow]) -> Board:
    shown = [row for row in rows if row.excluded is None]
    attack = _ranked_by(shown)
    ranked, claimed = _ranked(shown, attack), _most_claimed(shown)
    return Board(
        dataset=place.dataset,
        norm=place.norm,
        eps=place.eps,
        subset_key=place.subset.key,
        subset=place.subset.text,
        key=key,
        rows=_in_order(ranked, attack, claimed),
        excluded=tuple(sorted((r for r in rows if r.excluded), key=lambda row: row.model)),
        ranked_by=attack if any(row.rank_group for row in ranked) else None,
    )


def _ranking_number(row: BoardRow, attack: str) -> Measured | Claimed | None:
    """The number of a row for an attack that ranks: measured by us, else by a third party."""
    ours = sorted(key for key in row.robust if family(key) == attack)
    if ours:
        return row.robust[min(ours, key=lambda key: precedence(key, row.robust[key]))]
    theirs = [claimed for key, claimed in row.third_party.items() if family(key) == attack]
    return theirs[0] if theirs else None


def _ranked_by(rows: Sequence[BoardRow]) -> str | None:
    """AutoAttack where anybody ran it, else the attack with most numbers that can be ranked."""
    counts = Counter(
        attack
        for row in rows
        for attack in {family(key) for key in (*row.robust, *row.third_party)} - {CLEAN}
    )
    if not counts or AUTOATTACK in counts:
        return AUTOATTACK if counts else None
    return max(counts, key=lambda attack: (counts[attack], attack))


def _ranked(rows: Sequence[BoardRow], attack: str | None) -> list[BoardRow]:
    intervals: dict[int, Interval] = {}
    estimates: dict[int, Interval] = {}
    reasons: dict[int, str] = {}
    for i, row in enumerate(rows):
        found = _ranking_number(row, attack) if attack else None
        if row.doubts:
            reasons[i] = f"flagged: {', '.join(row.doubts)}"
        elif found is None:
            reasons[i] = f"no {attack or 'robust'} accuracy measured by anybody but its authors"
        elif found.low is None or found.high is None:
            reasons[i] = "its source does not say how many images it counted"
        else:
            (estimates if _is_estimate(found) else intervals)[i] = (found.low, found.high)
    exact = list(intervals.values())
    groups = dict(zip(intervals, rank_groups(exact), strict=True))
    for i, interval in estimates.items():
        if exact:
            groups[i] = group_beside(interval, exact)
        else:
            reasons[i] = "estimated, and no exact number stands here to rank it by"
    return [
        replace(row, rank_group=groups.get(i), unranked=reasons.get(i))
        for i, row in enumerate(rows)
    ]


def _in_order(
    rows: Sequence[BoardRow], attack: str | None, claimed: str | None
) -> tuple[BoardRow, ...]:
    """Best first by the attack that ranks; then by claims of one attack; then by clean accuracy.

    An estimate stands below every exact number that it overlaps.
    """
    ranking = [_ranking_number(row, attack) if attack else None for row in rows]
    exact = [(_share(it), _interval(it)) for it in ranking if it and not _is_estimate(it)]

    def key(row: BoardRow) -> tuple[int, float, bool, float, str]:
        found = _ranking_number(row, attack) if attack else None
        if found is not None:
            share = _share(found)
            if not _is_estimate(found):
                return (0, -share, False, 0.0, row.model)
            return (0, -share_beside(share, _interval(found), exact), True, -share, row.model)
        for column, claim in row.claimed.items():
            if family(column) == claimed:
                return (1, -claim.believed, False, 0.0, row.model)
        clean = row.clean or row.claimed.get(CLEAN)
        return (2, -clean.accuracy if clean else 0.0, False, 0.0, row.model)

    return tuple(sorted(rows, key=key))


def _is_estimate(found: Measured | Claimed) -> bool:
    return isinstance(found, Measured) and found.estimated is not None


def _share(found: Measured | Claimed) -> float:
    return found.accuracy if isinstance(found, Measured) else found.believed


def _interval(found: Measured | Claimed) -> Interval:
    """Of a claim that has none, the number itself."""
    if found.low is None or found.high is None:
        return _share(found), _share(found)
    return found.low, found.high


def _most_claimed(rows: Sequence[BoardRow]) -> str | None:
    """The attack, not clean accuracy, with most claims."""
    counts = Counter(family(key) for row in rows for key in row.claimed if key != CLEAN)
    return max(counts, key=lambda attack: (counts[attack], attack)) if counts else None


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
