"""What one stage is given, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eval.attacks.attack import Attack
from eval.attacks.random import image_key
from eval.attacks.rows import Task
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.engine import Engine


@dataclass(frozen=True)
class Broken:
    """A verified adversarial image of the image at `position`."""

    position: int
    x_adv: Tensor
    is_broken_8bit: bool


@dataclass(frozen=True)
class Survived:
    """Nothing is left to try against the image at `position`."""

    position: int


@dataclass(frozen=True)
class Ended:
    """The end of the run of the image at `position`, broken or not: what the last iterate does.

    Only from attacks that keep broken images to their last iterate.
    """

    position: int
    is_right: bool


Event = Broken | Survived | Ended
"""What an executor tells of an image as soon as it is known."""


@dataclass
class Outcome:
    """What a stage counts besides the verdicts.

    n_rejected: candidates that verification refused. n_polished: of the broken images, those that
    only the fp32 polish found. n_without_gradient: survivors whose every gradient was zero.
    n_with_nan: images, broken or not, that met a gradient with an entry that was no finite number.
    """

    n_rejected: int = 0
    n_polished: int = 0
    n_without_gradient: int = 0
    n_with_nan: int = 0


class Executor(Protocol):
    """Whatever carries out a stage: the pool here, the authors' package, others.

    batch_size: images in one pass, smaller after memory ran out. outcome: what it counts.
    """

    batch_size: int
    outcome: Outcome

    def run(self) -> Iterator[Event]:
        """Attack until nothing is left to try, telling each event once it is known and proven.

        A `Broken` comes before the `Ended` of the same image; an event may be told twice.
        """

    def passes(self) -> tuple[int, int]:
        """Images sent forward and backward through networks so far."""


@dataclass(frozen=True)
class End:
    """Of a survivor, whether any gradient was not zero, and whether one was NaN or infinite."""

    had_gradient: bool
    had_nan: bool


@dataclass(frozen=True)
class StageInput:
    """Everything that a `Pool` needs to know of one stage.

    polish_steps: 0 where the search is in fp32 already.
    ranking: (N, R) the classes other than the label by falling clean logit, for each position.
    """

    name: str
    attack: Attack
    engine: Engine
    polish_steps: int
    model: nn.Module
    threat: Threat
    data: ImageSet
    seed: int
    device: torch.device
    ranking: NDArray[np.unsignedinteger]

    def tasks(self, positions: Sequence[int]) -> Task:
        """Load the images at `positions` with their keys."""
        batch = self.data.batch(positions)
        keys = [image_key(self.seed, image_id, self.name) for image_id in batch.ids]
        at = torch.tensor(list(positions))
        return Task(
            position=at,
            x=batch.x.to(self.device),
            y=batch.y.to(self.device),
            key=torch.tensor(keys, device=self.device),
            ranking=torch.from_numpy(self.ranking[at.numpy()].astype(np.int64)).to(self.device),
        )
