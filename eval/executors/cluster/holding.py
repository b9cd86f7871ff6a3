"""What one worker has of a wave, and how much of it it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eval.executors.base import Job

SHARD_S = 60.0
"""Seconds of work that a worker holds, where that is more than one batch."""

MOST_BATCHES = 64
"""That a worker holds, however fast it is."""


@dataclass
class Holding:
    """What one worker has.

    batch_size: of its passes. least: images that go out to it together. shards: as they were given,
    without those that are done. open: of its images those that are not done. told, seconds: images
    that it did in this wave, and in which time.
    """

    batch_size: int
    least: int
    shards: list[Job] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    told: int = 0
    seconds: float = 0.0

    @property
    def most(self) -> int:
        """Images that it may hold: a batch, or a minute of work where that is more."""
        rate = self.told / self.seconds if self.seconds else 0.0
        return min(max(self.batch_size, int(rate * SHARD_S)), MOST_BATCHES * self.batch_size)

    def take(self, shards: Sequence[Job]) -> None:
        """These are given to it."""
        self.shards = [one for one in self.shards if not self.open.isdisjoint(one.positions)]
        self.shards += shards
        for shard in shards:
            self.open.update(shard.positions)

    def drop(self, position: int) -> None:
        """An image is done, or not its own any more."""
        self.open.discard(position)
        if not self.open:
            self.shards = []
