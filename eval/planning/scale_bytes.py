"""What travels in a run of `eval.planning.scale`, in bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval.planning.scale import ImageFiles, Machines, Network, Staged, took

EVENT_BYTES = 200
"""Of what is told of one image and stage, with its position in a shard, 8 bytes. Measured here as
`len(pickle.dumps(Survived(...)))` and `Broken` without its image, which are a little less."""

PACKET_BYTES = 1000
"""Of what a worker tells each second beside events. Assumed."""

INDEX_BYTES = 50
"""Of an image in what each machine is told of the run: id, label and digest, 16 bytes of it."""


@dataclass(frozen=True)
class Moved:
    """Bytes. start: weights and index, to all machines; events; adversarial images, if they are
    saved; and the files of images that one machine reads, each anew in every stage.
    """

    start: float
    events: float
    saved: float
    read: float


def moved(
    stages: Sequence[Staged],
    network: Network,
    images: ImageFiles,
    n_gpus: int,
    machines: Machines,
) -> Moved:
    """What travels in a run on n_gpus."""
    n_machines = math.ceil(n_gpus / machines.gpus)
    told = sum(stage.attacked for stage in stages)
    lasts = took(stages, network, n_gpus, machines).lasts
    return Moved(
        start=n_machines * (4 * network.parameters + INDEX_BYTES * images.n),
        events=EVENT_BYTES * told + PACKET_BYTES * n_gpus * lasts,
        saved=sum(stage.broken for stage in stages) * 3 * network.size**2 * 4,
        read=told * images.file_bytes / n_machines,
    )
