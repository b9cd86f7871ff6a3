"""1x1 convolutions of few rows, given to oneDNN.

With one thread, torch computes a 1x1 convolution of fewer than 16 rows by itself, as one matrix
product an image (`use_mkldnn` in ATen/native/Convolution.cpp: "for 1x1 filters, THNN is faster when
single-threaded"), and gives it to oneDNN from 16 rows on: 33 of the 53 convolutions of ResNet-50.
Padding to 16 rows would cost more than it gains. But torch gives whatever is dilated to oneDNN, and
a kernel of one pixel is the same kernel however far its pixels are apart.
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW_ROWS = range(8, 16)
"""Where oneDNN is the faster: on an AVX2 processor (AMD EPYC of family 25, torch 2.14) it takes
0.75 to 1.0 of torch's time for ResNet-50's 1x1 convolutions in batches of 8 and 15 and up to 1.8 of
it in batches of 1 and 2. eval/bench_results/batches.csv has whole networks."""


def give_few_rows_to_onednn(model: nn.Module) -> None:
    """Make the 1x1 convolutions of `model`, in place, take oneDNN where that is the faster.

    They compute the same, in another order of summation. Nothing is changed on other processors
    than those of x86, whose kernels are known.
    """
    if torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}:
        return
    for conv in model.modules():
        # Exactly this class: a subclass may compute anything in its forward.
        if type(conv) is nn.Conv2d and _is_pointwise(conv) and "forward" not in vars(conv):
            conv.forward = MethodType(_forward, conv)  # type: ignore[method-assign]


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return set(conv.kernel_size) == set(conv.stride) == {1} and conv.padding == (0, 0)


def _forward(conv: nn.Conv2d, x: Tensor) -> Tensor:
    is_few = x.dim() == 4 and len(x) in FEW_ROWS and torch.get_num_threads() == 1
    dilation = 2 if is_few else conv.dilation
    return functional.conv2d(x, conv.weight, conv.bias, dilation=dilation, groups=conv.groups)
