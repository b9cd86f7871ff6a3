"""The forward and the input gradient of a model, as attacks use them: counted, and fast.

The fast copy computes the same function with batch norm folded into convolutions, channels_last
memory, and optionally bf16. It only searches; every verdict is `eval.verify`'s, on the untouched
model. Before it is used it proves itself on images of the data.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from eval.folding import fold_batch_norm
from eval.verify import predict


class Net:
    """A model with its passes counted.

    forwards, backwards: images sent through the network so far. is_bf16: compute in bfloat16
    (images, losses and gradients stay float32 outside of the network).
    """

    def __init__(self, model: nn.Module, *, is_bf16: bool = False) -> None:
        self._model = model
        self._is_bf16 = is_bf16
        self.forwards = 0
        self.backwards = 0

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, K) float32 of images (B, C, H, W)."""
        self.forwards += len(x)
        with torch.inference_mode():
            logits = self._forward(x)
        return logits.clone()  # outside of inference mode: an ordinary tensor

    def gradient(
        self, x: Tensor, objective: Callable[[Tensor], Tensor], *, eot: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Logits and the gradient of an objective with respect to the images.

        Args:
            x: (B, C, H, W).
            objective: logits (B, K) -> one value an image (B,). Values are summed; since images
                do not interact in eval mode, each row of the gradient is its own image's.
            eot: passes to average over, for a randomised model (Athalye et al. 2018,
                arXiv 1802.00420).

        Returns:
            logits (B, K) float32 (the mean over `eot`) and gradient (B, C, H, W) float32.

        """
        self.forwards += eot * len(x)
        self.backwards += eot * len(x)
        passes = [self._one_gradient(x, objective) for _ in range(eot)]
        if eot == 1:
            return passes[0]
        logits, grads = zip(*passes, strict=True)
        return torch.stack(logits).mean(0), torch.stack(grads).mean(0)

    def _one_gradient(
        self, x: Tensor, objective: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        # Fresh images each step, so that no graph of an earlier step is kept alive.
        leaf = x.detach().to(memory_format=torch.channels_last, copy=True).requires_grad_()
        with torch.enable_grad():
            logits = self._forward(leaf)
            # Asking for the input alone spares the gradients of all parameters.
            (grad,) = torch.autograd.grad(objective(logits).sum(), leaf)
        return logits.detach(), grad

    def _forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._is_bf16):
            logits: Tensor = self._model(x)
        return logits.float()


Precision = Literal["auto", "fp32", "bf16"]

MAX_ERROR = {"fp32": 1e-3, "bf16": 5e-2}
"""Largest logit error of a fast copy, as a share of the spread of the logits. bf16 has 8 bits of
mantissa: networks of 18 to 50 layers were measured at 3e-3 to 1e-2."""


WORTHWHILE = 1.3
"""bf16 must be this many times faster than fp32, since its survivors are polished in fp32."""

N_TIMINGS = 20
"""Calls of which the fastest counts: others may be using the machine."""


@dataclass(frozen=True)
class Engine:
    """Networks to search with.

    search: the fast copy in the chosen precision. exact: the fast copy in fp32, for polishing;
    the same object as `search` when that is fp32. warning: why the plain model is used instead,
    or "". error: largest logit difference between `search` and the model, on the proof's images.
    """

    search: Net
    exact: Net
    precision: Literal["fp32", "bf16"]
    warning: str
    error: float

    def passes(self) -> tuple[int, int]:
        """Images sent forward and backward through all networks so far."""
        nets = {id(net): net for net in (self.search, self.exact)}.values()
        return sum(net.forwards for net in nets), sum(net.backwards for net in nets)


def plain_engine(model: nn.Module) -> Engine:
    """The untouched model in fp32."""
    net = Net(model)
    return Engine(search=net, exact=net, precision="fp32", warning="", error=0.0)


def build_engine(model: nn.Module, x: Tensor, precision: Precision = "auto") -> Engine:
    """Make fast copies of `model` and prove them on images x (B, C, H, W).

    A copy is refused where its logits differ by more than `MAX_ERROR` or, among images that are
    not near a tie, its class does; then the plain model is used, and the engine says so.
    """
    wanted = precision == "bf16"
    if precision == "auto":
        wanted = bf16_speedup(x.device.type) >= WORTHWHILE
    reference = predict(model, x)
    copied = _fast_copy(model, x)
    warning = "" if copied is not None else "the model cannot be copied"
    if copied is not None and (fault := _fault(Net(copied), x, reference, "fp32")):
        copied, warning = None, f"the folded copy of the model {fault}"
    exact = Net(copied if copied is not None else model)
    search = exact
    if wanted:
        search = Net(copied if copied is not None else model, is_bf16=True)
        if fault := _fault(search, x, reference, "bf16"):
            search, warning = exact, f"the model in bf16 {fault}"
    error = float((search.logits(x) - reference).abs().max())
    for net in (search, exact):
        net.forwards = net.backwards = 0
    return Engine(search, exact, "bf16" if search is not exact else "fp32", warning, error)


@cache
def bf16_speedup(device_type: str) -> float:
    """How many times faster than fp32 a 3x3 convolution in bf16 is here, measured once a process.

    Flags of the processor do not tell: there are machines that announce bf16 and compute it slower.
    """
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    # In turns, so that a busy moment of the machine hits both.
    for _ in range(N_TIMINGS):
        for dtype, best in seconds.items():
            x = torch.ones(16, 64, 16, 16, device=device_type, dtype=dtype)
            x = x.to(memory_format=torch.channels_last)
            weight = torch.ones(64, 64, 3, 3, device=device_type, dtype=dtype)
            weight = weight.to(memory_format=torch.channels_last)
            started = time.perf_counter()
            functional.conv2d(x, weight, padding=1).sum().item()  # waits for a GPU
            seconds[dtype] = min(best, time.perf_counter() - started)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def _fast_copy(model: nn.Module, x: Tensor) -> nn.Module | None:
    try:
        copied = copy.deepcopy(model)
    except Exception:
        return None
    fold_batch_norm(copied, x[:2])
    return copied.requires_grad_(False).to(memory_format=torch.channels_last)


def _fault(net: Net, x: Tensor, reference: Tensor, precision: str) -> str:
    """What is wrong with the logits of `net`, in words; "" if nothing is."""
    try:
        logits = net.logits(x)
    except RuntimeError as error:
        return f"fails ({str(error).splitlines()[0]})"
    difference = float((logits - reference).abs().max())
    allowed = MAX_ERROR[precision] * float(reference.std().clamp_min(1e-6))
    if not difference <= allowed:
        return f"differs by {difference:.2g} in a logit, more than {allowed:.2g}"
    top = reference.topk(2, dim=1).values
    is_clear = top[:, 0] - top[:, 1] > 2 * difference
    if bool((logits.argmax(1) != reference.argmax(1))[is_clear].any()):
        return "names another class"
    return ""
