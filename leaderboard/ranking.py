"""Which number ranks the rows of a table, in which groups, and in which order they stand.

Exact numbers are ranked among themselves. An estimate changes no rank: its group is never better
than that of an exact number whose interval it overlaps, and its row stands below every such one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from leaderboard.columns import AUTOATTACK, CLEAN, family
from leaderboard.rows import BoardRow, Claimed, Measured, precedence
from leaderboard.stats import Interval, group_beside, rank_groups, share_beside


def _ranking_number(row: BoardRow, attack: str) -> Measured | Claimed | None:
    """The number of a row for an attack that ranks: measured by us, else by a third party."""
    ours = sorted(key for key in row.robust if family(key) == attack)
    if ours:
        return row.robust[min(ours, key=lambda key: precedence(key, row.robust[key]))]
    theirs = [claimed for key, claimed in row.third_party.items() if family(key) == attack]
    return theirs[0] if theirs else None


def ranked_by(rows: Sequence[BoardRow]) -> str | None:
    """AutoAttack where anybody ran it, else the attack with most numbers that can be ranked.

    Estimates have no say where a number is exact: they change no rank.
    """
    exact, early = Counter[str](), Counter[str]()
    for row in rows:
        theirs = {family(key) for key in row.third_party}
        ours = {family(key) for key, found in row.robust.items() if found.estimated is None}
        exact.update((ours | theirs) - {CLEAN})
        early.update({family(key) for key in row.robust})
    counts = exact or early
    if not counts or AUTOATTACK in counts:
        return AUTOATTACK if counts else None
    return max(counts, key=lambda attack: (counts[attack], *_usual(attack)))


def _usual(attack: str) -> tuple[bool, str]:
    """Sorts attacks that as many ran: last the one by its own steps, of PGD that with most."""
    return " step " not in attack, re.sub(r"\d+", lambda number: number[0].zfill(9), attack)


def ranked(rows: Sequence[BoardRow], attack: str | None) -> list[BoardRow]:
    """The rows with their groups by `attack`, or why they have none."""
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


def in_order(
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


def most_claimed(rows: Sequence[BoardRow]) -> str | None:
    """The attack, not clean accuracy, with most claims."""
    counts = Counter(family(key) for row in rows for key in row.claimed if key != CLEAN)
    return max(counts, key=lambda attack: (counts[attack], attack)) if counts else None


def _is_estimate(found: Measured | Claimed) -> bool:
    return isinstance(found, Measured) and found.estimated is not None


def _share(found: Measured | Claimed) -> float:
    return found.accuracy if isinstance(found, Measured) else found.believed


def _interval(found: Measured | Claimed) -> Interval:
    """Of a claim that has none, the number itself."""
    if found.low is None or found.high is None:
        return _share(found), _share(found)
    return found.low, found.high
