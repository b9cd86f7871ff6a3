"""What must hold before an attack begins: of the model, of its logits, of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from eval.errors import DataError, ModelError, UsageError

if TYPE_CHECKING:
    from eval.data import Batch, ImageSet


def check_model(model: nn.Module, name: str) -> None:
    """Raises `ModelError` if any module is in train mode, where images of a batch interact."""
    for path, module in model.named_modules():
        if getattr(module, "training", False):  # which a frozen script does not have
            raise ModelError(
                f"model {name!r} is in train mode (module {path or 'itself'!r}): call model.eval()"
            )


def check_labels(data: ImageSet, n_classes: int) -> None:
    """Raises `DataError` for a label that a model of `n_classes` classes has no class for."""
    bad = np.flatnonzero((data.labels < 0) | (data.labels >= n_classes))
    if len(bad):
        i = int(bad[0])
        raise DataError(
            f"data {data.name!r}: image {data.ids[i]!r} has label {int(data.labels[i])}, but the"
            f" model has {n_classes} classes, 0 to {n_classes - 1}: use the data it was made for"
        )


def check_pixels(batch: Batch, data_name: str) -> None:
    """Raises `DataError` for images outside [0, 1]."""
    low, high = float(batch.x.min()), float(batch.x.max())
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise DataError(
            f"data {data_name!r} has pixel values from {low:g} to {high:g}:"
            " images must be in [0, 1] (normalisation belongs inside the model)"
        )


def check_logits(logits: Tensor, n_images: int, name: str) -> None:
    """Raises `ModelError` unless `logits` is (n_images, K >= 2) and finite."""
    shape = tuple(logits.shape)
    if len(shape) != 2 or shape[0] != n_images or shape[1] < 2:
        raise ModelError(
            f"model {name!r} returned shape {shape} for {n_images} image{'s'[: n_images != 1]}:"
            " it must return logits of shape (images, classes)"
        )
    n_bad = int((~logits.isfinite().all(1)).sum())
    if n_bad:
        raise ModelError(
            f"model {name!r} returned NaN or infinite logits for {n_bad} of {n_images} images:"
            " check its weights and preprocessing"
        )


def usable_device(name: str) -> torch.device:
    """The device called `name`; raises `UsageError` if this machine cannot compute there."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"`device` {name!r} cannot be used here ({reason}): use `device='cpu'`"
        ) from error
    return device
