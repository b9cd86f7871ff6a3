"""A model in the hands of other people's code: what that changed is seen, and put back."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eval.engine.borrowed import borrowed
from eval.errors import ModelError
from eval.seen import tensors_sha256
from eval.verify import predict

N_ASKED = 4
"""Images whose logits must be the same before and after."""

NEAR = 1e-3
"""Largest difference of these logits, as a share of their spread: a GPU may change its kernels."""


@contextmanager
def guarded(model: nn.Module, untouched: nn.Module, x: Tensor, name: str) -> Iterator[list[str]]:
    """Give `model` away for as long as the block runs; yields what was changed, once it is over.

    model: in eval mode; its parameters ask for no gradient within. untouched: the same, as others
    do not get it: it is asked before and after. x: images (B, C, H, W) that it answers to. name: of
    the attack. Also where the block raises, everything is put back: weights, modes, gradients,
    modules, hooks, torch's own settings.

    Raises `ModelError` if the model answers otherwise after that than before: then something was
    changed that nobody can put back, such as its class, and no verdict could be believed.
    """
    asked = x[:N_ASKED]
    before = predict(untouched, asked)
    varies = not _near(predict(untouched, asked), before)
    changed: list[str] = []
    settings = _settings()
    with borrowed(model, x.device):
        model.requires_grad_(False)
        state = _state(model)
        try:
            yield changed
        finally:
            changed += [what for what, now in _state(model).items() if now != state[what]]
    if _settings() != settings:
        changed.append("settings of torch")
        _set(settings)
    if not varies and not _near(predict(untouched, asked), before):
        raise ModelError(
            f"attack {name!r} has changed what the model answers, in a way that cannot be put back:"
            " measure without it, in a new process"
        )


def _near(logits: Tensor, others: Tensor) -> bool:
    if logits.shape != others.shape:
        return False
    difference = (logits - others).nan_to_num(nan=torch.inf).abs().max()
    return bool(difference <= NEAR * others.std().clamp_min(1e-6))


def _state(model: nn.Module) -> dict[str, object]:
    """What `borrowed` puts back, in words and as something that can be compared."""
    tensors = dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers()])
    modules = [*model.named_modules()]
    return {
        "weights or statistics": tensors_sha256(tensors),
        "modes": [(path, getattr(one, "training", None)) for path, one in modules],
        "gradients": [(one.requires_grad, one.grad is None) for one in tensors.values()],
        "modules": [
            (path, id(one), type(one), id(vars(one).get("forward"))) for path, one in modules
        ],
        "hooks": [
            [*map(id, getattr(one, table, {}).values())] for _, one in modules for table in _HOOKS
        ],
    }


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _settings() -> dict[str, Any]:
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    return {
        "dtype": torch.get_default_dtype(),
        "gradient": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "tf32": (cudnn.allow_tf32, cuda.matmul.allow_tf32),
        "cudnn": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
    }


def _set(settings: dict[str, Any]) -> None:
    """Put back those that are others now: some of them take seconds to be set."""
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    now = _settings()
    for name, set_ in (
        ("dtype", torch.set_default_dtype),
        ("gradient", torch.set_grad_enabled),
        ("threads", torch.set_num_threads),
        ("deterministic", torch.use_deterministic_algorithms),
        ("anomalies", torch.autograd.set_detect_anomaly),
    ):
        if now[name] != settings[name]:
            set_(settings[name])
    cudnn.allow_tf32, cuda.matmul.allow_tf32 = settings["tf32"]
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = settings["cudnn"]


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Begin torch's, numpy's and Python's random numbers at `seed`, and put them back after."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_python)


@contextmanager
def silenced() -> Iterator[None]:
    """What is printed goes nowhere: a Report on stdout would be no JSON any more."""
    with contextlib.redirect_stdout(_Nowhere()):
        yield


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)
