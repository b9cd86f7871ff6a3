"""A worker: holds the model and opens the images once, then searches what it is given."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eval.checks import check_logits, usable_device
from eval.data.locate import ELSEWHERE
from eval.definition import weights_sha256
from eval.engine.classifier import Classifier
from eval.engine.contract import fitted, probe_images
from eval.engine.heap import freed_memory_kept
from eval.errors import SatZooError
from eval.executors.base import Broken, Event, Job, Setting, Spent, UnderWay
from eval.executors.cluster import elsewhere
from eval.executors.cluster.wire import (
    Assignment,
    Classified,
    Kind,
    Opened,
    Order,
    Packet,
    Prepared,
    WorkerProfile,
)
from eval.executors.crew import Alone
from eval.ieee import ieee_fp32
from eval.processor import processor
from eval.request import Request
from eval.verify import predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.data import ImageSet
    from eval.data.base import Opening
    from eval.data.prints import Prints
    from eval.engine.engine import Precision
    from eval.executors.pool import Pool

CLEAN_AT_ONCE = 512
"""Images of a clean pass that are told together."""


class Inbox(Iterator[Job]):
    """Jobs as they come in: an end of it is the end for now only."""

    def __init__(self) -> None:
        self.jobs = deque[Job]()

    def __next__(self) -> Job:
        if not self.jobs:
            raise StopIteration
        return self.jobs.popleft()


class Worker:
    """What runs on another machine, or in another process of this one.

    node: what the cluster calls its machine. n_threads: of torch; None for its own choice.
    loads: unpickles a model.

    Methods are called one at a time, in this order: `identity`, `open`, `look`, `begin`, `work`.
    """

    def __init__(
        self,
        node: str = "",
        n_threads: int | None = None,
        loads: Callable[[bytes], Any] | None = None,
    ) -> None:
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        self._node, self._loads = node, loads or _no_pickles
        self._opened: dict[Any, ImageSet] = {}
        self._wave, self._inbox = -1, Inbox()
        self._going: Iterator[Event | UnderWay | Classified] = iter(())
        self._pool: Pool | None = None

    def identity(self, device: str) -> WorkerProfile:
        """Who this is, computing on `device`, "cpu" or "cuda"."""
        place = usable_device(device)
        return WorkerProfile(
            host=socket.gethostname(),
            node=self._node,
            pid=os.getpid(),
            python=platform.python_version(),
            torch=torch.__version__,
            version=version("sat-zoo"),
            code_sha256=code_sha256(),
            device=processor(place),
        )

    def prints(self, opening: Opening, ids: Sequence[str], known: Mapping[str, bytes]) -> Prints:
        """See `eval.executors.cluster.elsewhere.prints`."""
        return elsewhere.prints(self._open_all(opening), ids, known)

    def read(
        self, opening: Opening, ids: Sequence[str], known: Mapping[str, bytes]
    ) -> NDArray[np.float32]:
        """See `eval.executors.cluster.elsewhere.pixels`."""
        return elsewhere.pixels(self._open_all(opening), ids, known)

    def manifest(self, opening: Opening) -> dict[str, Any]:
        """All that an `ImageSet` is but its pixels and where they lie."""
        images = self._open_all(opening)
        names = ("name", "split", "ids", "labels", "n_classes", "official_subset", "layout")
        more = ("shortfall", "n_skipped", "passed_over", "decoder")
        return {name: getattr(images, name) for name in (*names, *more)}

    def _open_all(self, opening: Opening) -> ImageSet:
        key = repr(opening)
        if key not in self._opened:
            token = ELSEWHERE.set(True)
            try:
                self._opened[key] = opening()
            finally:
                ELSEWHERE.reset(token)
        return self._opened[key]

    def open(self, assignment: Assignment) -> Opened:
        """Unpack model and images, and look how the model wants to be called.

        Raises `SatZooError` for what is not the driver's.
        """
        self._going, self._pool = iter(()), None
        self._assignment = assignment
        self._place = usable_device(assignment.device)
        model = assignment.model.unpacked(self._loads).to(self._place)
        self._images = assignment.images.unpacked(assignment.each, self._open_all)
        probes = probe_images(self._images, self._place)
        is_attacked = bool(assignment.protocol.stages)
        self._classifier, flags = fitted(model, assignment.name, probes, needs_gradient=is_attacked)
        if assignment.interacts and not self._classifier.contract.interacts:
            contract = replace(self._classifier.contract, interacts=True)
            self._classifier = Classifier(model, contract)
        logits = predict(self._classifier, probes).cpu()
        check_logits(logits, len(probes), assignment.name)
        return Opened(logits.numpy(), tuple(flags))

    @ieee_fp32()
    def look(self, precision: Precision, batch_size: int | None) -> Prepared:
        """Prove the copy that searches, and see what the first images say of the model."""
        given = self._assignment
        request = Request(
            data=self._images,
            threat=given.threat,
            protocol=given.protocol,
            precision=precision,
            seed=given.seed,
            batch_size=batch_size,
            device=given.device,
            name=given.name,
            allow_probabilities=given.allow_probabilities,
        )
        self._alone = Alone(self._classifier, request, self._place)
        looked = self._alone.look()
        return Prepared(looked.flags, looked.remarks, self._alone.precision, self._alone.batch_size)

    def begin(self, n_classes: int, ranking: NDArray[np.unsignedinteger]) -> None:
        """The clean pass is over. ranking: (N, R), of all images, see `CleanPass`."""
        from eval.executors.pool import Pool

        given = self._assignment
        setting = Setting(
            classifier=self._classifier,
            engine=self._alone.engine,
            n_classes=n_classes,
            data=self._images,
            threat=given.threat,
            seed=given.seed,
            device=self._place,
            ranking=ranking,
        )
        self._pool = Pool(setting)
        freed_memory_kept().__enter__()  # for as long as the process lives

    def weights(self) -> str:
        """The digest of the model's weights as they are now, see `eval.definition`."""
        return weights_sha256(self._classifier.model)

    @ieee_fp32()
    def work(self, task: Order) -> Packet:
        """Work for about `task.seconds`, and say what was found.

        Nothing more is said of an earlier wave. Once all that came in is done it says so at once.
        """
        if task.wave != self._wave:
            self._wave, self._inbox = task.wave, Inbox()
            self._going = self._events(task.kind)
        self._inbox.jobs.extend(self._fitting(job) for job in task.jobs)
        until, told = time.monotonic() + task.seconds, list[Event | Classified]()
        under_way: dict[str, UnderWay] = {}
        is_idle = True
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", RuntimeWarning)
            for event in self._events_of_now(task.kind):
                if isinstance(event, UnderWay):
                    under_way[event.stage] = event
                else:
                    told.append(self._to_send(event))
                # Costs come before what they were for, and are no news by themselves.
                if time.monotonic() >= until and not isinstance(event, Spent):
                    is_idle = False
                    break
        remarks = (str(one.message) for one in warned if one.category is RuntimeWarning)
        flags = () if self._pool is None else tuple(self._pool.flags)
        return Packet(
            task.wave, is_idle, tuple(told), under_way, flags, tuple(dict.fromkeys(remarks))
        )

    def _events_of_now(self, kind: Kind) -> Iterator[Event | UnderWay | Classified]:
        """What was going on goes on; after its end it begins anew with what has come in since."""
        yield from _without_end(self._going)
        if self._inbox.jobs:
            self._going = self._events(kind)
            yield from _without_end(self._going)

    def _events(self, kind: Kind) -> Iterator[Event | UnderWay | Classified]:
        if kind == "clean":
            return self._classified()
        assert self._pool is not None, "first it begins"
        return self._pool.run(self._inbox)

    def _classified(self) -> Iterator[Classified]:
        for job in self._inbox:
            for start in range(0, len(job.positions), CLEAN_AT_ONCE):
                some = job.positions[start : start + CLEAN_AT_ONCE]
                found = self._alone.clean_of(self._images.select(some), lambda *_: None)
                yield Classified(some, found.answers, found.ranking, found.n_classes)

    def _fitting(self, job: Job) -> Job:
        """With the batch size that fits here."""
        return Job(job.stages, job.positions, self._alone.batch_size)

    def _to_send(self, event: Event | Classified) -> Event | Classified:
        """An adversarial image only travels where it is wanted."""
        if not isinstance(event, Broken) or event.x_adv is None:
            return event
        is_wanted = self._assignment.keeps_images
        return replace(event, x_adv=event.x_adv.cpu().clone() if is_wanted else None)


def _without_end(events: Iterator[Any]) -> Iterator[Any]:
    """The same, which can be left without closing it."""
    while (event := next(events, None)) is not None:
        yield event


def _no_pickles(_: bytes) -> Any:
    raise SatZooError("this worker unpacks no pickled models")


@cache
def code_sha256() -> str:
    """Of the source files of this package: workers of other code are of another instrument."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
