"""One call of another library's attack, of which nothing is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eval.bridges.guard import drawing, guarded, silenced
from eval.bridges.libraries import Call
from eval.engine.batching import is_out_of_memory
from eval.errors import first_line
from eval.files.border import plain

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Returned:
    """What came of one call.

    x_adv: (B, C, H, W) float32, the caller's own, finite or not, wherever it lies; None where no
    images came back. failed: why not, "" where they did. changed: what it did to the model, in
    words. wrote: whether it wrote into the images or labels that it was given.
    """

    x_adv: Tensor | None
    failed: str = ""
    changed: tuple[str, ...] = ()
    wrote: bool = False


def called(
    make: Callable[[], Call],
    model: nn.Module,
    untouched: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    seed: int,
    name: str,
) -> Returned:
    """Call the attack that `make` makes on images x (B, C, H, W) with labels y (B,).

    model, untouched: what it attacks, and the same without a wrapper, see `guarded`; both are as
    they were when this returns. seed: of all random numbers. name: of the attack. Raises
    `ModelError` where the model cannot be put back, and what the attack raises when memory runs
    out.
    """
    given, labels = x.clone(), y.clone()
    result: object = None
    failed = ""
    with guarded(model, untouched, x, name) as changed, drawing(seed, x.device), silenced():
        try:
            with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
                result = make()(given, labels)
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise
            failed = f"raised {type(error).__name__} ({plain(first_line(error), 120)})"
    wrote = not (_same(given, x) and _same(labels, y))
    x_adv = None
    if not failed:
        failed = _fault(result, x)
        if not failed:
            assert isinstance(result, Tensor)
            # A copy: nobody else may change it once it is verified.
            x_adv = result.detach().to(torch.float32, copy=True).contiguous()
    return Returned(x_adv, failed, tuple(changed), wrote)


def _same(given: Tensor, x: Tensor) -> bool:
    return given.shape == x.shape and given.dtype == x.dtype and torch.equal(given.detach(), x)


def _fault(result: object, x: Tensor) -> str:
    """What keeps `result` from being images like x, "" if nothing does."""
    if type(result) not in (Tensor, nn.Parameter):
        return f"returned a {type(result).__name__} and no tensor"
    assert isinstance(result, Tensor)
    if result.shape != x.shape:
        return f"returned shape {tuple(result.shape)} for images of shape {tuple(x.shape)}"
    if result.device != x.device:
        return f"returned images on {result.device}, and those given to it lie on {x.device}"
    if result.layout != torch.strided or not result.is_floating_point():
        return f"returned {result.layout} values of type {result.dtype}, which are no pixels"
    return ""
