"""An accuracy with what belongs to it: its images, its interval, and who found it.

Three kinds of numbers are never mixed: what a Report says was measured, what others measured of a
model is a third party's, and what its authors say is claimed. Accuracies are fractions in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.fingerprint import fingerprint
from eval.intervals import wilson
from eval.report.report import OPEN, Accuracy, Report
from leaderboard.columns import Column, Source, comparable
from leaderboard.origins import NOBODY, Who, Whose

Interval = tuple[float, float]


@dataclass(frozen=True)
class Number:
    """An accuracy, in [0, 1], with the images it was counted on and the interval that these give.

    The interval is a property of the number, so that none can stand beside another's. n: None where
    the source does not say how many images it counted, which leaves the interval unknown too.
    """

    accuracy: float
    n: int | None = None

    @property
    def interval(self) -> Interval | None:
        """(low, high), 95 %, for the distribution that the images came from: Wilson's."""
        return None if self.n is None else wilson(round(self.accuracy * self.n), self.n)

    @property
    def low(self) -> float | None:
        """The lower end of its interval."""
        return self.interval[0] if self.interval else None

    @property
    def high(self) -> float | None:
        """The upper end of its interval."""
        return self.interval[1] if self.interval else None


@dataclass(frozen=True)
class Estimated:
    """What makes a number an estimate: its run ended before all of its images were settled.

    n_open: those that are not. interval: as of `Number`, which here covers the open ones too.
    full_run: what the whole run would find on these very images, sure to 95 %; (low, high) in
    [0, 1].
    """

    n_open: int
    interval: Interval
    full_run: Interval


@dataclass(frozen=True, kw_only=True)
class Measured(Number):
    """An accuracy that comes from the Report at `report_path`.

    correct: of the n images; None of an estimate, which counts no such number. estimated: None
    where all images are settled. origin, reran: who measured it, see `leaderboard.origins`.
    fingerprint: of the Report's protocol; ranks_by: see `leaderboard.columns.comparable`; both None
    of clean accuracy.
    """

    n: int
    correct: int | None
    report_path: Path
    estimated: Estimated | None = None
    origin: Who = "unknown"
    reran: bool = False
    fingerprint: str | None = None
    ranks_by: str | None = None

    @property
    def interval(self) -> Interval:
        """(low, high), 95 %: Wilson's, or that of the estimate."""
        if self.estimated is not None:
            return self.estimated.interval
        return wilson(round(self.accuracy * self.n), self.n)

    @property
    def low(self) -> float:
        """The lower end of its interval."""
        return self.interval[0]

    @property
    def high(self) -> float:
        """The upper end of its interval."""
        return self.interval[1]

    @classmethod
    def of(
        cls,
        share: Accuracy,
        report: Report,
        path: Path,
        full_run: Interval | None,
        origin: Whose = NOBODY,
    ) -> Measured:
        """`share`, an accuracy of `report`; full_run: what belongs to it, None where it is exact.

        Raises `ValueError` where an estimate comes without it.
        """
        estimated = None
        if share.estimated:
            if full_run is None:
                raise ValueError(f"{path}: an estimate without what the whole run would find")
            low, high = share.ci95
            n_open = report.images.verdicts.count(OPEN)
            estimated = Estimated(n_open, (low, high), full_run)
        correct = None if estimated else share.correct
        is_clean = share is report.clean
        return cls(
            share.accuracy,
            n=share.n,
            correct=correct,
            report_path=path,
            estimated=estimated,
            origin=origin.who,
            reran=origin.reran,
            fingerprint=None if is_clean else fingerprint(report.protocol.stages),
            ranks_by=None if is_clean else comparable(report),
        )


def precedence(column: str, found: Measured) -> tuple[bool, bool]:
    """Of our numbers of one attack the smallest counts: exact before estimated, then our engine."""
    return found.estimated is not None, column.endswith(" reference")


@dataclass(frozen=True, kw_only=True)
class Claimed(Number):
    """An accuracy that somebody published.

    best_known: what a stronger evaluation found, where that is lower; by_authors: whether it is
    theirs. run_as: our protocol that does what the source did, where its name is another.
    fingerprint: of the hyper-parameters of the source; None where it does not publish them all.
    """

    source: str
    note: str | None = None
    best_known: Number | None = None
    by_authors: bool = False
    run_as: str | None = None
    fingerprint: str | None = None

    @property
    def ranks_by(self) -> str | None:
        """The fingerprint that its number is ranked by."""
        return self.fingerprint

    def __post_init__(self) -> None:
        if self.best_known is not None and self.best_known.accuracy >= self.accuracy:
            raise ValueError(
                f"best_known is {self.best_known.accuracy}, which is not below {self.accuracy}"
            )

    @property
    def believed(self) -> Number:
        """The smaller of the two, with its own interval."""
        return self.best_known or self


@dataclass(frozen=True)
class BestKnown:
    """The lowest robust accuracy that was found for a model on one board, claims left out.

    It is its authors' only where a third party attacked the model too, and a stronger attack of
    theirs broke more images, which speaks against them.

    Every attack gives an upper bound of the robust accuracy, so that the lowest is the best known:
    an estimate only where all that it leaves possible is below every exact number.
    column: where it stands. stronger: it is not the number of that column but of a stronger
    evaluation that the source of that number tells of; by_authors: which its authors made.
    """

    number: Number
    column: Column
    stronger: bool = False
    by_authors: bool = False

    @property
    def whose(self) -> Source:
        """Whose number it is: of its authors' own stronger attack, theirs."""
        return "claimed" if self.by_authors else self.column.source

    @property
    def is_estimated(self) -> bool:
        """Whether the run ended before all images were settled."""
        return isinstance(self.number, Measured) and self.number.estimated is not None

    @property
    def bound(self) -> float:
        """What the whole run can find at most on these very images; of an exact number, itself.

        Not the upper end of its interval, which speaks of other images too.
        """
        if isinstance(self.number, Measured) and self.number.estimated is not None:
            return self.number.estimated.full_run[1]
        return self.number.accuracy
