"""fp32 that is fp32: torch rounds factors of products where it was told to, and on GPUs unasked.

There torch computes convolutions in TF32 (10 bits of mantissa for 23) by default, and
`torch.set_float32_matmul_precision` takes bits away on any machine. A verdict from such logits is
another than that of the network that is named, and two kernels of one network no longer agree.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

EXACT = {"tf32": "ieee", "bf16": "ieee", "high": "highest", "medium": "highest", True: False}
"""For what torch can be told about products of float32, what keeps all their bits."""

_FINER = (
    ("cudnn", "conv"),
    ("cudnn", "rnn"),
    ("cuda", "matmul"),
    ("mkldnn", "conv"),
    ("mkldnn", "rnn"),
    ("mkldnn", "matmul"),
)
"""Operations with a `fp32_precision` of their own, from torch 2.9 on."""

_lock = threading.Lock()
_depth = 0
_told: dict[str, Any] = {}


@contextmanager
def ieee_fp32() -> Iterator[None]:
    """Products of float32 keep all its bits while the block runs, whatever torch was told.

    Blocks may lie in one another and run in several threads: what torch was told comes back when
    the last of them ends. The outermost costs a fraction of a millisecond. Autocast, which is asked
    for, is not touched.
    """
    global _depth, _told  # noqa: PLW0603, they stand for torch's settings, of the process too
    with _lock:
        if _depth == 0:
            _told = settings()
            _tell({name: EXACT.get(value, value) for name, value in _told.items()})
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _tell(_told)


def settings() -> dict[str, Any]:
    """What torch was told about products of float32, by the name of the setting."""
    finer = {f"{backend}.{operation}": at.fp32_precision for backend, operation, at in _finer()}
    try:
        older = {
            "cudnn": torch.backends.cudnn.allow_tf32,
            "matmul": torch.get_float32_matmul_precision(),
        }
    except RuntimeError:  # where only the finer ones were set, torch refuses to speak of these
        older = {
            "cudnn": finer["cudnn.conv"] == "tf32",
            "matmul": "high" if finer["cuda.matmul"] == "tf32" else "highest",
        }
    return older | finer


def _tell(wanted: dict[str, Any]) -> None:
    """Set what is otherwise; the older two first, since they write over the finer ones."""
    if settings() == wanted:
        return
    torch.backends.cudnn.allow_tf32 = wanted["cudnn"]
    torch.set_float32_matmul_precision(wanted["matmul"])
    for backend, operation, at in _finer():
        at.fp32_precision = wanted[f"{backend}.{operation}"]


def _finer() -> Iterator[tuple[str, str, Any]]:
    for backend, operation in _FINER:
        at = getattr(getattr(torch.backends, backend), operation, None)
        if hasattr(at, "fp32_precision"):
            yield backend, operation, at
