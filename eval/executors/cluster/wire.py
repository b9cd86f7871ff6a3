"""What driver and workers say to each other. No Ray here: any transport can carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from eval.executors.base import Event, Job, UnderWay
from eval.stage import Stage

if TYPE_CHECKING:
    import numpy as np

    from eval.executors.cluster.travel import ImagesParcel, ModelParcel
    from eval.protocols import Protocol
    from eval.report.report import Flag
    from eval.threat import Threat

Kind = Literal["clean", "attack"]

CLEAN = Stage(name="clean", attack="clean", steps=1)
"""Of the jobs of a clean pass, which have no other stage."""


@dataclass(frozen=True)
class WorkerProfile:
    """Who a worker is, as it says itself.

    host, node, pid: where it runs; node is the cluster's own name of it. device: the kind of
    device, as "AMD EPYC" or "NVIDIA H100". code_sha256: of the source of this package.
    """

    host: str
    node: str
    pid: int
    python: str
    torch: str
    version: str
    code_sha256: str
    device: str

    @property
    def name(self) -> str:
        """How people tell it from others."""
        return f"{self.host} (process {self.pid})"

    @property
    def kind(self) -> str:
        """What makes its arithmetic another than that of others."""
        return f"{self.device}, torch {self.torch}"


@dataclass(frozen=True)
class Assignment:
    """All that a worker must know of a run before its first shard.

    model, images: how they travel. each: (N, 16), of the images, see `eval.data.prints`.
    device: "cpu" or "cuda".
    keeps_images: adversarial images are sent back, not only verdicts.
    interacts: the driver has seen images interact: each is computed alone, whatever a worker sees.
    """

    model: ModelParcel
    images: ImagesParcel
    each: NDArray[np.uint8]
    name: str
    threat: Threat
    protocol: Protocol
    seed: int
    device: str
    allow_probabilities: bool
    keeps_images: bool
    interacts: bool


@dataclass(frozen=True, eq=False)
class Opened:
    """A worker holds model and images. logits: (P, K) of the probe images, for the driver to see.

    flags: of how the model wants to be called, on this worker's device.
    """

    logits: NDArray[np.float32]
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class Prepared:
    """A worker has proven its copy of the model. See `eval.executors.crew`."""

    flags: tuple[Flag, ...]
    remarks: tuple[str, ...]
    precision: Literal["fp32", "bf16"]
    batch_size: int


@dataclass(frozen=True, eq=False)
class Classified:
    """Of the images at `positions` the model's answers (B,), and the wrong classes by falling logit
    (B, R).
    """

    positions: tuple[int, ...]
    answers: NDArray[np.int64]
    ranking: NDArray[np.unsignedinteger]
    n_classes: int


@dataclass(frozen=True)
class Order:
    """What a worker is to do next; more of the same may come before it is done.

    wave: counts what the driver asked for; of an earlier one nothing more is wanted. jobs: to be
    added. seconds: how long to work before it says what it found.
    """

    wave: int
    kind: Kind
    jobs: tuple[Job, ...]
    seconds: float


@dataclass(frozen=True)
class Packet:
    """What a worker found since it was asked last.

    is_idle: it has told all of what it was given. flags: of how it went, all so far. remarks:
    for people.
    """

    wave: int
    is_idle: bool
    told: tuple[Event | Classified, ...] = ()
    under_way: Mapping[str, UnderWay] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What came of a call: a `value`; or an `error` that it raised; or, if neither, its end.

    lost: why there is no worker any more, in words.
    """

    worker: int
    value: Any = None
    error: Exception | None = None
    lost: str = ""
