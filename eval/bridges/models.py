"""A model in the form that foolbox, or ART, wants it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import nn


def foolbox_model(model: nn.Module, device: torch.device) -> Any:
    """A `foolbox.PyTorchModel` of `model`, which lies on `device`; images in [0, 1]."""
    from foolbox import PyTorchModel

    return PyTorchModel(model, bounds=(0, 1), device=device)


def art_classifier(
    model: nn.Module, device: torch.device, shape: tuple[int, ...], n_classes: int
) -> Any:
    """ART's `PyTorchClassifier` of `model`, which lies on `device`; images (C, H, W) in [0, 1].

    model: with a forward of its own; of an `nn.Sequential` ART calls the modules one by one, so
    that a forward that does more would be passed over.
    """
    from art.estimators.classification import PyTorchClassifier

    # ART takes the current GPU, whichever the model lies on.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        return PyTorchClassifier(
            model=model,
            loss=nn.CrossEntropyLoss(),
            input_shape=shape,
            nb_classes=n_classes,
            channels_first=True,
            clip_values=(0.0, 1.0),
            device_type="gpu" if device.type == "cuda" else "cpu",
        )
