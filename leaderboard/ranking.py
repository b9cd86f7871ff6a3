"""Which number ranks the rows of a table, which ranks they may have, and their order.

A row is ranked by its best known robust accuracy, if anybody but its authors ran the attack that
ranks the table, by the hyper-parameters that rank it: what only a weaker attack found would stand
too high, and what a stronger one found beside it can only lower it. An estimate is the best known
number of its row where it cannot end at or above an exact one of that row (`BestKnown.bound`).
Exact numbers are ranked among themselves. An estimate changes no rank of theirs, and its row stands
below every such one whose interval it overlaps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from eval.fingerprint import short
from leaderboard.columns import AUTOATTACK, CLEAN, family, is_stated, named_family
from leaderboard.numbers import BestKnown, Claimed, Measured
from leaderboard.rows import BoardRow
from leaderboard.stats import RankRange, rank_beside, ranks, share_beside


def ranked_by(rows: Sequence[BoardRow]) -> str | None:
    """AutoAttack where anybody ran it, else the attack with most numbers that can be ranked.

    Estimates have no say where a number is exact: they change no rank.
    """
    exact, early = Counter[str](), Counter[str]()
    for row in rows:
        theirs = {family(key) for key in row.third_party if is_stated(key)}
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


def ranking_fingerprint(rows: Sequence[BoardRow], attack: str | None) -> str | None:
    """The hyper-parameters that rank the table: those by which most numbers of `attack` were found.

    See `eval.fingerprint.deciding`. None where nobody states any, or nothing is ranked.
    """
    found = [it for row in rows for key, it in _found(row) if family(key) == attack]
    exact = [it for it in found if not (isinstance(it, Measured) and it.estimated)]
    counts = Counter(it.ranks_by for it in exact or found if it.ranks_by is not None)
    return max(counts, key=lambda one: (counts[one], one), default=None)


def ranked(rows: Sequence[BoardRow], attack: str | None) -> list[BoardRow]:
    """The rows with their ranks, or why they have none; attack: the one that ranks."""
    main = ranking_fingerprint(rows, attack)
    reasons = {i: why for i, row in enumerate(rows) if (why := _why_not(row, attack, main))}
    found = {i: best for i, row in enumerate(rows) if i not in reasons and (best := row.best)}
    exact = {i: _counted(best) for i, best in found.items() if not best.is_estimated}
    given: dict[int, RankRange] = dict(zip(exact, ranks(list(exact.values())), strict=True))
    for i, best in found.items():
        number = best.number
        if not best.is_estimated or number.interval is None:
            continue
        if exact:
            given[i] = rank_beside(number.accuracy, number.interval, list(exact.values()))
        else:
            reasons[i] = "estimated, and no exact number stands here to rank it by"
    return [replace(row, rank=given.get(i), unranked=reasons.get(i)) for i, row in enumerate(rows)]


def _why_not(row: BoardRow, attack: str | None, main: str | None) -> str | None:
    if row.doubts:
        return f"flagged: {', '.join(row.doubts)}"
    if row.best is None or not _has(row, attack, main):
        return _not_by_it(row, attack, main)
    if row.best.number.n is None:
        return "its source does not say how many images it counted"
    return None


def _not_by_it(row: BoardRow, attack: str | None, main: str | None) -> str:
    """Why nothing that a row has was found by the attack that ranks, by hyper-parameters `main`."""
    bare = named_family(attack or "")
    others = [it.ranks_by for key, it in _found(row) if bare in {named_family(key), family(key)}]
    if others and main is not None:
        here = " and ".join(dict.fromkeys(short(one) if one else "not published" for one in others))
        return (
            f"its {bare} is of other hyper-parameters, {here}, than those that rank here,"
            f" {short(main)}: not comparable"
        )
    if others or (row.best and not is_stated(row.best.column.key)):
        bare = named_family(row.best.column.key) if row.best else bare
        return f"the hyper-parameters of its {bare} are not published: not comparable"
    return f"no {attack or 'robust'} accuracy measured by anybody but its authors"


def _found(row: BoardRow) -> Iterator[tuple[str, Measured | Claimed]]:
    """What anybody but the authors found, with its column."""
    yield from row.third_party.items()
    yield from row.robust.items()


def _has(row: BoardRow, attack: str | None, main: str | None) -> bool:
    """Whether anybody but the authors ran the attack that ranks, by the hyper-parameters `main`."""
    return any(it.ranks_by == main for key, it in _found(row) if family(key) == attack)


def _counted(best: BestKnown) -> tuple[float, int]:
    return best.number.accuracy, best.number.n or 0


def in_order(
    rows: Sequence[BoardRow], attack: str | None, claimed: str | None
) -> tuple[BoardRow, ...]:
    """Best known first; below, rows without the attack that ranks; then by claims; then by clean.

    attack: the one that ranks. claimed: that of the claims. An estimate stands below every exact
    number that it overlaps.
    """
    main = ranking_fingerprint(rows, attack)
    here = [row.best for row in rows if row.best and _has(row, attack, main)]
    exact = [
        (best.number.accuracy, best.number.interval or (best.number.accuracy,) * 2)
        for best in here
        if not best.is_estimated
    ]

    def key(row: BoardRow) -> tuple[int, float, bool, float, str]:
        best = row.best
        if best is not None:
            share, interval = best.number.accuracy, best.number.interval
            if not _has(row, attack, main):
                return (1, -share, False, 0.0, row.model)
            if not best.is_estimated or interval is None:
                return (0, -share, False, 0.0, row.model)
            return (0, -share_beside(share, interval, exact), True, -share, row.model)
        for column, claim in row.claimed.items():
            if family(column) == claimed:
                return (2, -claim.believed.accuracy, False, 0.0, row.model)
        clean = row.clean or row.claimed.get(CLEAN)
        return (3, -clean.accuracy if clean else 0.0, False, 0.0, row.model)

    return tuple(sorted(rows, key=key))


def most_claimed(rows: Sequence[BoardRow]) -> str | None:
    """The attack, not clean accuracy, with most claims."""
    counts = Counter(family(key) for row in rows for key in row.claimed if key != CLEAN)
    return max(counts, key=lambda attack: (counts[attack], attack)) if counts else None
