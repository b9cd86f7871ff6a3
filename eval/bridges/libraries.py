"""What other libraries' attacks are: found by class, told the ball and the options, ready to call.

An attack here is a function of images x (B, C, H, W) in [0, 1] and labels y (B,), which returns
whatever the library returns; `eval.bridges.calling` calls it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from eval.bridges.models import art_classifier, foolbox_model
from eval.errors import UsageError, first_line, unknown
from eval.files.border import plain
from eval.foreign import LIBRARIES, Value, check_installed, is_foreign, package_of, values
from eval.stage import Stage
from eval.threat import Threat

Call = Callable[[Tensor, Tensor], object]

_RADIUS = {"torchattacks": ("eps", "max_epsilon"), "foolbox": (), "art": ("eps",)}
_LONGEST_DEFAULTS = 2000

_COUNTS = re.compile("steps|iter|quer|restart|random|size|pixels|num|^n_|^nb_|^[A-Z]$|^m$")
"""Names of options of which no fraction can be."""


@dataclass(frozen=True)
class Victim:
    """What is attacked, as far as an attack must know it when it is made.

    model: in eval mode, on `device`. shape: (C, H, W). seed: for attacks that take one.
    """

    model: nn.Module
    device: torch.device
    shape: tuple[int, ...]
    n_classes: int
    batch_size: int
    seed: int


def resolved(stages: Iterable[Stage], threat: Threat) -> tuple[Stage, ...]:
    """`stages` with what the libraries' versions and defaults are, where they are of one.

    Raises `UsageError` for a library that is missing or cannot be imported, a class or an option
    that it has not, and an attack that searches in another norm.
    """
    stages = tuple(stages)
    check_installed(stages)
    return tuple(_resolved(stage, threat) if is_foreign(stage) else stage for stage in stages)


def _resolved(stage: Stage, threat: Threat) -> Stage:
    kind = class_of(stage)
    said = _checked(stage, kind, threat)
    _check_norm(stage, kind, threat)
    elsewhere = {*said, *_of_the_run(stage, kind), "seed"}
    left = {n: one.default for n, one in _parameters(kind).items() if n not in elsewhere}
    if _own_step(stage, kind):
        left["eps_step"] = "eps/4"
    text = "&".join(f"{name}={_shown(value)}" for name, value in sorted(left.items()))
    package = package_of(stage)
    return stage.model_copy(
        update={"package": package, "defaults": text[:_LONGEST_DEFAULTS] or None}
    )


def _shown(value: object) -> str:
    """A default as a Report keeps it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return str(value)
    if isinstance(value, tuple | list):
        return f"({','.join(map(_shown, value))})"
    return getattr(value, "__name__", type(value).__name__)


def class_of(stage: Stage) -> type:
    """The class that a foreign stage names; raises as `resolved`."""
    library = LIBRARIES[stage.attack]
    try:
        home = import_module(library.classes)
        base = _base(stage.attack)
    except (Exception, SystemExit) as error:  # importing runs a stranger's code
        raise UsageError(
            f"attack {stage.name!r}: {library.distribution} cannot be imported"
            f" ({plain(first_line(error))}): mend it, or leave the attack out"
        ) from error
    known = {
        name: one
        for name, one in vars(home).items()
        if isinstance(one, type) and issubclass(one, base) and one is not base
    }
    if stage.class_name not in known:
        raise unknown(f"attack of {stage.attack}", str(stage.class_name), sorted(known))
    return known[stage.class_name]


def _base(library: str) -> type:
    module, name = {
        "torchattacks": ("torchattacks.attack", "Attack"),
        "foolbox": ("foolbox.attacks.base", "Attack"),
        "art": ("art.attacks.attack", "EvasionAttack"),
    }[library]
    base: type = getattr(import_module(module), name)
    return base


def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    """What its constructor takes by name, the model apart."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    hidden = {"self", "model", "classifier", "estimator"}
    return {n: one for n, one in found.items() if one.kind not in kinds and n not in hidden}


def _of_the_run(stage: Stage, kind: type) -> set[str]:
    named = {"norm", "distance", "batch_size", "verbose", "n_classes", "nb_classes", "targeted"}
    # A summary writer writes files wherever the run happens to be.
    return {*named, *_RADIUS[stage.attack], "device", "summary_writer"} & {*_parameters(kind)}


def _own_step(stage: Stage, kind: type) -> bool:
    """Whether ART's own step, 0.1, gives way to eps/4: with most radii it refuses the 0.1."""
    is_open = "eps_step" in _parameters(kind) and "eps_step" not in values(stage.options, 1.0)
    return stage.attack == "art" and is_open


def _checked(stage: Stage, kind: type, threat: Threat) -> dict[str, Value]:
    """The options, each of which the class has and of which each is of the kind of its default."""
    said, parameters = values(stage.options, threat.eps), _parameters(kind)
    open_to_say = [name for name in parameters if name not in _of_the_run(stage, kind)]
    for name, value in said.items():
        if name not in open_to_say:
            has = f"it has {', '.join(open_to_say)}" if open_to_say else "it has none"
            raise UsageError(f"attack {stage.name!r}: {stage.class_name} has no {name!r}: {has}")
        said[name] = _as_default(stage, name, value, parameters[name].default)
    for name in open_to_say:
        if parameters[name].default is inspect.Parameter.empty and name not in said:
            raise UsageError(
                f"attack {stage.name!r}: {stage.class_name} needs {name!r}: say it as an option, or"
                " take another attack if no text can say it"
            )
    return said


def _as_default(stage: Stage, name: str, value: Value, default: object) -> Value:
    """`value`, of the kind that `default` is; where that says nothing, whatever it is."""
    fits, words = True, ""
    if isinstance(default, bool):
        fits, words = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float):
        # Whole as a default may stand for any number: kappa=0.
        is_whole = isinstance(default, int) and _COUNTS.search(name) is not None
        fits = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
        words = "a whole number" if is_whole else "a number"
        value = float(value) if fits and isinstance(default, float) else value  # type: ignore[arg-type]
    elif isinstance(default, str):
        fits, words = isinstance(value, str), "a word"
    if fits:
        return value
    raise UsageError(
        f"attack {stage.name!r}: {name} is {value!r}, and what it is in {stage.attack} when nothing"
        f" is said is {default!r}: give {words}"
    )


def _check_norm(stage: Stage, kind: type, threat: Threat) -> None:
    """Raises `UsageError` where it is known that the attack searches in a ball of another norm."""
    own = ""
    if stage.attack == "torchattacks":
        takes = _parameters(kind)
        said = re.search(r"Distance Measure\s*:\s*(\w+)\s*$", kind.__doc__ or "", re.MULTILINE)
        if said and "norm" not in takes and any(r in takes for r in _RADIUS["torchattacks"]):
            own = said[1]
    elif stage.attack == "foolbox":  # some say it once they are made, by their options
        power = getattr(getattr(_made(stage, threat), "distance", None), "p", None)
        own = "" if power is None else f"L{power}"
    if own and own.lower() != threat.norm.lower():
        raise UsageError(
            f"attack {stage.name!r} searches in {own}, and the `norm` of this run is {threat.norm}:"
            " take an attack of that norm"
        )


def _made(stage: Stage, threat: Threat) -> Any:
    """A foolbox attack, which is made without a model; raises as `resolved`."""
    kind = class_of(stage)
    options: dict[str, Any] = dict(_checked(stage, kind, threat))
    if "distance" in _parameters(kind):
        from foolbox import distances

        options["distance"] = distances.linf if threat.norm == "Linf" else distances.l2
    return made(stage, lambda: kind(**options))


def made(stage: Stage, make: Callable[[], Any]) -> Any:
    """What `make` makes; raises `UsageError` with what the library says against it."""
    try:
        return make()
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"attack {stage.name!r} cannot be made"
            f" ({type(error).__name__}: {plain(first_line(error))}): give it other options"
        ) from error


def prepared(stage: Stage, threat: Threat, victim: Victim) -> Call:
    """The attack, made anew: none of what it did before can change what it does.

    Raises what the library raises where an option cannot be.
    """
    kind = class_of(stage)
    options: dict[str, Any] = dict(_checked(stage, kind, threat))
    takes = _parameters(kind)
    if _own_step(stage, kind):
        options["eps_step"] = threat.eps / 4
    run: dict[str, Any] = {
        **dict.fromkeys(_RADIUS[stage.attack], threat.eps),
        "n_classes": victim.n_classes,
        "nb_classes": victim.n_classes,
        "batch_size": victim.batch_size,
        "targeted": False,
        "verbose": False,
        "seed": victim.seed,
    }
    make = {"torchattacks": _torchattacks, "foolbox": _foolbox, "art": _art}[stage.attack]
    given = {name: value for name, value in run.items() if name in takes}
    return make(stage, given | options, threat, victim)


def _torchattacks(stage: Stage, options: dict[str, Any], threat: Threat, victim: Victim) -> Call:
    kind: Any = class_of(stage)
    if "norm" in _parameters(kind):
        options["norm"] = threat.norm
    attack: Call = kind(victim.model, **options)
    return attack


def _foolbox(stage: Stage, options: dict[str, Any], threat: Threat, victim: Victim) -> Call:
    from foolbox.criteria import Misclassification

    attack, model = _made(stage, threat), foolbox_model(victim.model, victim.device)

    def call(x: Tensor, y: Tensor) -> object:
        # raw, clipped to the ball as this library does, whether each is adversarial
        return attack(model, x, Misclassification(y), epsilons=threat.eps)[1]

    return call


def _art(stage: Stage, options: dict[str, Any], threat: Threat, victim: Victim) -> Call:
    kind: Any = class_of(stage)
    if "norm" in _parameters(kind):
        options["norm"] = "inf" if threat.norm == "Linf" else 2
    classifier = art_classifier(victim.model, victim.device, victim.shape, victim.n_classes)
    attack = kind(classifier, **options)

    def call(x: Tensor, y: Tensor) -> object:
        # As it wants them of two classes too, where it takes numbers for probabilities.
        labels = one_hot(y, victim.n_classes).float()
        found = attack.generate(x=x.cpu().numpy(), y=labels.cpu().numpy())
        return torch.from_numpy(found).to(x.device) if isinstance(found, np.ndarray) else found

    return call
