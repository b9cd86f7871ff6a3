"""What a Report says of protocols that we know, compared with what they are; data sets by size."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from eval.errors import ReportError, UsageError
from eval.files.border import plain
from eval.fingerprint import differences
from eval.foreign import as_typed
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

TITLES = {
    "cifar10": "CIFAR-10",
    "cifar10-jpeg": "CIFAR-10, JPEG copy",
    "cifar100": "CIFAR-100",
    "digits": "Digits",
    "imagenet": "ImageNet",
}
"""How people call the data sets."""


def spelling(name: str) -> str:
    """Its letters and digits, lower-cased: equal for names that a reader takes for the same."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in text if sign.isalnum())


def known_name(dataset: str) -> str | None:
    """The key of the data set that this name reads as; None where it reads as none that we know."""
    named = {spelling(title): key for key, title in TITLES.items()}
    named |= {spelling(key): key for key in (*FULL, "imagenet-partial")}
    return named.get(spelling(dataset))


def check_protocol(report: Report) -> None:
    """Raises `ReportError`, without the file's name, for stages that are not those of the name.

    Also for an unknown name: nothing says what it promises.
    """
    stages = as_typed(report.protocol.stages)
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
    typed = as_typed(wanted.stages)
    known = (typed, without_fallback(typed))
    if stages == known[1] != known[0] and report.threat.norm == "L2":
        raise ReportError(
            f"its steps of {name!r} in L2 were made when small gradients counted as none: evaluate"
            " again"
        )
    if wanted.name != report.protocol.name or stages not in known:
        differ = differences(typed, stages) or (f"it is called {wanted.name}",)
        raise ReportError(
            f"its stages are not those of protocol {name!r}, so its number is of another attack"
            f" ({plain('; '.join(differ), 400)}): give that one its own name and version"
        )


def official_ids(dataset: str, n: int) -> Sequence[str] | None:
    """The ids of the first n images in official order; None where we do not know them here."""
    if dataset in {"cifar10", "cifar10-jpeg"}:
        return [str(i) for i in range(n)]
    if dataset == "imagenet":
        return [f"ILSVRC2012_val_{i:08d}" for i in range(1, n + 1)]
    return None
