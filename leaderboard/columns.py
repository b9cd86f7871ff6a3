"""Which numbers may stand in one column: those of one attack, counted by one engine.

A column is keyed by a protocol's name as its source gives it: "pgd-50", "autoattack" (published),
"autoattack-standard@1" (a Report). Where a Report deviates from what the name says by default, the
key says it: "pgd-50 step 1/100", "autoattack-standard@1 reference". Reports of pgd-K from before
it had a fallback loss stand in its column, and of two the newer counts: where no gradient vanished
they are the same to the bit. A family is the attack itself, by whomever: numbers of different
families are never compared.

Whose number it is makes columns of their own: measured by us, by a third party, or claimed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from eval.report.report import Report
from eval.report.words import attack_of
from leaderboard.published import NOT_STATED

Source = Literal["measured", "third-party", "claimed"]
SOURCES: tuple[Source, ...] = ("measured", "third-party", "claimed")

CLEAN = "clean"
_FAMILIES = {
    "autoattack": "AutoAttack",
    "autoattack-standard": "AutoAttack",
    "autoattack-plus": "AutoAttack+",
    "autoattack-rand": "AutoAttack (rand)",
    "clean": "clean",
    "fgsm": "FGSM",
    "quick": "quick (upper bound)",
}
_STAGES = {
    "apgd-ce": "APGD-CE",
    "apgd-dlr": "APGD-DLR",
    "apgd-t": "APGD-T",
    "fab": "FAB",
    "fab-t": "FAB-T",
    "square": "Square",
    "fgsm": "FGSM",
}
AUTOATTACK = "AutoAttack"


@dataclass(frozen=True)
class Column:
    """Numbers of one attack from one kind of source."""

    source: Source
    key: str

    @property
    def title(self) -> str:
        """How tables head it: "measured AutoAttack", "claimed PGD-50"."""
        what = "attack not stated" if self.key == NOT_STATED else title(self.key)
        return f"{self.source} {what}"


def column(report: Report) -> str:
    """The column of a report's robust accuracy; "clean" if it attacked nothing."""
    key = attack_of(report)
    return f"{key} reference" if report.engine.name == "reference" and key != CLEAN else key


def family(column: str) -> str:
    """The attack of a column: AutoAttack, PGD-50, PGD-100 targeted ..."""
    name = column.removesuffix(" reference")
    bare = re.sub(r"@\d+$", "", name)
    known = _FAMILIES.get(bare)
    if known is not None:
        return known
    if bare in _STAGES:  # alone: a part of AutoAttack, and never its number
        return f"{_STAGES[bare]} alone"
    if bare.startswith("custom-"):
        stages = bare.removeprefix("custom-").split("+")
        return f"custom {' + '.join(_STAGES.get(one, _pgd(one)) for one in stages)}"
    # Counted and started another way than pgd-K, see `eval.protocols`: an attack of its own.
    return _pgd(re.sub(r"^pgd-sat-(\d+)(@\d+)?$", r"PGD-\1 (SAT code)", name))


def _pgd(name: str) -> str:
    return re.sub(r"^pgd-(\d+)", r"PGD-\1", name)


def title(column: str) -> str:
    """How a table heads the column."""
    if column == CLEAN:
        return "clean"
    engine = " (reference package)" if column.endswith(" reference") else ""
    version = re.search(r"@(\d+)", column)
    later = f" v{version[1]}" if version and version[1] != "1" else ""
    return f"{family(column)}{later}{engine}"


def order(column: str) -> tuple[int, int, str]:
    """Sorts columns: clean, AutoAttack and its kin, PGD from many steps to few, the rest."""
    name = family(column)
    steps = re.match(r"PGD-(\d+)", name)
    if steps:
        return (2, -int(steps[1]), column)
    return ({CLEAN: 0}.get(name, 1 if name.startswith(AUTOATTACK) else 3), 0, column)
