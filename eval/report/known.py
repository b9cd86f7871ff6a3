"""What a Report says of protocols and data sets that we know, compared with what they are."""

from __future__ import annotations

from collections.abc import Sequence

from eval.errors import ReportError, UsageError
from eval.files.border import plain
from eval.protocols import protocol, without_fallback
from eval.report.report import Report

FULL = {
    "digits": 360,
    "cifar10": 10_000,
    "cifar10-jpeg": 10_000,
    "cifar100": 10_000,
    "imagenet": 50_000,
}
"""Images of the whole test set."""


def check_protocol(report: Report) -> None:
    """Raises `ReportError`, without the file's name, for stages that are not those of the name.

    Also for an unknown name: nothing says what it promises.
    """
    stages = report.protocol.stages
    # What may be chosen of pgd-K may not of a list that holds it, and of any attack that is no PGD.
    pgd = stages[0] if len(stages) == 1 and stages[0].attack == "pgd" else None
    step_size, last_iterate = (pgd.step_size, pgd.last_iterate) if pgd else (None, False)
    name = plain(report.protocol.name)
    try:
        wanted = protocol(report.protocol.name, step_size=step_size, last_iterate=last_iterate)
    except UsageError as error:
        raise ReportError(f"its protocol is unknown: {error}") from error
    # Made before gradients that vanish had a fallback: where none vanished, the same attack to the
    # bit. In L2 the step itself could vanish then, unseen, so those numbers are none.
    known = (wanted.stages, without_fallback(wanted.stages))
    if stages == known[1] != known[0] and report.threat.norm == "L2":
        raise ReportError(
            f"its steps of {name!r} in L2 were made when small gradients counted as none: evaluate"
            " again"
        )
    if wanted.name != report.protocol.name or stages not in known:
        raise ReportError(
            f"its stages are not those of protocol {name!r}, so its number is of another attack:"
            " give that one its own name and version"
        )


def check_images(report: Report) -> None:
    """Raises `ReportError`, without the file's name, for images that a data set does not have."""
    data = report.data
    n_whole = FULL.get(data.name)
    if n_whole is not None and data.split in {"test", "val"} and data.n > n_whole:
        raise ReportError(f"data.n is {data.n}, but {data.name} has {n_whole} images")
    official = official_ids(data.name, data.n) if data.official_subset else None
    if official is not None and list(report.images.ids) != list(official):
        raise ReportError(
            f"data.official_subset is true, but the ids are not those of the first {data.n} images"
            f" of {data.name}"
        )


def official_ids(dataset: str, n: int) -> Sequence[str] | None:
    """The ids of the first n images in official order; None where we do not know them here."""
    if dataset in {"cifar10", "cifar10-jpeg"}:
        return [str(i) for i in range(n)]
    if dataset == "imagenet":
        return [f"ILSVRC2012_val_{i:08d}" for i in range(1, n + 1)]
    return None
