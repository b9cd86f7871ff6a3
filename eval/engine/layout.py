"""The memory layout of a network and its images: channels_last, unless oneDNN would break the heap.

oneDNN, which computes torch's convolutions on x86 processors, has a fault in the weight gradient of
a 1x1 convolution with a stride. It first gathers the pixels that the stride meets in a buffer, and
walks through that as if an image had at least as many channels as a vector has floats, 8 with AVX2
and 16 with AVX-512. With fewer channels, in channels_last memory, it writes past the buffer's end:
the process dies ("corrupted double-linked list"), hangs where there are two threads, or goes on
with wrong numbers. eval/README.md has the smallest program that shows it, the versions and the
measurements.

Source: oneDNN, `rtus_prepare_space_info` in src/cpu/x64/jit_uni_1x1_conv_utils.hpp and the
`execute_backward_weights` of its users; https://github.com/uxlfoundation/oneDNN/issues/6035.
"""

from __future__ import annotations

import torch
from torch import nn

LONGEST_VECTOR = 16
"""float32 numbers in the longest vector of an x86 processor (AVX-512)."""


def memory_layout(model: nn.Module) -> torch.memory_format:
    """channels_last, the fastest, or the plain layout for a network that must not use it.

    The images decide: weights in the plain layout do not help where images are channels_last. The
    answer depends on the network alone, so that a recipe means the same on every machine.
    """
    is_at_risk = any(isinstance(m, nn.Conv2d) and _is_at_risk(m) for m in model.modules())
    return torch.contiguous_format if is_at_risk else torch.channels_last


def _is_at_risk(conv: nn.Conv2d) -> bool:
    is_pointwise = set(conv.kernel_size) == {1}
    n_channels = conv.in_channels // conv.groups
    return is_pointwise and max(conv.stride) > 1 and n_channels < LONGEST_VECTOR
