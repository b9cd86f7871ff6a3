"""Runs on workers in this process, and what is compared of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from eval.begin import begun
from eval.data import ImageSet
from eval.errors import DataError
from eval.protocols import Protocol, protocol
from eval.request import Request
from eval.run import Progress
from eval.schedule import Schedule
from eval.threat import Threat
from tests.eval.executors.cluster.fakes import Fake, Faults

PGD = protocol("pgd-5")
SHORT = Protocol(
    name="short",
    stages=tuple(
        stage.model_copy(update={"steps": steps, "targets": stage.targets and 2})
        for stage, steps in zip(protocol("autoattack").stages, (4, 3, 3, 15), strict=True)
    ),
)
ENDS = Protocol(
    name="ends",
    stages=tuple(
        one.model_copy(update={"last_iterate": True})
        for name in ("pgd-1", "pgd-4")
        for one in protocol(name).stages
    ),
)
TWO = SHORT.model_copy(update={"name": "two", "stages": (SHORT.stages[0], SHORT.stages[3])})
EPS = Threat("Linf", "1/40")
POISON = 22


def asked(data: ImageSet, plan: Protocol = PGD, **options: Any) -> Request:
    return Request(data, EPS, plan, precision="fp32", **{"batch_size": 4, **options})


def known(run: Any) -> tuple[object, ...]:
    """All that is found out of each image, whoever found it."""
    stages = [run.ledger.known(stage.name) for stage in run.protocol.stages]
    found = [(one.broken, one.survived, one.right_at_end, one.without_gradient) for one in stages]
    return run.verdicts, found, run.clean.answers.tolist(), run.clean.ranking.tolist()


def outcome(
    net: nn.Module,
    request: Request,
    executor: Fake | None,
    schedule: Schedule | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[object, ...]:
    with begun(net, request, executor=executor, on_progress=on_progress) as run:
        run.attack(schedule)
        return known(run)


def only(worker: int, **faults: Any) -> Callable[[int], Faults]:
    """One worker has them, and none that comes in its place."""
    return lambda one: Faults(**faults) if one == worker else Faults()


FATES: dict[str, Callable[[int], Faults]] = {
    "one dies at its first shard": only(0, dies_at=1),
    "one dies later": only(1, dies_at=3),
    "many die now and then": lambda worker: Faults(dies_at=2 + worker if worker < 5 else None),
    "one raises what is no error of ours": only(0, raises={2: RuntimeError("CUDA error")}),
    "one runs out of memory": only(1, raises={1: MemoryError()}),
    "one finds other pixels": only(1, raises={2: DataError("the pixels of '3' are others here")}),
    "one is slow": only(0, turns=25),
    "one is slow, another dies": lambda worker: [Faults(turns=25), Faults(dies_at=2), Faults()][
        min(worker, 2)
    ],
    "one forgets images": only(0, forgets=frozenset({1, 2, 3, 17})),
    "each tells twice": lambda _: Faults(is_double=True),
    "one tells of images that it was not given": only(0, invents=(5, 9, 30)),
}
