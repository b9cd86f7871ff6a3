"""Passes through networks, and the seconds that they take at a measured speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from eval.engine.engine import PROOF_SHARE
from eval.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eval.attacks.attack import Passes
    from eval.engine.engine import Engine


class Work(Frozen):
    """Passes, and what they take."""

    forwards: int = Field(description="images through the network forward")
    backwards: int = Field(description="images through the network backward")
    multiply_adds: int
    seconds: float = Field(description="of the network; the attacks' arithmetic is not in it")


class Speed(Frozen):
    """What one image takes in a full batch, the faster of two: seconds, multiply-adds."""

    clean_seconds: float = Field(description="the untouched model, forward")
    forward_seconds: float
    gradient_seconds: float = Field(description="forward and backward to the image")
    exact_forward_seconds: float = Field(description="of the fp32 network that polishes")
    exact_gradient_seconds: float
    forward_multiply_adds: int
    backward_multiply_adds: int


def clean_work(n: int, speed: Speed) -> Work:
    """Of the pass of n images through the untouched model."""
    return Work(
        forwards=n,
        backwards=0,
        multiply_adds=n * speed.forward_multiply_adds,
        seconds=n * speed.clean_seconds,
    )


def work_of(passes: Passes, n: int, speed: Speed) -> Work:
    """What n images take that need `passes` each."""
    gradients = passes.gradients + passes.exact_gradients
    forwards = passes.forwards + passes.exact_forwards + gradients
    return Work(
        forwards=n * forwards,
        backwards=n * gradients,
        multiply_adds=n
        * (forwards * speed.forward_multiply_adds + gradients * speed.backward_multiply_adds),
        seconds=n
        * (
            passes.forwards * speed.forward_seconds
            + passes.gradients * speed.gradient_seconds
            + passes.exact_forwards * speed.exact_forward_seconds
            + passes.exact_gradients * speed.exact_gradient_seconds
        ),
    )


def with_proofs(work: Work, engine: Engine) -> Work:
    """`work` and the proofs of the fast copy that it takes."""
    forwards, backwards = engine.proof_passes
    if not forwards:
        return work
    passes = work.forwards + work.backwards
    n_proofs = 1 + int(PROOF_SHARE * passes / (forwards + backwards))
    share = 1 + n_proofs * (forwards + backwards) / passes
    return Work(
        forwards=work.forwards + n_proofs * forwards,
        backwards=work.backwards + n_proofs * backwards,
        multiply_adds=int(work.multiply_adds * share),
        seconds=work.seconds * share,
    )


def total(works: Iterable[Work]) -> Work:
    """Their sum."""
    every = list(works)
    return Work(
        forwards=sum(w.forwards for w in every),
        backwards=sum(w.backwards for w in every),
        multiply_adds=sum(w.multiply_adds for w in every),
        seconds=sum(w.seconds for w in every),
    )
