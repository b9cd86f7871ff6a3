"""Attacks, one a file; `build` turns a protocol's stage into one."""

from eval.attacks.apgd import APGD
from eval.attacks.fab import FAB
from eval.attacks.pgd import PGD
from eval.attacks.rows import Attack
from eval.attacks.square import Square
from eval.protocols import Stage, step_in_pixels
from eval.threat import Threat


def build(stage: Stage, threat: Threat, n_classes: int) -> Attack:
    """The attack that `stage` describes, for models of `n_classes` classes.

    A model with fewer classes than the stage has targets is attacked towards all of its wrong ones.
    """
    n_runs = stage.restarts
    if stage.targets is not None:
        n_runs = min(stage.targets, n_classes - 1)
    match stage.attack:
        case "fgsm" | "pgd" | "pgd-sat":
            return PGD(
                threat=threat,
                n_steps=stage.steps,
                step_size=step_in_pixels(stage, threat.eps),
                random_start=bool(stage.random_start),
                clips_start=stage.attack != "pgd-sat",
                n_runs=n_runs,
                fallback_loss=stage.fallback_loss,
            )
        case "apgd":
            return APGD(
                threat=threat,
                loss=stage.loss if stage.loss in {"dlr", "dlr-targeted"} else "ce",
                n_steps=stage.steps,
                n_runs=n_runs,
                rho=0.75 if stage.rho is None else stage.rho,
                eot=stage.eot,
            )
        case "fab":
            return FAB(
                threat=threat,
                is_targeted=stage.targets is not None,
                n_steps=stage.steps,
                n_runs=n_runs,
            )
        case "square":
            return Square(
                threat=threat,
                n_steps=stage.steps,
                n_runs=n_runs,
                p_init=0.8 if stage.p_init is None else stage.p_init,
            )
