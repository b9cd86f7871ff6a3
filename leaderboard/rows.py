"""What one line of a table holds: everything known about one model under one threat model.

Of the three kinds of numbers (`leaderboard.numbers`) each has a place of its own: `robust` was
measured and comes from a Report, `third_party` was measured by others, `claimed` is what the
authors say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from eval.report.flag_codes import costs_rank
from eval.report.report import Flag, Report
from leaderboard.columns import CLEAN, SOURCES, UNPUBLISHED, Column, Source, order
from leaderboard.numbers import BestKnown, Claimed, Measured
from leaderboard.published import Published
from leaderboard.stats import RankRange
from zoo.cards import ModelCard

SAT_YEAR = 2020
"""Of Smooth Adversarial Training, the paper of the zoo's official models."""


@dataclass(frozen=True)
class Check:
    """Measured minus claimed, under one protocol: does the claim lie inside its interval?

    protocol: the column of the claim. verdict, why: as `zoo.reproduce.judge` words them. counted:
    what our number counts, "all stages", or "last iterates" where the source counts those.
    """

    protocol: str
    measured: Measured
    claimed: Claimed
    difference: float
    inside: bool
    verdict: str
    why: str
    counted: str | None = None


@dataclass(frozen=True)
class BoardRow:
    """One model on one board.

    key: unique among all boards; model_key: one for each model, the same on every board; both of
    [a-z0-9-] only. model: its name, to be escaped: it may come from a stranger's file.
    robust, claimed, third_party: by column, see `leaderboard.columns`: "pgd-50", "autoattack",
    "autoattack-standard@1"; "clean" in the last two, while our own clean accuracy is `clean`.
    rank: the ranks it may have, see `leaderboard.ranking`; None: not ranked, and `unranked` says
    why.
    excluded: why it stands outside the table.
    """

    key: str
    model_key: str
    model: str
    card: ModelCard | None = None
    published: Published | None = None
    reports: tuple[Report, ...] = ()
    report_paths: tuple[Path, ...] = ()
    architecture: str | None = None
    activation: str | None = None
    parameters: int | None = None
    flops: int | None = None
    extra_data: bool | None = None
    clean: Measured | None = None
    robust: Mapping[str, Measured] = field(default_factory=dict)
    claimed: Mapping[str, Claimed] = field(default_factory=dict)
    third_party: Mapping[str, Claimed] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    flags: tuple[Flag, ...] = ()
    rank: RankRange | None = None
    unranked: str | None = None
    excluded: str | None = None

    @cached_property
    def numbers(self) -> Mapping[Column, Measured | Claimed]:
        """Every number of the row in its column: ours first, then of third parties, then claims."""
        ours = {CLEAN: self.clean, **self.robust} if self.clean else self.robust
        whose: Mapping[Source, Mapping[str, Measured | Claimed]] = {
            "measured": ours,
            "third-party": self.third_party,
            "claimed": self.claimed,
        }
        return {
            Column(source, key): found for source in SOURCES for key, found in whose[source].items()
        }

    def measured(self, column: str) -> Measured | None:
        """Our own number of that column, "clean" among them; None where there is none."""
        return self.clean if column == CLEAN else self.robust.get(column)

    @cached_property
    def best(self) -> BestKnown | None:
        """Its best known robust accuracy; None where only its authors say something of it."""
        found = []
        for it, number in self.numbers.items():
            if it.key == CLEAN or it.source == "claimed":
                continue
            found.append(BestKnown(number, it))
            if isinstance(number, Claimed) and number.best_known:
                found.append(
                    BestKnown(number.best_known, it, stronger=True, by_authors=number.by_authors)
                )
        return min(found, key=_lowest, default=None)

    @property
    def is_estimated(self) -> bool:
        """Whether any number of ours is an estimate."""
        return any(found.estimated for found in self.robust.values())

    @property
    def doubts(self) -> tuple[str, ...]:
        """The codes of the flags that cost it its rank, sorted; other flags are notes."""
        return tuple(sorted({flag.code for flag in self.flags if costs_rank(flag.code)}))

    @property
    def input_size(self) -> int | None:
        """Height and width of what it sees, in pixels; None where nobody says."""
        if self.card is not None:
            return self.card.input.size
        return self.published.input_size if self.published else None

    @property
    def year(self) -> int | None:
        """Of its paper; None where none is known."""
        if self.card is not None:
            return SAT_YEAR if self.card.official and self.card.name == self.model else None
        return self.published.year if self.published else None

    @property
    def link(self) -> str | None:
        """Where its paper is; http or https always."""
        return self.published.link if self.published else None


def _lowest(one: BestKnown) -> tuple[bool, float, bool, bool, tuple[int, int, str]]:
    """What somebody says how it was found first, then what cannot be higher than the others."""
    is_unknown = one.column.key.endswith(UNPUBLISHED)
    return is_unknown, one.bound, one.is_estimated, one.stronger, order(one.column.key)
