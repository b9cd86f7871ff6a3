"""RemoteCrew that answer at once with verdicts that are made up: what a driver costs by itself."""

from __future__ import annotations

import pickle
import platform
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.executors.base import Broken, Event, Spent, Survived, UnderWay
from eval.executors.cluster.wire import (
    Classified,
    Opened,
    Order,
    Packet,
    Prepared,
    Reply,
    WorkerProfile,
)
from eval.executors.cluster.worker import CLEAN_AT_ONCE, code_sha256

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.executors.base import Job
    from eval.stage import Stage

PACKET = 200
"""Verdicts of one packet: of a worker that is asked every second."""


@dataclass(eq=False)
class Simulated:
    """A `Transport` to workers that compute nothing, in this process, which answer in turn.

    labels: (N,) of the images, all of which are classified right. n_classes: of them.
    is_broken: of a stage and a position. batch_size: of each worker. rate: images a second that
    each says it searches. seconds: that making and pickling packets took, which workers would do.
    n_bytes, n_verdicts: of packets of attacks, as pickled.
    """

    labels: NDArray[np.int64]
    n_classes: int
    is_broken: Callable[[Stage, int], bool]
    batch_size: int = 128
    rate: float = 200.0
    logits: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    weights: str = ""
    seconds: float = 0.0
    n_bytes: int = 0
    n_verdicts: int = 0
    _calls: deque[tuple[int, str, tuple[Any, ...]]] = field(default_factory=deque)
    _has: dict[int, deque[Job]] = field(default_factory=dict)

    def hire(self) -> int:
        """See `Transport.hire`."""
        worker = len(self._has)
        self._has[worker] = deque()
        return worker

    def ask(self, worker: int, method: str, *args: Any) -> None:
        """See `Transport.ask`."""
        self._calls.append((worker, method, args))

    def wait(self, seconds: float) -> Sequence[Reply]:
        """The next answer."""
        if not self._calls:
            return ()
        worker, method, args = self._calls.popleft()
        return (Reply(worker, getattr(self, f"_{method}")(worker, *args)),)

    def put(self, value: Any) -> Any:
        """See `Transport.put`."""
        return value

    def dismiss(self, worker: int) -> None:
        """See `Transport.dismiss`."""
        self._calls = deque(call for call in self._calls if call[0] != worker)

    def _identity(self, worker: int, device: str) -> WorkerProfile:
        return WorkerProfile(
            host="simulated",
            node="",
            pid=worker,
            python=platform.python_version(),
            torch="none",
            version=version("sat-zoo"),
            code_sha256=code_sha256(),
            device=device,
        )

    def _open(self, worker: int, assignment: object) -> Opened:
        return Opened(self.logits, ())

    def _look(self, worker: int, precision: object, batch_size: object) -> Prepared:
        return Prepared((), (), "fp32", self.batch_size)

    def _begin(self, worker: int, n_classes: int, ranking: object) -> None:
        return None

    def _weights(self, worker: int) -> str:
        return self.weights

    def _work(self, worker: int, task: Order) -> Packet:
        started = time.perf_counter()
        has = self._has[worker]
        has.extend(task.jobs)
        told: list[Event | Classified] = []
        most, n = (CLEAN_AT_ONCE if task.kind == "clean" else PACKET), 0
        while has and n < most:
            job = has.popleft()
            some, rest = job.positions[: most - n], job.positions[most - n :]
            n += len(some)
            if rest:
                has.appendleft(replace(job, positions=rest))
            told += [self._classified(some)] if task.kind == "clean" else self._told(job, some)
        packet = Packet(task.wave, not has, tuple(told), self._under_way(has))
        content = pickle.dumps(packet, pickle.HIGHEST_PROTOCOL)
        if task.kind == "attack":
            self.n_bytes += len(content)
            self.n_verdicts += n
        self.seconds += time.perf_counter() - started
        found: Packet = pickle.loads(content)  # which the driver does
        return found

    def _classified(self, positions: tuple[int, ...]) -> Classified:
        labels = self.labels[np.asarray(positions)]
        others = np.arange(1, min(self.n_classes, 10), dtype=np.uint8)
        ranking = ((labels[:, None] + others) % self.n_classes).astype(np.uint8)
        return Classified(positions, labels, ranking, self.n_classes)

    def _told(self, job: Job, positions: tuple[int, ...]) -> list[Event]:
        found, standing = list[Event](), positions
        for stage in job.stages:
            found.append(Spent(stage.name, len(standing) / self.rate, 20 * len(standing)))
            broken = {p for p in standing if self.is_broken(stage, p)}
            for position in standing:
                if position in broken:
                    found.append(Broken(stage.name, position, None, True))
                else:
                    found.append(Survived(stage.name, position))
            standing = tuple(p for p in standing if p not in broken)
        return found

    def _under_way(self, has: deque[Job]) -> dict[str, UnderWay]:
        if not has:
            return {}
        stage, some = has[0].stages[0].name, has[0].positions[: self.batch_size]
        return {stage: UnderWay(stage, dict.fromkeys(some, 0.5))}
