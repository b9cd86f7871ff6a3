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
from eval.report.report import OPEN, Accuracy, Flag, Report
from leaderboard.columns import CLEAN, SOURCES, Column, Source
from leaderboard.published import Published
from zoo.cards import ModelCard


@dataclass(frozen=True)
class Estimated:
    """What makes a number an estimate: its run ended before all of its images were settled.

    n_open: those that are not. full_run: what the whole run would find on these very images, sure
    to 95 %; (low, high) in [0, 1].
    """

    n_open: int
    full_run: tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """An accuracy that we measured; it comes from `report_path`.

    low, high: 95 % interval for the distribution of the images, Wilson's where all are settled.
    correct: of the n images; None of an estimate, which counts no such number. estimated: None
    where all images are settled.
    """

    accuracy: float
    low: float
    high: float
    n: int
    correct: int | None
    report_path: Path
    estimated: Estimated | None = None

    @classmethod
    def of(
        cls, share: Accuracy, report: Report, path: Path, full_run: tuple[float, float] | None
    ) -> Measured:
        """`share`, an accuracy of `report`; full_run: what belongs to it, None where it is exact.

        Raises `ValueError` where an estimate comes without it.
        """
        estimated = None
        if share.estimated:
            if full_run is None:
                raise ValueError(f"{path}: an estimate without what the whole run would find")
            estimated = Estimated(report.images.verdicts.count(OPEN), full_run)
        low, high = share.ci95
        correct = None if estimated else share.correct
        return cls(share.accuracy, low, high, share.n, correct, path, estimated)


def precedence(column: str, found: Measured) -> tuple[bool, bool]:
    """Of our numbers of one attack the smallest counts: exact before estimated, then our engine."""
    return found.estimated is not None, column.endswith(" reference")


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
    `leaderboard.stats.rank_groups`; that of an estimate is `group_beside` there; None: not ranked,
    and `unranked` says why.
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
    def is_estimated(self) -> bool:
        """Whether any number of ours is an estimate."""
        return any(found.estimated for found in self.robust.values())

    @property
    def doubts(self) -> tuple[str, ...]:
        """The codes of the flags that cost it its rank, sorted; other flags are notes."""
        return tuple(sorted({flag.code for flag in self.flags if costs_rank(flag.code)}))

    @property
    def link(self) -> str | None:
        """Where its paper is; http or https always."""
        return self.published.link if self.published else None
