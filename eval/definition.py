"""What a model computes besides its weights: two networks may share every tensor and differ."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch
from torch import nn

_KNOWN = ("timm", "torch", "torchvision")  # their version stands beside each session of a journal
_PLAIN = (bool, int, float, str, tuple, type(None))


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
