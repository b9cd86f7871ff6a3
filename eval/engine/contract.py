"""What a model must keep, checked before the first attack; and how it wants to be called.

Attacks assume things that no type says: the output is logits, a gradient reaches the images, an
image's logits are its own. Each is tried here on a few images, so that none is found out, or
silently wrong, after minutes of work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eval.checks import check_logits
from eval.engine.batching import is_out_of_memory, no_memory
from eval.engine.classifier import Classifier, Contract, Output, where_logits_are
from eval.errors import ModelError, SatZooError, first_line
from eval.functions import FunctionModel
from eval.report.report import Flag
from eval.verify import predict

if TYPE_CHECKING:
    from eval.data import ImageSet

N_PROBES = 4
"""Images that are tried alone, together and in another order."""

SAME_KERNELS = 1e-5
"""Largest logit difference, as a share of their spread, between two batches of one shape that hold
an image at the same place. The same instructions compute it, so that it is measured as 0; this
leaves room for kernels that choose their order of summation as they run."""

OTHER_KERNELS = {True: 5e-2, False: 1e-3}
"""The same between batches of other sizes or orders, which other kernels may compute: for models
with 8 to 11 bits of mantissa (half precision), and in fp32, where networks of 18 to 50 layers were
measured at 1e-6 to 1e-5."""

N_REPEATS = 3
"""Passes over the same batch that tell how much a model's logits vary by themselves."""


def probe_images(data: ImageSet, device: torch.device) -> Tensor:
    """`N_PROBES` images (N, C, H, W) from all over `data`, some twice where there are fewer."""
    spread = [i * len(data) // N_PROBES for i in range(N_PROBES)]
    return torch.cat([data.batch([position]).x for position in spread]).to(device)


def fitted(
    model: nn.Module, name: str, x: Tensor, *, needs_gradient: bool
) -> tuple[Classifier, list[Flag]]:
    """`model` as it wants to be called, and what a reader of its numbers must know of that.

    model: in eval mode. x: (N, C, H, W), a few images. needs_gradient: an attack will ask for it.

    Raises `ModelError` for a model that fails on these images, on one alone or on another number of
    them, that returns anything but finite logits, or whose images no gradient reaches.
    """
    try:
        return _fitted(model, name, x, needs_gradient)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(x) == 1:
            raise no_memory("the first pass", error) from error
    # Outside of `except`: the error would keep the tensors of its frames alive.
    return fitted(model, name, x[: len(x) // 2], needs_gradient=needs_gradient)


def _fitted(
    model: nn.Module, name: str, x: Tensor, needs_gradient: bool
) -> tuple[Classifier, list[Flag]]:
    contract = Contract(dtype=own_dtype(model))
    output, changes_input = _first_call(model, name, x, contract.dtype)
    contract = replace(contract, output=output, changes_input=changes_input)
    classifier = Classifier(model, contract)
    for n in sorted({len(x), len(x) - 1, 1} - {0}, reverse=True):
        with _explained(name, x[:n]):
            logits = predict(classifier, x[:n])
        check_logits(logits, n, name)
    contract = replace(contract, n_classes=logits.shape[1])
    classifier = Classifier(model, contract)
    if needs_gradient:
        _check_gradient(classifier, name, x[:2])
    flags = [*_dtype_flags(contract.dtype), *_function_flags(model)]
    if how := interaction(lambda images: predict(classifier, images), x, contract.dtype):
        classifier = Classifier(model, replace(contract, interacts=True))
        flags.append(
            Flag(
                code="images-interact",
                detail=f"{how}, so that each image was computed in a batch of its own: batch"
                " statistics in eval mode, attention across the batch or a cache would do this",
            )
        )
    return classifier, flags


def own_dtype(model: nn.Module) -> torch.dtype:
    """The floating type of the model's parameters; float32 where they have none or several.

    A model of several types converts by itself; it is called with float32 like any other.
    """
    tensors = [*model.parameters(), *model.buffers()]
    found = {t.dtype for t in tensors if t.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


def interaction(run: Callable[[Tensor], Tensor], x: Tensor, dtype: torch.dtype) -> str:
    """How an image's logits depend on the other images, in words; "" where they do not.

    run: images (B, C, H, W) -> logits (B, K). x: (N, C, H, W).

    Compares each image beside the others with the same image, at the same place, beside copies of
    itself: the same kernels on the same shape, so that batch statistics of any strength are seen.
    Other orders and batches of one are other kernels; there the logits need only be near.
    A model that is random is allowed what it varies by from pass to pass.
    """
    together = run(x)
    varies = max(_apart(run(x), together) for _ in range(N_REPEATS - 1))
    spread = float(together.std().clamp_min(1e-6))
    other = OTHER_KERNELS[dtype in {torch.float16, torch.bfloat16}]
    copies = [run(one.expand_as(x))[i] for i, one in enumerate(x)]
    found = (
        ("beside other images", torch.stack(copies), SAME_KERNELS),
        ("in another order", run(x.flip(0)).flip(0), other),
        ("alone", torch.cat([run(one) for one in torch.split(x, 1)]), other),
        ("after other images", run(x), SAME_KERNELS),
    )
    for where, logits, share in found:
        difference = _apart(logits, together)
        if difference > share * spread + 4 * varies:
            return (
                f"the logits of an image differ by up to {difference:.2g} (their spread is"
                f" {spread:.2g}) {where}"
            )
    return ""


def _apart(logits: Tensor, others: Tensor) -> float:
    return float((logits - others).abs().max())


def _first_call(model: nn.Module, name: str, x: Tensor, dtype: torch.dtype) -> tuple[Output, bool]:
    """Where the output holds logits, and whether the model wrote into its images."""
    given = x.to(dtype, copy=True).contiguous()
    before = given.clone()
    with _explained(name, x), torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        output = model(given)
    return where_logits_are(output, name), not torch.equal(given, before)


def _check_gradient(classifier: Classifier, name: str, x: Tensor) -> None:
    leaf = x.detach().clone().requires_grad_()
    with _explained(name, x, "with gradients"), torch.enable_grad():
        logits = classifier(leaf)
        grad = None
        if logits.requires_grad:
            (grad,) = torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    if grad is None:
        raise ModelError(
            f"no gradient reaches the images of model {name!r}: take no_grad, inference_mode,"
            " detach and .data out of its forward, and make it outside of inference_mode"
        )


def _dtype_flags(dtype: torch.dtype) -> list[Flag]:
    if dtype == torch.float32:
        return []
    return [
        Flag(
            code="model-dtype",
            detail=f"the model computes in {str(dtype).removeprefix('torch.')}, so that search and"
            " verdicts are of it in that precision and not in fp32",
        )
    ]


def _function_flags(model: nn.Module) -> list[Flag]:
    if not isinstance(model, FunctionModel):
        return []
    kinds = ", ".join(type(network).__name__ for network in model.networks)
    detail = (
        f"the model is a function, in which these networks were seen: {kinds}; mode, weights and"
        " digest are theirs alone, and whatever else it computes with is not known"
        if kinds
        else "the model is a function, in which no network was seen: its mode, weights and digest"
        " are not known"
    )
    return [Flag(code="function-model", detail=detail)]


@contextmanager
def _explained(name: str, x: Tensor, how: str = "") -> Iterator[None]:
    """What a stranger's forward raises, as one sentence; running out of memory passes through."""
    try:
        yield
    except SatZooError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        n, shape = len(x), tuple(x.shape[1:])
        raise ModelError(
            f"model {name!r} fails on {n} image{'s'[: n != 1]} of shape {shape}"
            f"{' ' if how else ''}{how} ({type(error).__name__}: {first_line(error)}): it must take"
            " any number of images (B, C, H, W) of the data's size, in [0, 1], on its own device"
        ) from error
