"""What one line of a table holds: everything known about one model under one threat model.

Three kinds of numbers stand in three places and are never mixed: `robust` was measured by us and
comes from a Report, `third_party` was measured by others, `claimed` is what the authors say.
Accuracies are fractions in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eval.report.flag_codes import costs_rank
from eval.report.report import Flag, Report
from leaderboard.columns import CLEAN, SOURCES, Column, Source
from leaderboard.published import Published
from zoo.cards import ModelCard


@dataclass(frozen=True)
class Measured:
    """An accuracy that we measured, with its 95 % Wilson interval; it comes from `report_path`."""

    accuracy: float
    low: float
    high: float
    n: int
    correct: int
    report_path: Path


@dataclass(frozen=True)
class Claimed:
    """An accuracy that somebody published.

    best_known: what a stronger evaluation by somebody else found. low, high: 95 % Wilson interval
    of `believed`, None where the source does not say how many images, n, it counted. run_as: our
    protocol that does what the source did, where its name is another.
    """

    accuracy: float
    source: str
    note: str | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    best_known: float | None = None
    run_as: str | None = None

    @property
    def believed(self) -> float:
        """The smaller of the two."""
        return self.accuracy if self.best_known is None else min(self.accuracy, self.best_known)


@dataclass(frozen=True)
class Check:
    """Measured minus claimed, under one protocol: does the claim lie inside our interval?

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
    rank_group: 1 is best; intervals of one group overlap that of its best, see
    `leaderboard.stats.rank_groups`; None: not ranked, and `unranked` says why.
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
    rank_group: int | None = None
    unranked: str | None = None
    excluded: str | None = None

    @property
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

    @property
    def doubts(self) -> tuple[str, ...]:
        """The codes of the flags that cost it its rank, sorted; other flags are notes."""
        return tuple(sorted({flag.code for flag in self.flags if costs_rank(flag.code)}))

    @property
    def link(self) -> str | None:
        """Where its paper is; http or https always."""
        return self.published.link if self.published else None
