"""What AutoAttack on all of ImageNet takes on 1 to 512 GPUs, and what is in the way: a calculation.

`python -m eval.planning.scale` prints the tables. No GPU was at hand: a GPU's rate is a published
peak times an assumed share of it, so that hours are an estimate to plan with, not a measurement.
Passes do not depend on it.

Of N images, A come to a stage. One that survives it takes f forwards, g of them with a backward,
and in the fp32 polish f' and g'; one that falls takes fewer. A forward is 2 F operations, F being
the multiply-adds, and a backward to the image as many (measured: `eval.engine.cost`). With R and R'
operations a second in bf16 and fp32, a survivor takes

    c = 2 F (f + g) / R  +  2 F (f' + g') / R'        seconds of a GPU that is full, but
    l = h K (f + f' - g - g')  +  h K' (g + g')       seconds at least,

since its passes come one after another, and each is K kernels (K' with the backward) of h seconds
or more. With W seconds for all of the stage's passes, c of them for a survivor, each of G GPUs has
images that take as much as k = ceil(W / (c G)) survivors, in batches of B. The stage lasts

    T = max( (1 + OVERHEAD) ((k div B) max(B c, l) + max((k mod B) c, l)),    GPUs, no last if 0
             A / (G C D),                                                     reading and decoding
             A / DRIVER_VERDICTS_PER_S )                                      the driver

on C cores a GPU that decode D pictures a second each. W / G of it are passes; what the GPUs take
beyond that is the barrier: images that do not go round, and last batches too small to fill a GPU,
since a stage begins when the one before has ended. It is what cannot be avoided: a stage ends for
all at once. The run lasts the sum of T. Not in it are starting (Ray, torch, the proof of the fast
copy: tens of seconds), and verifications, about one pass for each image that falls.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from eval.planning.fates import falling
from eval.planning.shares import StageShare, known_shares
from eval.protocols import protocol
from eval.threat import Threat

THREAT = Threat("Linf", "4/255")

DRIVER_VERDICTS_PER_S = 13_000.0
"""That the driver takes, of all workers together: bench_results/driver.csv, on a busy machine."""

OVERHEAD = 0.05
"""Of a worker's time, for what is neither a pass nor waiting: the bound that is asked for. On one
machine two workers of a thread take less time than one process of two: bench_results/spread.csv."""


@dataclass(frozen=True)
class Network:
    """A network, and how it fares.

    size: of the image (size, size). parameters, multiply_adds: its card's, the latter forward.
    kernels, gradient_kernels: operations of a forward, and of a forward with its backward; counted
        here (tests/eval/planning/test_scale.py), without batch norm, which the fast copy folds.
    clean, robust: the paper's accuracies on ImageNet, the latter under PGD-200 at Linf 4/255, taken
        for what APGD-CE leaves.
    batch: images of a pass on a GPU. Assumed, from the memory that `eval.engine.cost` measures.
    bf16_share, fp32_share: of the GPU's peaks that its passes reach. Assumed. Depthwise
        convolutions wait for memory, so that EfficientNets reach less.
    decoded: pictures that a core decodes and resizes a second. Measured here, one core of a busy
        AMD EPYC: `python -m eval.data.bench --data folder --preprocess zoo.preprocess:Pipeline
        --preprocess-option kind=KIND --preprocess-option size=SIZE --decoders 0`, where KIND is
        resnet-opencv or efficientnet-tf.
    """

    name: str
    size: int
    parameters: int
    multiply_adds: int
    kernels: int
    gradient_kernels: int
    clean: float
    robust: float
    batch: int
    bf16_share: float
    fp32_share: float
    decoded: float


@dataclass(frozen=True)
class Machines:
    """What there is of, beside GPUs in their number.

    bf16, fp32: operations a second at most, dense, without tensor cores in fp32. Published: NVIDIA,
        H100 Tensor Core GPU data sheet, SXM (1,979 with sparsity, of which half; 67).
    kernel_s: least seconds of a kernel, its start included. Assumed.
    gpus, cores: of a machine, and of a GPU for decoding, what a worker takes by itself.
    """

    bf16: float = 989.5e12
    fp32: float = 67e12
    kernel_s: float = 5e-6
    gpus: int = 8
    cores: int = 8
    verdicts_per_s: float = DRIVER_VERDICTS_PER_S
    overhead: float = OVERHEAD


@dataclass(frozen=True)
class ImageFiles:
    """The images. file_bytes: of one. Published: ILSVRC2012_img_val.tar is 6.74 GB for 50,000."""

    n: int = 50_000
    file_bytes: int = 134_800


RESNET_50 = Network(
    "resnet50-silu-sat", 224, 25_557_032, 4_089_184_256, 121, 245, 0.697, 0.423, 512, 0.2, 0.5, 64.5
)
EFFICIENTNET_L1 = Network(
    "efficientnet-l1-enhanced-sat", 600, 272_630_564, 162_009_416_624,
    752, 1696, 0.822, 0.586, 8, 0.1, 0.2, 8.7,
)  # fmt: skip


class PassCounts(NamedTuple):
    """Forwards, those with a backward among them; backwards; and the same of the fp32 polish."""

    forwards: float
    backwards: float
    exact_forwards: float = 0.0
    exact_backwards: float = 0.0

    def times(self, n: float) -> PassCounts:
        """Of n images."""
        return PassCounts(*(n * one for one in self))


@dataclass(frozen=True)
class Staged:
    """A stage: how many images come to it and fall, and the passes of a survivor and of another."""

    name: str
    attacked: float
    broken: float
    survivor: PassCounts
    fallen: PassCounts

    @property
    def passes(self) -> PassCounts:
        """Of all of its images."""
        stand = self.survivor.times(self.attacked - self.broken)
        return PassCounts(*map(sum, zip(stand, self.fallen.times(self.broken), strict=True)))


@dataclass(frozen=True)
class Took:
    """Seconds: GPUs in passes and at the barrier, reading, the driver; and how long it lasts."""

    passes: float
    barrier: float
    reading: float
    driver: float
    lasts: float

    @property
    def bottleneck(self) -> str:
        """Which of the four is the longest."""
        parts = {
            "GPU passes": self.passes,
            "barrier": self.barrier,
            "reading and decoding": self.reading,
            "driver": self.driver,
        }
        return max(parts, key=lambda name: parts[name])


def staged(network: Network, images: ImageFiles = ImageFiles()) -> list[Staged]:
    """The clean pass and the stages of autoattack-standard@1, as expected for a network.

    What APGD-CE breaks is the paper's; what comes after it, and all passes, are those of this
    project's own Reports (`shares.json`), of smaller networks on CIFAR-10 and digits.
    """
    stand = images.n * network.clean
    found = [Staged("clean", images.n, 0.0, PassCounts(0.0, 0.0, 1.0), PassCounts(0.0, 0.0))]
    stages = protocol("autoattack-standard@1").stages
    for i, stage in enumerate(stages):
        like = known_shares().known(stages[: i + 1])
        share = 1 - network.robust / network.clean
        if i:
            share = falling(like, stand, THREAT.eps).expected
        found.append(Staged(stage.name, stand, stand * share, *_passes(i)))
        stand -= found[-1].broken
    return found


@cache
def _passes(i: int) -> tuple[PassCounts, PassCounts]:
    """Of a survivor and of an image that falls, in stage i."""
    from eval.attacks.registry import build  # imports torch

    stages = protocol("autoattack-standard@1").stages
    shares = [share for _, share in known_shares().known(stages[: i + 1])]
    attack = build(stages[i], THREAT, 1000)
    most = attack.most_passes(attack.polish_steps)
    forwards = per_image(shares, "forwards", most.forwards + most.gradients)
    backwards = per_image(shares, "backwards", most.gradients)
    polish = (most.exact_forwards + most.exact_gradients, most.exact_gradients)
    return PassCounts(forwards[0], backwards[0], *polish), PassCounts(forwards[1], backwards[1])


def per_image(shares: Sequence[StageShare], kind: str, most: float) -> tuple[float, float]:
    """Passes of a survivor and of an image that falls, as Reports say.

    kind: "forwards" or "backwards". most: of an image that survives. Where Reports have fewer, as
    of FAB, which skips what an image does not need, all images count alike.
    """
    told = sum(getattr(share, kind) for share in shares)
    attacked = sum(share.attacked for share in shares)
    broken = sum(share.broken for share in shares)
    rest = told - (attacked - broken) * most
    if rest < 0 or not broken:
        return told / attacked, told / attacked
    return most, rest / broken


def seconds(passes: PassCounts, network: Network, machines: Machines) -> float:
    """Of one GPU that is full."""
    forwards, backwards, exact_forwards, exact_backwards = passes
    rate, exact_rate = network.bf16_share * machines.bf16, network.fp32_share * machines.fp32
    search, polish = forwards + backwards, exact_forwards + exact_backwards
    return 2 * network.multiply_adds * (search / rate + polish / exact_rate)


def least_seconds(passes: PassCounts, network: Network, machines: Machines) -> float:
    """Of one image whose passes come one after another, on an empty GPU."""
    forwards, backwards = passes[0] + passes[2], passes[1] + passes[3]
    n_kernels = (forwards - backwards) * network.kernels + backwards * network.gradient_kernels
    return machines.kernel_s * n_kernels


def stage_took(stage: Staged, network: Network, n_gpus: int, machines: Machines) -> Took:
    """How long a stage lasts on n_gpus, see the module's docstring."""
    work = seconds(stage.passes, network, machines)
    each = seconds(stage.survivor, network, machines)
    least = least_seconds(stage.survivor, network, machines)
    n_full, last = divmod(math.ceil(work / each / n_gpus - 1e-9), network.batch)
    gpus = n_full * max(network.batch * each, least) + (max(last * each, least) if last else 0.0)
    reading = stage.attacked / (n_gpus * machines.cores * network.decoded)
    driver = stage.attacked / machines.verdicts_per_s
    lasts = max((1 + machines.overhead) * gpus, reading, driver)
    return Took(work / n_gpus, gpus - work / n_gpus, reading, driver, lasts)


def took(stages: Iterable[Staged], network: Network, n_gpus: int, machines: Machines) -> Took:
    """How long the stages last, one after the other."""
    every = [stage_took(stage, network, n_gpus, machines) for stage in stages]
    return Took(
        passes=sum(one.passes for one in every),
        barrier=sum(one.barrier for one in every),
        reading=sum(one.reading for one in every),
        driver=sum(one.driver for one in every),
        lasts=sum(one.lasts for one in every),
    )


if __name__ == "__main__":
    from eval.planning.scale_table import tables

    sys.stdout.write(tables() + "\n")
