"""What code of others returned for a batch, judged as everything is: by `verify` alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from eval.executors.base import Broken, Event, Meter, Setting, Survived
from eval.stage import Stage
from eval.verify import predict, verify


def judged(
    setting: Setting,
    stage: Stage,
    positions: Sequence[int],
    x: Tensor,
    y: Tensor,
    x_adv: Tensor,
    meter: Meter,
    is_kept: Tensor | None = None,
) -> Iterator[Event]:
    """A `Broken` for each image that `x_adv` breaks, a `Survived` for each other.

    x, x_adv: (B, C, H, W); y: (B,) labels. What the model is wrong about and `verify` refuses is
    counted in `meter.rejected`. is_kept: (B,), of the survivors, see `Survived`; default all.
    """
    checked = verify(setting.classifier, x, x_adv, y, setting.threat)
    # What comes back right is no claim: the attack found nothing.
    is_claimed = predict(setting.classifier, torch.nan_to_num(x_adv)).argmax(1) != y
    meter.rejected += int((is_claimed & ~checked.is_broken).sum())
    for row, position in enumerate(positions):
        if checked.is_broken[row]:
            is_8bit = bool(checked.is_broken_8bit[row])
            yield Broken(stage.name, position, x_adv[row], is_8bit)
        else:
            kept = is_kept is None or bool(is_kept[row])
            yield Survived(stage.name, position, is_kept=kept)
