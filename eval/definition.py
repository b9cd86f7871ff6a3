"""Which model it is: digests of its weights, and of what it computes besides them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

_KNOWN = ("timm", "torch", "torchvision")  # their version stands beside each session of a journal
_PLAIN = (bool, int, float, str, tuple, type(None))


def weights_sha256(model: nn.Module) -> str:
    """Digest over every tensor of the state dict: its name, dtype, shape and bytes, by name."""
    return tensors_sha256(model.state_dict())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """`weights_sha256` of the model that has these tensors under these names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # numpy has no bfloat16, so the bytes are read through a view as uint8.
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def definition_sha256(model: nn.Module) -> str:
    """Digest over the model's modules and settings, its unsaved buffers, and the code of its own.

    Of every module: its path, class, `extra_repr` and plain attributes. Of every class that is
    not torch's or timm's: the source file.

    Equal digests and equal weights do not prove equal functions (code may call other files), but
    another activation, normalisation or forward in the same file is seen.
    """
    digest = hashlib.sha256()
    files: set[Path] = set()
    for path, module in model.named_modules():
        kind = type(module)
        settings = sorted(
            (key, value) for key, value in vars(module).items()
            if key[0] != "_" and isinstance(value, _PLAIN)
        )  # fmt: skip
        digest.update(f"{path} {kind.__module__}.{kind.__qualname__} {settings}".encode())
        digest.update(module.extra_repr().encode())
        if kind.__module__.split(".")[0] not in _KNOWN:
            file = getattr(sys.modules.get(kind.__module__), "__file__", None)
            files.update([Path(file)] if file else [])
    for file in sorted(files):
        if file.is_file():
            digest.update(file.read_bytes())
    saved = model.state_dict().keys()
    for name, buffer in model.named_buffers():
        if name not in saved:
            flat = buffer.detach().cpu().contiguous().flatten()
            digest.update(f"{name} {tuple(buffer.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
