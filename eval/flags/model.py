"""Machine-readable reasons to read a number with care."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eval.attacks.losses import cross_entropy
from eval.report.percent import percent
from eval.report.report import Flag, StageResult
from eval.verify import predict

if TYPE_CHECKING:
    from eval.engine.engine import Engine
    from eval.engine.net import Net
    from eval.journal.known import Known

SQUARE_POINTS = 0.002
"""Square, which needs no gradient, should find next to nothing that gradients missed."""

GAP_POINTS = 0.10
"""Between the first gradient attack and the whole protocol; for adversarially trained networks on
the public leaderboards it is 2 to 6 points."""


def looks_like_probabilities(logits: Tensor) -> bool:
    """True if every row of (B, K) is non-negative and sums to 1: a softmax hides the gradient."""
    return bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-4).all())


def model_flags(
    model: nn.Module, net: Net, x: Tensor, y: Tensor, *, is_attacked: bool
) -> list[Flag]:
    """What a first look at images x (B, C, H, W) with labels y (B,) says about the model.

    is_attacked: whether anything but a clean pass follows, so that gradients matter.

    Source: the failure modes that Carlini et al. 2019, arXiv 1902.06705, and the package of the
    AutoAttack authors warn of.
    """
    found = [_randomised(model, x), _optimises(model, x)]
    if is_attacked:
        found += _gradients(net, x, y)
    return [flag for flag in found if flag is not None]


def fault_flags(engine: Engine | None) -> list[Flag]:
    """Of a copy of the model that went wrong once it had been proven, or that is slow."""
    found = []
    if engine is not None and engine.fault:
        detail = f"{engine.fault}: what it had searched since its last proof was searched again"
        found.append(Flag(code="engine-fault", detail=f"{detail} by the model itself"))
    if engine is not None and engine.graph_fault:
        detail = f"the copy of the model as a CUDA graph {engine.graph_fault}: it was not used"
        found.append(Flag(code="engine-fallback", detail=detail))
    return found


def result_flags(stages: Sequence[StageResult], n: int) -> list[Flag]:
    """What the stages of a protocol on `n` images say about the gradients."""
    found = [
        Flag(
            code="square-breaks",
            detail=f"Square broke {stage.broken} images ({percent(stage.broken / n)} points) that"
            " gradient attacks had missed: the gradients may be masked",
        )
        for i, stage in enumerate(stages)
        if stage.name == "square"
        and stage.broken / n > SQUARE_POINTS
        # After FGSM or few steps of PGD it is no sign: those miss much without any masking.
        and any(before.name.startswith(("apgd", "fab")) for before in stages[:i])
    ]
    if len(stages) > 1:
        gap = stages[0].accuracy_after - stages[-1].accuracy_after
        if gap > GAP_POINTS:
            found.append(
                Flag(
                    code="protocol-gap",
                    detail=f"accuracy fell by another {percent(gap)} points after"
                    f" {stages[0].name}: numbers from that attack alone would mislead",
                )
            )
    return found


def _randomised(model: nn.Module, x: Tensor) -> Flag | None:
    first, second = predict(model, x), predict(model, x)
    if torch.equal(first, second):
        return None
    difference = float((first - second).abs().max())
    return Flag(
        code="randomised-forward",
        detail=f"two passes over the same images differ by up to {difference:.3g} in a logit:"
        ' use --attack autoattack-rand (attack="autoattack-rand")',
    )


def _optimises(model: nn.Module, x: Tensor) -> Flag | None:
    if not _takes_gradients(lambda: predict(model, x[:1])):
        return None
    return Flag(
        code="optimises-at-inference",
        detail="a forward pass computes gradients of its own: standard attacks may be too weak for"
        " a defence that adapts",
    )


def _takes_gradients(forward: Callable[[], object]) -> bool:
    """Whether `forward`, called where no gradient is asked for, runs a backward pass of its own.

    What a backward pass needs is packed in the forward and unpacked when it runs; the hooks that
    see it are this thread's alone.
    """
    unpacked: list[Tensor] = []

    def unpack(packed: Tensor) -> Tensor:
        unpacked.append(packed)
        return packed

    try:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            forward()
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):  # as the transforms of torch.func complain
            raise
        return True
    return bool(unpacked)


def _gradients(net: Net, x: Tensor, y: Tensor) -> list[Flag]:
    _, grad = net.gradient(x, lambda logits: cross_entropy(logits, y))
    flat = grad.flatten(1)
    counts = {
        "zero-gradient": int((flat == 0).all(1).sum()),
        "nan-gradient": int((~flat.isfinite()).any(1).sum()),
    }
    net.forwards = net.backwards = 0
    return [
        Flag(
            code=code,
            detail=f"the cross-entropy of {count} of the first {len(x)} images has a"
            f" {code.replace('-', ' ')}",
        )
        for code, count in counts.items()
        if count
    ]


def search_flags(stage: str, n_attacked: int, known: Known) -> list[Flag]:
    """What the gradients of all steps of `stage` say; known: of it, by all sessions."""
    n_survived = n_attacked - len(known.broken)
    n_without, n_with_nan = len(known.without_gradient), len(known.with_nan)
    found = []
    if n_without:
        detail = (
            f"{n_without} of {n_survived} surviving images had no gradient in any step of {stage}:"
            " that they survived says nothing"
        )
        found.append(Flag(code="zero-gradient", detail=detail))
    if n_with_nan:
        detail = (
            f"{n_with_nan} of {n_attacked} images had a gradient that was NaN or infinite in places"
            f" in a step of {stage}: NaN counted as zero, infinite as the largest finite entry"
        )
        found.append(Flag(code="nan-gradient", detail=detail))
    return found
