"""How often images must have gone through a network for a stage to find what its Report says.

An image that survives meets every step of every run; one that falls is looked at once. Without a
network, from the stage alone, since a Report is read without torch; `eval.attacks` says why each
attack needs what it needs, and the tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eval.report.parts import StageResult

if TYPE_CHECKING:
    from eval.stage import Stage

_LOOSE = 20
"""The package of AutoAttack's authors passes over images that it takes for wrong itself, at a tie
between two classes: one in this many, and one, need not have been attacked by it."""


@dataclass(frozen=True)
class Need:
    """Images through the network forward and backward, at the least."""

    forwards: int = 0
    backwards: int = 0

    def __add__(self, other: Need) -> Need:
        return Need(self.forwards + other.forwards, self.backwards + other.backwards)

    def __mul__(self, n: int) -> Need:
        return Need(n * self.forwards, n * self.backwards)


def least(
    stage: Stage, result: StageResult, classes: int, engine: Literal["fast", "reference"]
) -> Need:
    """What `stage` took at least; nothing for an attack that another package brings."""
    survived, fallen = _each(stage, classes)
    n_survived = result.attacked - result.broken
    if engine == "reference" and _is_of_the_package(stage):
        whole = max(0, n_survived - 1 - n_survived // _LOOSE)
        return _by_the_package(stage, survived) * whole + Need(1) * (result.attacked - whole)
    if result.last_iterate_accuracy is not None:  # they went on to the end of a run
        fallen = Need(stage.steps + 1, stage.steps)
    return survived * n_survived + fallen * result.broken


def _each(stage: Stage, classes: int) -> tuple[Need, Need]:
    """Of an image that survives, and of one that falls to the first point looked at."""
    runs = stage.restarts if stage.targets is None else min(stage.targets, classes - 1)
    if stage.attack in {"fgsm", "pgd", "pgd-sat"}:
        return Need(stage.steps + 1, stage.steps) * runs, Need(1, 1)
    if stage.attack == "apgd":
        looked_at = min(stage.nearest_of or 0, classes - 1)
        choice = Need(1, 1) * (looked_at * stage.eot if looked_at > 1 else 0)
        point = Need(1, 1) * stage.eot
        return point * (stage.steps + 1) * runs + choice, point + choice
    if stage.attack == "fab":
        n_boundaries = 1 if stage.targets is not None else classes
        step = Need(1, 1) * n_boundaries
        return step * stage.steps * runs + Need(1), step + Need(1)
    if stage.attack == "square":
        return Need(stage.steps + 1) * runs, Need(1)
    return Need(), Need()


def _by_the_package(stage: Stage, survived: Need) -> Need:
    """It looks at all boundaries of untargeted FAB in one forward pass."""
    if stage.attack == "fab" and stage.targets is None:
        return Need(stage.steps * stage.restarts, survived.backwards)
    return survived


def _is_of_the_package(stage: Stage) -> bool:
    return stage.attack in {"apgd", "fab", "square"} and stage.nearest_of is None
