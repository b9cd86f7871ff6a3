"""The networks that attacks search with: the model itself, and fast copies of it.

The fast copy computes the same function with batch norm folded into convolutions, channels_last
memory, and optionally bf16. It only searches; every verdict is `eval.verify`'s, on the untouched
model. It is optional: whatever goes wrong while it is made or proven ends in the plain model. It
proves itself before it is used and again while it is used, see `eval.engine.proof`.
"""

from __future__ import annotations

import copy
import time
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from eval.engine.batching import is_out_of_memory
from eval.engine.classifier import Classifier
from eval.engine.folding import fold_batch_norm
from eval.engine.graphs import Maker, Road, Rungs, cuda_graphs
from eval.engine.layout import memory_layout
from eval.engine.net import Net
from eval.engine.padding import ladder
from eval.engine.pointwise import give_few_rows_to_onednn
from eval.engine.proof import PROOF_IMAGES, fault, unseen
from eval.errors import first_line
from eval.ieee import ieee_fp32

Precision = Literal["auto", "fp32", "bf16"]

WORTHWHILE = 1.3
"""bf16 must be this many times faster than fp32, since its survivors are polished in fp32."""

TIMED_BATCH = {False: (16, 16), True: (128, 32)}
"""Images, and pixels of a side, of the convolution that is timed: on a CPU, and on a GPU, which is
done with the smaller one before the next is begun, however long it takes."""

N_TIMINGS = 20
"""Calls of which the fastest counts: others may be using the machine."""

FEW_TIMINGS = 4
"""Calls after which bf16 is given up if the fastest took twice as long as fp32's: on processors
that emulate it, the rest of the calls would take longer than the clean pass of a small network."""

PROOF_SHARE = 0.005
"""Of the passes of a search, at most, that go into proving its copy again."""

CHECK_IMAGES = 2
"""On which the copy is proven again."""


class Engine:
    """Networks to search with.

    plain: the untouched model. search: the fast copy in the chosen precision. exact: the fast copy
    in fp32, for polishing; the same object as `search` when that is fp32. Both are `plain` where
    there is no copy, or not any more.
    warning: why there is no copy, or "". fault: what became wrong with it on the way, or "".
    error: largest logit difference between `search` and the model, on the proof's images.
    """

    def __init__(self, plain: Classifier) -> None:
        self.plain = self.search = self.exact = Net(plain)
        self.warning = self.fault = ""
        self.error = 0.0
        self._proven_at = 0
        self._retired = (0, 0)

    @property
    def is_copy(self) -> bool:
        """Whether anything but the untouched model searches."""
        return self.search is not self.plain

    @property
    def graph_fault(self) -> str:
        """Why no fixed sizes are used, where they were to be; "" if there is nothing to say."""
        rungs = [net.rungs for net in (self.exact, self.search) if net.rungs is not None]
        return next((one.fault for one in rungs if one.fault), "")

    def fit(self, batch_size: int) -> None:
        """Be ready for passes of up to `batch_size` rows; those of more are made as they come."""
        for net in (self.search, self.exact):
            if net.rungs is not None:
                net.rungs.fit(ladder(batch_size))

    @property
    def proof_passes(self) -> tuple[int, int]:
        """Forwards and backwards of one more proof, see `eval.engine.proof.fault`."""
        nets = {self.search, self.exact} - {self.plain}
        return 6 * CHECK_IMAGES * len(nets), 3 * CHECK_IMAGES * len(nets)

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        """Of the search."""
        return "bf16" if self.search is not self.exact else "fp32"

    def passes(self) -> tuple[int, int]:
        """Images sent forward and backward through all networks so far, proofs included."""
        nets = {id(net): net for net in (self.plain, self.search, self.exact)}.values()
        forwards, backwards = self._retired
        return (
            forwards + sum(net.forwards for net in nets),
            backwards + sum(net.backwards for net in nets),
        )

    def must_prove(self) -> bool:
        """Whether enough was searched since the last proof that another one costs little."""
        spent = sum(self.passes()) - self._proven_at
        return self.is_copy and spent >= sum(self.proof_passes) / PROOF_SHARE

    def prove_again(self, x: Tensor) -> bool:
        """Compare with the untouched model once more, on images made of x (B, C, H, W).

        Returns whether the copy still agrees. If not, `fault` says how it differs, and from now on
        the untouched model searches; what the copy searched since the last proof is worth nothing.
        """
        images = unseen(x[:CHECK_IMAGES])
        nets: dict[Net, Literal["fp32", "bf16"]] = {self.exact: "fp32", self.search: self.precision}
        for net, precision in nets.items():
            if found := fault(net, self.plain, images, precision)[0]:
                self.retire(f"in {precision} {found}")
                return False
        self._proven_at = sum(self.passes())
        return True

    def retire(self, fault: str) -> None:
        """From now on the untouched model searches; `fault`, in words: what its copy did."""
        self.fault = f"the copy of the model {fault}"
        self._retired = self.passes()
        self.plain.forwards = self.plain.backwards = 0
        self.search = self.exact = self.plain


def plain_engine(model: nn.Module) -> Engine:
    """The untouched model."""
    return Engine(_called(model))


def build_engine(
    model: nn.Module, x: Tensor, precision: Precision = "auto", *, make: Maker | None = None
) -> Engine:
    """Make fast copies of `model` and prove them, on images made of x (B, C, H, W).

    A copy that cannot be made or is found at fault is left out, and the engine says why. Of a model
    whose images interact, or that computes in another precision than fp32, there is no copy.

    make: what makes the passes of copies at fixed sizes faster; by default CUDA graphs on a GPU,
    and nothing elsewhere, where passes are not padded either.
    """
    model = _called(model)
    engine = Engine(model)
    if model.contract.interacts or model.contract.dtype != torch.float32:
        return engine
    wanted = precision == "bf16"
    if precision == "auto":
        wanted = bf16_speedup(x.device.type) >= WORTHWHILE
    make = make or (cuda_graphs() if x.is_cuda else None)
    images = unseen(x[:PROOF_IMAGES])
    copied: Classifier | None
    try:
        copied = _fast_copy(model, x)
    except Exception as error:  # a stranger's modules may raise anything when they are copied
        if is_out_of_memory(error):
            raise
        copied, engine.warning = None, f"the model cannot be copied ({first_line(error)})"
    if copied is not None:
        net = _copy_net(copied, engine.plain, "fp32", images, make)
        found, engine.error = fault(net, engine.plain, images, "fp32")
        if found:
            copied, engine.warning, engine.error = None, f"the folded copy of the model {found}", 0
        else:
            engine.search = engine.exact = net
    if wanted:
        net = (
            _copy_net(copied, engine.plain, "bf16", images, make)
            if copied is not None
            else Net(model, is_bf16=True)
        )
        found, error_bf16 = fault(net, engine.plain, images, "bf16")
        if found:
            engine.warning = f"the model in bf16 {found}"
        else:
            engine.search, engine.error = net, error_bf16
    for net in (engine.plain, engine.search, engine.exact):
        net.forwards = net.backwards = 0
    return engine


@cache
def bf16_speedup(device_type: str) -> float:
    """How many times faster than fp32 a 3x3 convolution in bf16 is here, measured once a process.

    Flags of the processor do not tell: there are machines that announce bf16 and compute it slower.
    Where it is hopelessly slower, that is known after `FEW_TIMINGS`.
    """
    n, size = TIMED_BATCH[device_type != "cpu"]
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    # In turns, so that a busy moment of the machine hits both.
    for turn in range(N_TIMINGS):
        if turn >= FEW_TIMINGS and seconds[torch.bfloat16] > 2 * seconds[torch.float32]:
            break
        for dtype, best in seconds.items():
            x = torch.ones(n, 64, size, size, device=device_type, dtype=dtype)
            x = x.to(memory_format=torch.channels_last)
            weight = torch.ones(64, 64, 3, 3, device=device_type, dtype=dtype)
            weight = weight.to(memory_format=torch.channels_last)
            started = time.perf_counter()
            with ieee_fp32():
                functional.conv2d(x, weight, padding=1).sum().item()  # waits for a GPU
            seconds[dtype] = min(best, time.perf_counter() - started)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def _called(model: nn.Module) -> Classifier:
    return model if isinstance(model, Classifier) else Classifier(model)


def _copy_net(
    copied: Classifier,
    plain: Net,
    precision: Literal["fp32", "bf16"],
    images: Tensor,
    make: Maker | None,
) -> Net:
    """The copy in this precision, yet unproven; at fixed sizes where there is a `make`."""
    is_bf16, layout = precision == "bf16", memory_layout(copied)

    def prove(road: Road, x: Tensor) -> str:
        only = Rungs(lambda *_: road, lambda *_: "")
        only.fit((len(x),))
        net = Net(copied, is_bf16=is_bf16, memory_format=layout, rungs=only)
        return fault(net, plain, unseen(x[:PROOF_IMAGES]), precision)[0]

    rungs = None if make is None else Rungs(make, prove)
    net = Net(copied, is_bf16=is_bf16, memory_format=layout, rungs=rungs)
    if rungs is not None:
        rungs.fit(ladder(len(images)))
    return net


def _fast_copy(model: Classifier, x: Tensor) -> Classifier:
    copied = model.around(copy.deepcopy(model.model))
    fold_batch_norm(copied, x[:2])
    if not x.is_cuda:
        give_few_rows_to_onednn(copied)
    return copied.requires_grad_(False).to(memory_format=memory_layout(copied))
