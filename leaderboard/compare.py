"""Two reports on the same images: which images one model holds and the other loses."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from eval.errors import ReportError, UsageError
from eval.files.border import is_file
from eval.files.paths import AnyPath, path_of
from eval.report.report import OPEN, Images, Report
from eval.report.words import attack_id
from leaderboard.columns import column, differing
from leaderboard.drawn import OnAll, early_notes, on_all, sample
from leaderboard.flagged import why_other_pixels
from leaderboard.folders import by_name
from leaderboard.places import same_eps
from leaderboard.results import read_report
from leaderboard.stats import Paired
from leaderboard.twins import holds


@dataclass(frozen=True)
class ClassRow:
    """Images of one class: how many there are, and how many A, B, only A and only B hold."""

    label: int
    n: int
    a: int
    b: int
    only_a: int
    only_b: int


@dataclass(frozen=True)
class ReportComparison:
    """A against B on the same images; held means right after all stages.

    Where A or B attacked nothing there is no robust accuracy to compare: `robust` is None, and held
    means right without an attack, for both; so it is where either settled too few images.

    Where a run ended early, held is compared on the images that can stand for all, see
    `leaderboard.drawn.sample`, of those that are settled in both: everything but `clean` is of
    these. n_settled: settled in both; n_open: open in A or B. on_all: what is known of the
    difference on all images; None where no run ended early.

    a, b: name, protocol and engine of each. kept_by_a_only and the like: ids in the order of A.
    robust, clean: the paired counts. lost_by_b: of the images that only A keeps, how many each of
    B's verdicts took ("clean": wrong without an attack); lost_by_a the other way round. notes: what
    else differs between the reports, so that the difference is not of the models alone. differing:
    see `leaderboard.columns.differing`: where there are any, the two robust accuracies are of two
    attacks, and tell nothing of the models alone.
    """

    a: str
    b: str
    kept_by_a_only: tuple[str, ...]
    kept_by_b_only: tuple[str, ...]
    both: tuple[str, ...]
    neither: tuple[str, ...]
    robust: Paired | None
    clean: Paired
    classes: tuple[ClassRow, ...]
    lost_by_a: Mapping[str, int]
    lost_by_b: Mapping[str, int]
    n_settled: int
    n_open: int
    on_all: OnAll | None = None
    notes: tuple[str, ...] = field(default=())
    differing: tuple[str, ...] = field(default=())

    @property
    def is_comparable(self) -> bool:
        """Whether both robust accuracies were found by the same hyper-parameters."""
        return self.held == "clean" or not self.differing

    @property
    def n(self) -> int:
        """Images on which `held` is compared."""
        return (self.robust or self.clean).n

    @property
    def held(self) -> Literal["robust", "clean"]:
        """Which accuracy the single images, classes and losses below are about."""
        return "clean" if self.robust is None else "robust"

    def to_dict(self) -> dict[str, Any]:
        """Everything, with intervals and p-values, for JSON."""
        return {
            "schema": "sat-zoo/comparison@1",
            "a": self.a,
            "b": self.b,
            "n": self.n,
            "n_images": self.clean.n,
            "n_settled": self.n_settled,
            "n_open": self.n_open,
            "held": self.held,
            "robust": _paired(self.robust) if self.robust else None,
            "robust_on_all": vars(self.on_all) if self.on_all else None,
            "clean": _paired(self.clean),
            "kept_by_a_only": self.kept_by_a_only,
            "kept_by_b_only": self.kept_by_b_only,
            "both": self.both,
            "neither": self.neither,
            "lost_by_a": self.lost_by_a,
            "lost_by_b": self.lost_by_b,
            "classes": [vars(row) for row in self.classes],
            "notes": self.notes,
            "comparable": self.is_comparable,
            "differing": self.differing,
        }


def _paired(paired: Paired) -> dict[str, Any]:
    return {
        **vars(paired),
        "difference": paired.difference,
        "ci95": paired.interval(),
        "mcnemar_exact_p": paired.p_value(),
    }


def compare(a: Report, b: Report) -> ReportComparison:
    """Compare two reports, image by image; of runs that ended early, see `ReportComparison`.

    Raises `ReportError` if they are not about the same images, labels and threat.
    """
    _check_threat(a, b)
    b = _in_order_of(a, b)
    among = sorted(sample(a) & sample(b))
    is_clean = a.robust is None or b.robust is None or not among
    if is_clean:
        among = list(range(len(a.images.ids)))
    held_a, held_b = (holds(report, clean=is_clean, among=among) for report in (a, b))
    pairs = list(zip((a.images.ids[i] for i in among), held_a, held_b, strict=True))
    by_a, by_b = ([report.images.verdicts[i] for i in among] for report in (a, b))
    verdicts = list(zip(held_a, held_b, by_a, by_b, strict=True))
    either = zip(a.images.verdicts, b.images.verdicts, strict=True)
    n_open = sum(OPEN in pair for pair in either)
    robust, known = None if is_clean else Paired.of(held_a, held_b), on_all(a, b)
    return ReportComparison(
        a=_name(a),
        b=_name(b),
        kept_by_a_only=tuple(i for i, in_a, in_b in pairs if in_a and not in_b),
        kept_by_b_only=tuple(i for i, in_a, in_b in pairs if in_b and not in_a),
        both=tuple(i for i, in_a, in_b in pairs if in_a and in_b),
        neither=tuple(i for i, in_a, in_b in pairs if not in_a and not in_b),
        robust=robust,
        clean=Paired.of(holds(a, clean=True), holds(b, clean=True)),
        classes=_classes([a.images.labels[i] for i in among], held_a, held_b),
        lost_by_a=Counter(by for in_a, in_b, by, _ in verdicts if in_b and not in_a),
        lost_by_b=Counter(by for in_a, in_b, _, by in verdicts if in_a and not in_b),
        n_settled=len(a.images.ids) - n_open,
        n_open=n_open,
        notes=(*early_notes(a, b, n_open, robust, known), *_notes(a, b)),
        on_all=known,
        differing=differing(a, b),
    )


def find_report(name: AnyPath) -> Report:
    """The report in the file `name`, or the stored one of that name: the package's or your own.

    Raises `UsageError` with the nearest names if there is none, and where both have one of that
    name; `ReportError` if it is broken.
    """
    path, name = path_of(name, "report"), os.fspath(name)
    if is_file(path):
        return read_report(path)
    bundled = by_name()
    found = bundled.get(name.removesuffix(".json"), ())
    if len(found) > 1:
        raise UsageError(
            f"report {name!r} is a result of the package and one of your own: name the file,"
            f" {' or '.join(map(str, found))}"
        )
    if found:
        return read_report(found[0])
    near = difflib.get_close_matches(name, bundled, n=3, cutoff=0.4)
    hint = f"name a file, or one of the {len(bundled)} results, as {min(bundled, default='none')}"
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    raise UsageError(f"report {name!r} is neither a file nor a result of the package: {hint}")


def _check_threat(a: Report, b: Report) -> None:
    threats = [(r.threat.norm, same_eps(r.threat.eps_text)) for r in (a, b)]
    if threats[0] != threats[1]:
        (norm_a, eps_a), (norm_b, eps_b) = threats
        raise ReportError(
            f"A is about {norm_a} eps {eps_a} and B about {norm_b} eps {eps_b}: only reports of one"
            " threat can be compared"
        )
    if a.data.name != b.data.name or a.data.split != b.data.split:
        raise ReportError(
            f"A is about {a.data.name} ({a.data.split}) and B about {b.data.name}"
            f" ({b.data.split}): only reports on the same images can be compared"
        )


def _in_order_of(a: Report, b: Report) -> Report:
    """B with its images in the order of A."""
    place = {one: i for i, one in enumerate(b.images.ids)}
    missing = [one for one in a.images.ids if one not in place]
    n_more = len(place) - (len(a.images.ids) - len(missing))
    if missing or n_more:
        raise ReportError(
            f"A and B are not about the same images: {len(missing)} ids are in A only and {n_more}"
            " in B only; evaluate both with the same --n or --ids"
        )
    order = [place[one] for one in a.images.ids]
    images = Images(
        ids=a.images.ids,
        labels=tuple(b.images.labels[i] for i in order),
        verdicts=tuple(b.images.verdicts[i] for i in order),
    )
    if images.labels != a.images.labels:
        wrong = next(i for i, label in enumerate(images.labels) if label != a.images.labels[i])
        raise ReportError(
            f"A gives image {images.ids[wrong]!r} the label {a.images.labels[wrong]} and B"
            f" {images.labels[wrong]}: their classes do not mean the same"
        )
    return b.model_copy(update={"images": images})


def _classes(labels: Sequence[int], a: list[bool], b: list[bool]) -> tuple[ClassRow, ...]:
    rows: dict[int, ClassRow] = {}
    for label, in_a, in_b in zip(labels, a, b, strict=True):
        row = rows.setdefault(label, ClassRow(label, 0, 0, 0, 0, 0))
        rows[label] = replace(
            row,
            n=row.n + 1,
            a=row.a + in_a,
            b=row.b + in_b,
            only_a=row.only_a + (in_a and not in_b),
            only_b=row.only_b + (in_b and not in_a),
        )
    return tuple(rows[label] for label in sorted(rows))


def _name(report: Report) -> str:
    return f"{report.model.name}, {attack_id(report)}, engine {report.engine.name}"


def _notes(a: Report, b: Report) -> tuple[str, ...]:
    notes = []
    unattacked = [name for name, report in (("A", a), ("B", b)) if report.robust is None]
    if unattacked:
        notes.append(
            f"{' and '.join(unattacked)} attacked nothing, so only accuracy without an attack is"
            " compared"
        )
    elif column(a) != column(b):
        notes.append(
            f"the attacks differ ({column(a)} and {column(b)}), so the difference is not of the"
            " models alone"
        )
    if not unattacked and (fields := differing(a, b)):
        notes.append(
            f"not comparable: the hyper-parameters differ, A being there: {'; '.join(fields)}"
        )
    if a.data.pixels_sha256 != b.data.pixels_sha256:
        notes.append(f"the same images, but not the same pixels: {why_other_pixels(a, b)}")
    if a.seed != b.seed:
        notes.append(f"the seeds differ ({a.seed} and {b.seed})")
    for which, report in (("A", a), ("B", b)):
        if report.flags:
            codes = ", ".join(sorted({flag.code for flag in report.flags}))
            notes.append(f"{which} is flagged: {codes}")
    return tuple(notes)
