"""The rows of a stage's search: how they are loaded, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from eval.attacks.random import image_key
from eval.attacks.search import Search, Task
from eval.engine.sending import sent

if TYPE_CHECKING:
    from eval.attacks.attack import Attack
    from eval.executors.base import Setting


def tasks(setting: Setting, stage: str, positions: Sequence[int]) -> Task:
    """The images at `positions` with their keys, on the device of `setting`."""
    send = partial(sent, place=setting.device)
    batch = setting.data.batch(positions)
    keys = [image_key(setting.seed, image_id, stage) for image_id in batch.ids]
    ranking = setting.ranking[np.asarray(positions)].astype(np.int64)
    return Task(
        position=torch.tensor(positions),
        x=send(batch.x),
        y=send(batch.y),
        key=send(torch.tensor(keys)),
        ranking=send(torch.from_numpy(ranking)),
    )


def shares(
    attack: Attack, polish_steps: int, search: Search | None, polish: Search | None
) -> dict[int, float]:
    """Of each row's image the share of its steps that are done, see `UnderWay`.

    polish_steps: that follow the search; polish: rows that wait for these.
    """
    most = attack.n_runs * attack.n_steps + polish_steps
    found: dict[int, float] = {}
    if search is not None:
        steps = (search.run * attack.n_steps + search.k).tolist()
        found.update(zip(search.task.position.tolist(), [n / most for n in steps], strict=True))
    if polish is not None:
        found.update(dict.fromkeys(polish.task.position.tolist(), 1 - polish_steps / most))
    return found
