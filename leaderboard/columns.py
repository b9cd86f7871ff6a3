"""Which numbers may stand in one column: those of one attack, counted by one engine.

A column is keyed by a protocol's name as its source gives it: "pgd-50", "autoattack" (published),
"autoattack-standard@1" (a Report). Where a Report deviates from what the name says by default, the
key says it: "pgd-50 step 1/100", "autoattack-standard@1 reference", "pgd-50 no fallback" (Reports
from before it had a fallback loss). Whatever else is not of the hyper-parameters that this package
has under the name, an attack of another package first of all, has its fingerprint in the key:
"corner-7 #3f2a90c1b2d4"; what a third party measured by hyper-parameters that its source does not
publish says that. A family is the attack itself, by whomever: numbers of different families are
never compared, and those of one family have one fingerprint, see `eval.fingerprint.deciding`.

Whose number it is makes columns of their own: measured, by a third party, or claimed. One column
more, `BEST`, repeats the lowest robust one of the first two, whatever its attack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from eval.attacks.registry import own_names
from eval.errors import UsageError
from eval.fingerprint import SHOWN, deciding, differences, fingerprint, short
from eval.protocols import protocol, without_fallback
from eval.report.report import Report
from eval.report.words import attack_of
from leaderboard.published import NOT_STATED

Source = Literal["measured", "third-party", "claimed", "best-known"]
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
        if self.source == "best-known":
            return "robust (best known)"
        what = "attack not stated" if self.key == NOT_STATED else title(self.key)
        return f"{self.source} {what}"


BEST = Column("best-known", "best-known")
"""Of every row its `best`, see `leaderboard.numbers.BestKnown`."""


def column(report: Report) -> str:
    """The column of a report's robust accuracy; "clean" if it attacked nothing."""
    key = f"{attack_of(report)}{_apart(report)}"
    return f"{key} reference" if report.engine.name == "reference" and key != CLEAN else key


UNPUBLISHED = " unpublished"
"""Ends the key of a third party's number whose hyper-parameters nobody published."""


def is_stated(column: str) -> bool:
    """Whether somebody says what the attack of a column did."""
    return column != NOT_STATED and not column.endswith(UNPUBLISHED)


_NO_FALLBACK = " no fallback"


def comparable(report: Report) -> str:
    """The fingerprint by which its number is ranked: of the stages as they decide verdicts."""
    return fingerprint(deciding(report.protocol.stages, report.threat.eps))


def differing(a: Report, b: Report) -> tuple[str, ...]:
    """The fields in which two attacks differ: "apgd-ce: steps 100 there, 50 here", there being A.

    None where the same hyper-parameters decided their verdicts, see `comparable`.
    """
    if comparable(a) == comparable(b):
        return ()
    return differences(*(deciding(it.protocol.stages, it.threat.eps) for it in (a, b)))


def _apart(report: Report) -> str:
    """What keeps its number from those that have the bare name; "" where it is one of them."""
    stages = report.protocol.stages
    pgd = stages[0].step_size if len(stages) == 1 and stages[0].attack == "pgd" else None
    found = comparable(report)
    if all(stage.attack in own_names() for stage in stages):
        try:
            named = protocol(report.protocol.name, step_size=pgd).stages
        except UsageError:
            return f" {short(found)}"
        known = [deciding(it, report.threat.eps) for it in (named, without_fallback(named))]
        if found == fingerprint(known[0]):
            return ""
        if found == fingerprint(known[1]):
            return _NO_FALLBACK
    return f" {short(found)}"


def family(column: str) -> str:
    """The attack of a column: AutoAttack, PGD-50, PGD-100 targeted ..."""
    bare, apart = _cut(column)
    if apart == UNPUBLISHED:
        return f"{named_family(bare)}, settings not published"
    return f"{named_family(bare)}{apart}"


def named_family(column: str) -> str:
    """The attack that the name of a column says, by whatever hyper-parameters."""
    name, _ = _cut(column)
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


def _cut(column: str) -> tuple[str, str]:
    """The protocol of a column, and what keeps the number apart from those of the bare name."""
    name = column.removesuffix(" reference")
    apart = re.search(rf"(?:{UNPUBLISHED}|{_NO_FALLBACK}| #[0-9a-f]{{{SHOWN}}})$", name)
    return (name[: apart.start()], apart[0]) if apart else (name, "")


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
