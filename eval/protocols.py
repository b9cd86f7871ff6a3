"""A protocol's name -> its stages, with every hyper-parameter.

A protocol's numbers never change under one version; a change is a new version. Reports carry the
stages themselves, so a number can be understood when this file has long moved on.
"""

from __future__ import annotations

import re
from typing import Literal

from eval.attacks.registry import others, package_of
from eval.errors import UsageError, unknown
from eval.files.border import LONGEST
from eval.foreign import foreign_stage, is_foreign
from eval.frozen import Frozen
from eval.radius import Number, check_text, exact, text_of
from eval.stage import LONGEST_STEP, Stage, step_in_pixels


class Protocol(Frozen):
    """An ordered list of stages; each attacks what the stages before it left standing."""

    name: str
    stages: tuple[Stage, ...]


def _apgd(
    name: str,
    loss: Literal["ce", "dlr", "dlr-targeted", "margin-targeted"],
    *,
    restarts: int = 1,
    targets: int | None = None,
    nearest_of: int | None = None,
    eot: int = 1,
    steps: int = 100,
) -> Stage:
    return Stage(
        name=name,
        attack="apgd",
        loss=loss,
        steps=steps,
        restarts=restarts,
        targets=targets,
        nearest_of=nearest_of,
        random_start=True,
        eot=eot,
        rho=0.75,
    )


def _fab(name: str, *, restarts: int = 1, targets: int | None = None) -> Stage:
    return Stage(name=name, attack="fab", steps=100, restarts=restarts, targets=targets)


# Croce & Hein 2020, arXiv 2003.01690, section 5 and the authors' package (whose `standard` uses
# 9 targets; with fewer classes, all of the wrong ones). FAB: arXiv 1907.02044. Square: 1912.00049.
_SINGLE: dict[str, Stage] = {
    "apgd-ce": _apgd("apgd-ce", "ce"),
    "apgd-dlr": _apgd("apgd-dlr", "dlr"),
    "apgd-t": _apgd("apgd-t", "dlr-targeted", targets=9),
    "fab": _fab("fab"),
    "fab-t": _fab("fab-t", targets=9),
    "square": Stage(name="square", attack="square", loss="margin", steps=5000, p_init=0.8),
}
# A handed case (`../shared/cases/12`) shortens one of these by this name.
_AUTOATTACK: dict[str, tuple[Stage, ...]] = {
    "autoattack-standard@1": tuple(
        _SINGLE[one] for one in ("apgd-ce", "apgd-t", "fab-t", "square")
    ),
    "autoattack-plus@1": (
        _apgd("apgd-ce", "ce", restarts=5),
        _apgd("apgd-dlr", "dlr", restarts=5),
        _fab("fab", restarts=5),
        *(_SINGLE[one] for one in ("square", "apgd-t", "fab-t")),
    ),
    "autoattack-rand@1": (
        _apgd("apgd-ce", "ce", eot=20),
        _apgd("apgd-dlr", "dlr", eot=20),
    ),
}
# The first stage is that of the standard, to the bit. Few targets, of those whose boundary is
# nearest: arXiv 2407.02240. How many and how long was measured: docs/protocols.md, "quick@1".
_QUICK: dict[str, tuple[Stage, ...]] = {
    "quick@1": (
        _SINGLE["apgd-ce"],
        _apgd("apgd-near", "margin-targeted", steps=50, targets=4, nearest_of=20),
    ),
}
_ALIASES = {
    "quick": "quick@1",
    "autoattack": "autoattack-standard@1",
    "autoattack-standard": "autoattack-standard@1",
    "autoattack-plus": "autoattack-plus@1",
    "autoattack-rand": "autoattack-rand@1",
}
_CUSTOM = "custom-"

NAMES = ("clean", "fgsm", "pgd-10", "pgd-20", "pgd-50", "pgd-sat-50@1", *_ALIASES, *_SINGLE)
"""Names shown in help and error messages; pgd-K and pgd-sat-K take any K."""


def is_upper_bound(name: str) -> bool:
    """Whether the protocol leaves out much of what AutoAttack tries, which probably breaks more.

    quick@1, single stages of AutoAttack and custom lists. Of FGSM and PGD everybody knows it.
    """
    return name in _QUICK or name.removesuffix("@1") in _SINGLE or name.startswith(_CUSTOM)


def protocol(name: str, *, step_size: Number | None = None, last_iterate: bool = False) -> Protocol:
    """The protocol called `name`.

    Args:
        name: "clean", "fgsm", "pgd-K" for any K >= 1, "pgd-sat-K" (= "pgd-sat-K@1"), "autoattack"
            (= "autoattack-standard@1"), "autoattack-plus@1", "autoattack-rand@1", "quick"
            (= "quick@1", whose robust accuracy is an upper bound). A single stage of AutoAttack,
            "apgd-ce" (= "apgd-ce@1"), "apgd-dlr", "apgd-t", "fab", "fab-t" or "square". "NAME-K"
            for an attack NAME that another package brings, see `eval.attacks.registry`. Several of
            these stages, "apgd-ce,square": each attacks what the ones before left standing, and the
            protocol is called "custom-apgd-ce+square@1", never AutoAttack. Attacks of other
            libraries, alone or in a list, "torchattacks:PGD?steps=20": see `eval.foreign`.
        step_size: for pgd-K instead of eps/4: "eps/N" or a number in pixel units, "1/255"; a float
            must be a short fraction, see `eval.radius.exact`.
        last_iterate: for pgd-K: images go on to the end of their run when they are broken, which
            changes no verdict and gives the accuracy of last iterates. pgd-sat-K does so anyway.

    Raises:
        UsageError: unknown name, K below 1, a list that cannot be, or a step size or last iterates
            where there is none to choose.

    """
    check_text(name, "attack", "'autoattack', or of several stages 'apgd-ce,square'")
    key = name.lower()
    if step_size is not None and not isinstance(step_size, str):
        step_size = text_of(exact(step_size, "step size", "eps/4 or 1/255"))
    if step_size is not None and re.fullmatch(r"pgd-\d+", key) is None:
        raise UsageError(f"step size {step_size!r} goes with pgd-K only, not with attack {name!r}")
    if not isinstance(last_iterate, bool):
        raise UsageError(f"`last_iterate` {last_iterate!r} is neither True nor False: give one")
    if last_iterate and re.fullmatch(r"pgd-(sat-)?\d+(@1)?", key) is None:
        raise UsageError(f"`last_iterate` goes with pgd-K only, not with attack {name!r}")
    if step_size is not None and len(step_size) > LONGEST_STEP:
        raise UsageError(
            f"step size {step_size[:20]!r}... is not a positive number: write eps/4, eps, or 1/255"
        )
    if key == "clean":
        return Protocol(name="clean", stages=())
    versioned = _ALIASES.get(key, key)
    stages = _AUTOATTACK.get(versioned) or _QUICK.get(versioned)
    if stages is not None:
        return Protocol(name=versioned, stages=stages)
    if "," in key or key.startswith(_CUSTOM) or ":" in key:
        return _custom(name)
    found = _single(key, step_size, last_iterate)
    if found is None:
        raise unknown("attack", name, NAMES, see="pgd-K takes any number of steps K")
    return found


def _custom(name: str) -> Protocol:
    """A list of single stages, as it is typed or as its Report calls it."""
    listed = name[len(_CUSTOM) * name.lower().startswith(_CUSTOM) :].removesuffix("@1")
    keys = [part.strip() for part in re.split("[,+]", listed)]
    keys = [key if ":" in key else key.lower() for key in keys]  # classes have capital letters
    if "" in keys:
        raise UsageError(
            f"attack {name!r} names no stage in one of its places: list stages, such as"
            " apgd-ce,square"
        )
    stages: list[Stage] = []
    for key in keys:
        if key == "clean" or key in {*_ALIASES, *_ALIASES.values()} or key.startswith("pgd-sat-"):
            raise UsageError(
                f"attack {name!r} holds {key!r}, which stands by itself: list single stages, such"
                " as apgd-ce,square"
            )
        found = _foreign(key) if ":" in key else _single(key, None, last_iterate=False)
        if found is None:
            known = [one for one in NAMES if _single(one, None, last_iterate=False)]
            raise unknown(f"stage of attack {name!r}", key, known)
        if found.stages[0].name in {one.name for one in stages}:
            raise UsageError(f"attack {name!r} lists {key!r} twice: list each stage once")
        stages += found.stages
    if len(stages) == 1 and not is_foreign(stages[0]):
        raise UsageError(f"attack {name!r} lists one stage: write {keys[0]!r}")
    for versioned, whole in _AUTOATTACK.items():
        if tuple(stages) == whole:
            raise UsageError(
                f"attack {name!r} is {versioned}: write that, so that its name says it"
            )
    joined = f"{_CUSTOM}{'+'.join(one.name for one in stages)}@1"
    if len(joined) > LONGEST:
        raise UsageError(
            f"attack {joined[:60]!r}... has {len(joined)} characters, more than {LONGEST}: list"
            " fewer stages, or fewer options"
        )
    return Protocol(name=joined, stages=tuple(stages))


def _foreign(key: str) -> Protocol:
    """The stage of another library that `key` names, before it is part of a list."""
    stage = foreign_stage(key)
    return Protocol(name=stage.name, stages=(stage,))


def _single(key: str, step_size: str | None, last_iterate: bool) -> Protocol | None:
    """The protocol of one stage that has this name, None if there is none."""
    if key.removesuffix("@1") in _SINGLE:
        stage = _SINGLE[key.removesuffix("@1")]
        return Protocol(name=f"{stage.name}@1", stages=(stage,))
    if key == "fgsm":
        # Goodfellow et al. 2015, arXiv 1412.6572: one step of size eps from the image itself.
        stage = Stage(
            name="fgsm",
            attack="fgsm",
            loss="ce",
            steps=1,
            step_size="eps",
            random_start=False,
            fallback_loss="margin",
        )
        return Protocol(name="fgsm", stages=(stage,))
    brought = re.fullmatch(r"(.+)-(\d{1,9})", key)
    if brought is not None and int(brought[2]) > 0 and brought[1] in others():
        stage = Stage(
            name=key, attack=brought[1], steps=int(brought[2]), package=package_of(brought[1])
        )
        return Protocol(name=key, stages=(stage,))
    match = re.fullmatch(r"pgd-(sat-)?(\d{1,9})(@1)?", key)
    if match is None or (match[3] and not match[1]):
        return None
    n_steps = int(match[2])
    if n_steps < 1:
        raise UsageError(f"attack {key!r} takes no step: use at least pgd-1, or clean")
    if match[1]:
        return Protocol(name=f"pgd-sat-{n_steps}@1", stages=(_pgd_sat(n_steps),))
    # Madry et al. 2018, arXiv 1706.06083: random start in the ball, signed gradient steps. The
    # margin where the cross-entropy has no gradient to follow: see `eval.attacks.gradients`.
    stage = Stage(
        name=key,
        attack="pgd",
        loss="ce",
        steps=n_steps,
        step_size=step_size or "eps/4",
        random_start=True,
        fallback_loss="margin",
        last_iterate=last_iterate,
    )
    step_in_pixels(stage, eps=1.0)
    return Protocol(name=key, stages=(stage,))


def without_fallback(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """`stages` as Reports have them from before there was `fallback_loss`."""
    return tuple(stage.model_copy(update={"fallback_loss": None}) for stage in stages)


def _pgd_sat(n_steps: int) -> Stage:
    """PGD as the released code of Smooth Adversarial Training evaluates its ResNets.

    Other than pgd-K: the step is 1/255, or eps/K where that is larger; the random start is not
    clipped to the pixel range before the first gradient. Its published numbers count last iterates
    alone: `StageResult.last_iterate_accuracy`.

    Source: github cihangxie/SmoothAdversarialTraining, commit 988c080, evaluation of ResNet/.
    """
    return Stage(
        name=f"pgd-sat-{n_steps}",
        attack="pgd-sat",
        loss="ce",
        steps=n_steps,
        step_size=f"max(1/255, eps/{n_steps})",
        random_start=True,
    )
