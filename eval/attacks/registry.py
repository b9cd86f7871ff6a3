"""Attacks by name: this project's own, and those of other packages.

Another package brings its own through the entry-point group `sat_zoo.attacks`, NAME =
"module:Class" with a subclass of `eval.attacks.attack.Attack`; the protocol NAME-K runs K steps.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from eval.errors import SatZooError, UsageError, first_line, unknown
from eval.foreign import LIBRARIES

if TYPE_CHECKING:
    from eval.attacks.attack import Attack
    from eval.stage import Stage
    from eval.threat import Threat

_log = logging.getLogger(__name__)

GROUP = "sat_zoo.attacks"

_NAME = re.compile("(?!autoattack|custom|quick)[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
"""What an attack of others may be called: a reader must not take it for a protocol of ours."""

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

    Raises `UsageError` for an attack that is not installed, cannot be imported, or, where another
    package brings it, cannot be made.
    """
    kind = attack_class(stage.attack)
    try:
        return kind.of(stage, threat, n_classes)
    except Exception as error:
        if isinstance(error, SatZooError) or stage.attack in _OWN:
            raise
        raise UsageError(
            f"attack {stage.name!r} of {_home(stage.attack)} cannot be made"
            f" ({type(error).__name__}: {first_line(error)}): mend the package that brings it, or"
            " remove it"
        ) from error


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
    point, *twins = brought[name]
    if twins:
        raise UsageError(
            f"attack {name!r} is brought by {brought_by(point)} and by {brought_by(twins[0])}:"
            " remove one of them"
        )
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # importing runs a stranger's code
        raise UsageError(
            f"attack {name!r} of {_home(name)} cannot be imported"
            f" ({type(error).__name__}: {first_line(error)}): mend the package that brings it, or"
            " remove it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Attack)):
        raise UsageError(
            f"attack {name!r}: {_home(name)} is no subclass of eval.attacks.attack.Attack:"
            " mend the package that brings it"
        )
    return found


@cache
def others() -> dict[str, list[EntryPoint]]:
    """What other packages bring, by name; a name of our own, or of a library, cannot be taken."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted({*entry_points(group=GROUP)}):  # what is installed twice counts once
        if point.name in _OWN:
            continue
        if _NAME.fullmatch(point.name) is None or point.name in LIBRARIES:
            _log.warning(
                "attack %r of %s is left out for its name: take other small letters, digits and"
                " '-', and not AutoAttack's name",
                point.name,
                brought_by(point),
            )
            continue
        found.setdefault(point.name, []).append(point)
    return found


def package_of(name: str) -> str | None:
    """The package that brings the attack called `name`, with its version; None of our own."""
    return None if name in _OWN or name not in others() else brought_by(others()[name][0])


def fault(stage: str, attack: Attack, error: Exception) -> SatZooError | None:
    """What to say of a failing attack that another package brings; None of our own."""
    home = type(attack).__module__
    if home.partition(".")[0] == "eval":
        return None
    return SatZooError(
        f"attack {stage!r} of {home}:{type(attack).__name__} failed"
        f" ({type(error).__name__}: {first_line(error)}): mend the package that brings it, or leave"
        " the attack out"
    )


def brought_by(point: EntryPoint) -> str:
    """The package that brings it, with its version; the module where that is not known."""
    return point.value if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _home(name: str) -> str:
    return others()[name][0].value


def own_names() -> tuple[str, ...]:
    """The names of this project's attacks."""
    return tuple(_OWN)
