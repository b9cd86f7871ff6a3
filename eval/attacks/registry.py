"""Attacks by name: this project's own, and those of other packages.

Another package brings its own through the entry-point group `sat_zoo.attacks`, NAME =
"module:Class" with a subclass of `eval.attacks.attack.Attack`; the protocol NAME-K runs K steps.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from eval.errors import UsageError, first_line, unknown

if TYPE_CHECKING:
    from eval.attacks.attack import Attack
    from eval.stage import Stage
    from eval.threat import Threat

GROUP = "sat_zoo.attacks"

_OWN = {
    "fgsm": "eval.attacks.pgd:PGD",
    "pgd": "eval.attacks.pgd:PGD",
    "pgd-sat": "eval.attacks.pgd:PGD",
    "apgd": "eval.attacks.apgd:APGD",
    "fab": "eval.attacks.fab:FAB",
    "square": "eval.attacks.square:Square",
}


def build(stage: Stage, threat: Threat, n_classes: int) -> Attack:
    """The attack that `stage` describes, for models of `n_classes` classes.

    Raises `UsageError` for an attack that is not installed or cannot be imported.
    """
    return attack_class(stage.attack).of(stage, threat, n_classes)


def attack_class(name: str) -> type[Attack]:
    """The class of the attack called `name`; raises as `build`."""
    from eval.attacks.attack import Attack

    if name in _OWN:
        module, _, attribute = _OWN[name].partition(":")
        found: type[Attack] = getattr(import_module(module), attribute)
        return found
    brought = others()
    if name not in brought:
        raise unknown("attack", name, [*_OWN, *brought])
    try:
        found = brought[name].load()
    except Exception as error:  # importing runs a stranger's code
        raise UsageError(
            f"attack {name!r} of {brought[name].value} cannot be imported ({first_line(error)}):"
            " mend or remove the package that brings it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Attack)):
        raise UsageError(
            f"attack {name!r}: {brought[name].value} is no subclass of eval.attacks.attack.Attack:"
            " mend the package that brings it"
        )
    return found


@cache
def others() -> dict[str, EntryPoint]:
    """What other packages bring, by name; a name of our own cannot be taken."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _OWN}


def own_names() -> tuple[str, ...]:
    """The names of this project's attacks."""
    return tuple(_OWN)
