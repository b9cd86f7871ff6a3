"""From the host's memory to a device's."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(values: Tensor, place: torch.device) -> Tensor:
    """`values`, which lie on the CPU, on the device `place`; for a GPU the host does not wait.

    torch keeps the pinned memory until the copy is done.
    """
    if place.type != "cuda":
        return values.to(place)
    return values.pin_memory().to(place, non_blocking=True)
