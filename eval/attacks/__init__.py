"""Attacks, one a file; `build` turns a protocol's stage into one."""

from eval.attacks.pgd import PGD
from eval.attacks.rows import Attack
from eval.protocols import Stage, step_in_pixels
from eval.threat import Threat


def build(stage: Stage, threat: Threat, n_classes: int) -> Attack:
    """The attack that `stage` describes, for models of `n_classes` classes."""
    if stage.attack in {"fgsm", "pgd"}:
        return PGD(
            threat=threat,
            n_steps=stage.steps,
            step_size=step_in_pixels(stage, threat.eps),
            random_start=bool(stage.random_start),
            n_runs=stage.restarts,
        )
    raise NotImplementedError(stage.attack)
