"""Which images have fallen along a curve, where, and by which adversarial images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from eval.engine.batching import WithinMemory
from eval.errors import SatZooError
from eval.run import Run
from eval.threat import Threat
from eval.verify import verify


@dataclass(eq=False)
class Fallen:
    """What is known of each image so far.

    run: the clean pass on all images, whose classifier and data are asked.
    at: the number of the point at which an image fell, 0 without an attack, None while it stands.
    x_adv: (C, H, W) of each that fell later, by position.
    """

    run: Run
    at: list[int | None]
    x_adv: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> Fallen:
        """After the clean pass `run`."""
        return cls(run, [None if right else 0 for right in run.clean.is_right])

    @property
    def standing(self) -> list[int]:
        """Positions of images that nothing has broken."""
        return [i for i, at in enumerate(self.at) if at is None]

    @property
    def carried(self) -> list[int]:
        """Positions of images that an attack has broken."""
        return sorted(self.x_adv)

    def take(self, run: Run, positions: Sequence[int], number: int) -> None:
        """What `run`, of the images at `positions`, broke fell at the point `number`.

        Raises `SatZooError` for a verdict without an adversarial image.
        """
        images = run.images or {}
        for local, (position, verdict) in enumerate(zip(positions, run.verdicts, strict=True)):
            if verdict == "robust":
                continue
            if verdict == "clean":
                # In other company the logits of an image may be another in the last bit, so that
                # one at the border is wrong by itself; then it is its own adversarial image.
                x_adv = run.request.data.batch([local]).x[0]
            elif local in images:
                x_adv = images[local]
            else:
                raise SatZooError(
                    f"the image at position {position} has the verdict {verdict!r} but no"
                    " adversarial image, so that it cannot be carried along a curve"
                )
            self.at[position], self.x_adv[position] = number, x_adv

    def n_unconfirmed(self, threat: Threat) -> int:
        """How many of the carried images are not found broken in the ball `threat`, as of now.

        Each was when it was found, in a ball inside of this one; what is left is a model that draws
        or logits that are equal up to rounding.
        """
        carried = self.carried
        return len(carried) - self._n_broken(carried, threat, self.x_adv.__getitem__)

    def n_grey(self, threat: Threat) -> int:
        """How many of the images that stand are wrong as plain grey, if `threat` holds it."""
        x = self.run.request.data.batch([0]).x[0]
        return self._n_broken(self.standing, threat, lambda _: torch.full_like(x, 0.5))

    def _n_broken(
        self, positions: Sequence[int], threat: Threat, x_adv: Callable[[int], Tensor]
    ) -> int:
        memory = WithinMemory(self.run.batch_size, "the carried images")
        return memory(lambda size: sum(self._broken(positions, threat, x_adv, size)))

    def _broken(
        self, positions: Sequence[int], threat: Threat, x_adv: Callable[[int], Tensor], size: int
    ) -> Iterator[int]:
        """Of each batch of `size` how many `verify` finds broken."""
        setting = self.run.setting
        for start in range(0, len(positions), size):
            chosen = positions[start : start + size]
            batch = setting.data.batch(chosen)
            claimed = torch.stack([x_adv(position) for position in chosen])
            x, y = batch.x.to(setting.device), batch.y.to(setting.device)
            verified = verify(setting.classifier, x, claimed.to(setting.device), y, threat)
            yield int(verified.is_broken.sum())
