"""One stage on the surviving images: rows leave when broken, the next images take their places."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eval.attacks.random import image_key
from eval.attacks.rows import Attack, Search, Task
from eval.threat import Threat
from eval.verify import predict, verify

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.engine import Net

REFILL_AT = 0.25
"""New images join when this share of the places is free: fewer, larger starts."""


@dataclass(frozen=True)
class Broken:
    """A verified adversarial image of the image at `position`."""

    position: int
    x_adv: Tensor
    is_broken_8bit: bool


@dataclass
class Outcome:
    """What `run_stage` counts besides the verdicts.

    n_rejected: candidates that verification refused.
    n_last_iterate_correct: images right at the end of their run; None unless the attack keeps
        broken images to their last iterate.
    """

    n_rejected: int = 0
    n_last_iterate_correct: int | None = None


@dataclass(frozen=True)
class StageInput:
    """Everything that `run_stage` needs to know of one stage.

    ranking: (N, R) the classes other than the label by falling clean logit, for each position.
    """

    name: str
    attack: Attack
    net: Net
    model: nn.Module
    threat: Threat
    data: ImageSet
    seed: int
    device: torch.device
    ranking: NDArray[np.int16]

    def tasks(self, positions: Sequence[int]) -> Task:
        """Load the images at `positions` with their keys."""
        batch = self.data.batch(positions)
        keys = [image_key(self.seed, image_id, self.name) for image_id in batch.ids]
        return Task(
            position=torch.tensor(list(positions)),
            x=batch.x.to(self.device),
            y=batch.y.to(self.device),
            key=torch.tensor(keys, device=self.device),
            ranking=torch.from_numpy(self.ranking[list(positions)]).long().to(self.device),
        )


def run_stage(
    stage: StageInput, positions: Sequence[int], *, batch_size: int, outcome: Outcome
) -> Iterator[Broken | int]:
    """Attack the images at `positions`, at most `batch_size` at a time.

    Yields a `Broken` as soon as one is verified, and the bare position of an image when nothing
    is left to try on it; counts into `outcome`.
    """
    waiting = deque(positions)
    attack = stage.attack
    if not attack.leaves_when_broken:
        outcome.n_last_iterate_correct = 0
    settled: set[int] = set()  # broken, but still on the way to the last iterate
    search: Search | None = None
    while waiting or search is not None:
        search = _refill(stage, search, waiting, batch_size)
        attack.step(stage.net, search)
        for broken in _verify_hits(stage, search, outcome, settled):
            settled.add(broken.position)
            yield broken
        done, survivors = _finished(stage, search, outcome, settled)
        yield from survivors
        search = _restart_or_leave(stage, search, done, settled)


def _refill(
    stage: StageInput, search: Search | None, waiting: deque[int], batch_size: int
) -> Search:
    n_free = batch_size - (len(search) if search is not None else 0)
    if search is not None and (not waiting or n_free < batch_size * REFILL_AT):
        return search
    tasks = stage.tasks([waiting.popleft() for _ in range(min(n_free, len(waiting)))])
    new = stage.attack.start(stage.net, tasks, torch.zeros_like(tasks.position))
    return new if search is None else search.cat(new)


def _verify_hits(
    stage: StageInput, search: Search, outcome: Outcome, settled: set[int]
) -> Iterator[Broken]:
    if not bool(search.is_hit.any()):
        return
    positions = search.task.position.tolist()
    is_open = torch.tensor([p not in settled for p in positions], device=search.is_hit.device)
    rows = (search.is_hit & is_open).nonzero().squeeze(1)
    # A refused candidate is forgotten, and the search goes on.
    search.is_hit = torch.zeros_like(search.is_hit)
    if len(rows) == 0:
        return
    task, x_adv = search.task.select(rows), search.candidate[rows]
    checked = verify(stage.model, task.x, x_adv, task.y, stage.threat)
    outcome.n_rejected += int((~checked.is_broken).sum())
    for i in checked.is_broken.nonzero().squeeze(1).tolist():
        yield Broken(int(task.position[i]), x_adv[i], bool(checked.is_broken_8bit[i]))


def _finished(
    stage: StageInput, search: Search, outcome: Outcome, settled: set[int]
) -> tuple[Tensor, list[int]]:
    attack = stage.attack
    done = (search.k >= attack.n_steps) & (search.run >= attack.n_runs - 1)
    positions = search.task.position[done].tolist()
    if positions and outcome.n_last_iterate_correct is not None:
        rows = done.nonzero().squeeze(1).to(search.is_hit.device)
        last = search.last_iterate()[rows]
        right = predict(stage.model, last).argmax(1) == search.task.y[rows]
        outcome.n_last_iterate_correct += int(right.sum())
    return done, [p for p in positions if p not in settled]


def _restart_or_leave(
    stage: StageInput, search: Search, done: Tensor, settled: set[int]
) -> Search | None:
    attack = stage.attack
    is_settled = torch.tensor([p in settled for p in search.task.position.tolist()])
    leaves = done | (is_settled & (attack.leaves_when_broken | (search.k >= attack.n_steps)))
    if bool(leaves.all()):
        return None
    if bool(leaves.any()):
        search = search.select(~leaves)
    ends = (search.k >= attack.n_steps).nonzero().squeeze(1)
    if len(ends):
        old = search.select(ends)
        fresh = attack.start(stage.net, old.task, old.run + 1)
        fresh.note(old.best, old.best_margin)
        search.put(ends, fresh)
    return search
