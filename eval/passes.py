"""How many passes each stage of a protocol makes, at most and at least: from the stage alone."""

from __future__ import annotations

from dataclasses import dataclass

from eval.protocols import Stage


@dataclass(frozen=True)
class Passes:
    """Images sent through the searching network, and through the fp32 network that polishes.

    Gradients are both a forward and a backward; `forwards` and `exact_forwards` come on top.
    """

    forwards: int = 0
    gradients: int = 0
    exact_forwards: int = 0
    exact_gradients: int = 0


def most_passes(stage: Stage, n_classes: int, polish_steps: int) -> Passes:
    """Passes of an image that survives `stage`; polish_steps 0 where the search is in fp32.

    Exact, except for two, of which it is the most: FAB, whose passes depend on how often it crosses
    the boundary, and stages with a fallback loss, which need it in every step at the worst.
    """
    n_runs = stage.restarts
    if stage.targets is not None:
        n_runs = min(stage.targets, n_classes - 1)
    # Where the gradient vanishes a second one is taken.
    n_times = 1 if stage.fallback_loss is None else 2
    forwards, gradients = _run_passes(stage, n_classes, stage.steps)
    if not polish_steps:
        return Passes(n_runs * forwards, n_times * n_runs * gradients)
    exact_forwards, exact_gradients = _run_passes(stage, n_classes, polish_steps)
    exact_gradients *= n_times
    if stage.attack == "fab":  # rows that are through are stepped along with the last one
        exact_forwards += polish_steps // 2
    return Passes(n_runs * forwards, n_times * n_runs * gradients, exact_forwards, exact_gradients)


def least_passes(stage: Stage, n_classes: int) -> Passes:
    """Passes of an image that falls to the first point looked at.

    PGD keeps a broken image to the end of its run, for the accuracy of the last iterate.
    """
    if stage.attack in {"pgd", "pgd-sat", "fgsm"}:
        forwards, gradients = _run_passes(stage, n_classes, stage.steps)
        return Passes(stage.restarts * forwards, stage.restarts * gradients)
    if stage.attack == "square":
        return Passes(forwards=1)
    if stage.attack == "apgd":
        return Passes(gradients=stage.eot)
    # FAB begins at the image itself, which is right; its first proposal is the first look.
    return Passes(forwards=1, gradients=1 if stage.targets is not None else n_classes)


def _run_passes(stage: Stage, n_classes: int, n_steps: int) -> tuple[int, int]:
    """Forwards and gradients of one run of `n_steps`, as the attacks' docstrings give them."""
    if stage.attack == "square":
        return n_steps + 1, 0
    if stage.attack in {"pgd", "pgd-sat", "fgsm"}:
        return 1, n_steps
    if stage.attack == "apgd":
        return 0, (n_steps + 1) * stage.eot
    # FAB: every step is one forward and one gradient where it finds what it expects; where it finds
    # an adversarial point that it did not expect, which can be at every second step, it is two
    # gradients. Untargeted, every boundary has its gradient, and the classes are counted first.
    n_surprises = n_steps // 2
    n_rounds = n_steps + 1 + n_surprises
    if stage.targets is not None:
        return n_steps - n_surprises, n_rounds
    return n_steps - n_surprises + n_rounds, n_rounds * n_classes
