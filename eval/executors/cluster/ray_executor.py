"""`RayExecutor`: what a user says of workers, and the way from there to a crew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from eval.cpus import usable_cpus
from eval.errors import UsageError
from eval.executors.cluster.admission import Admission
from eval.executors.cluster.crew import RemoteCrew
from eval.executors.cluster.elsewhere import Elsewhere
from eval.executors.cluster.fleet import Fleet
from eval.executors.cluster.joining import (
    ClusterError,
    Room,
    check_address,
    check_counts,
    imported,
    join,
    room,
)
from eval.executors.cluster.seat import RayTransport
from eval.executors.cluster.travel import Factory
from eval.files.interrupts import uninterrupted

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.data.base import Opening
    from eval.engine.classifier import Classifier
    from eval.request import Request


@dataclass(eq=False)
class RayExecutor:
    """RemoteCrew of a Ray cluster, for `evaluate(..., executor=RayExecutor(...))`.

    As a context manager it keeps its workers from one evaluation to the next, until its block ends.

    ray: "local" for processes of this machine; "auto" for the cluster that it is part of;
        "HOST:PORT" for one by its address.
    workers: how many, or "auto" for as many as there is room for.
    gpus_per_worker: GPUs of each, 0 to compute on CPUs; a fraction shares one.
    cpus_per_worker: cores of each, and threads of torch; None for one, or with a GPU its share of
        the machine's cores. On "local" None shares the cores among `workers`.
    factory, factory_options: for a model that cannot be pickled, "MODULE:FUNCTION" that makes it,
        see `eval.factory`; modules of the current folder travel with it. A process that has called
        `ray.init` itself must have told it of them, as `runtime_env={"working_dir": "."}`.
    on_message: told who is left out, and why.

    Raises `UsageError` for what cannot be, here; `ClusterError` from `connect` on.
    """

    ray: str = "local"
    workers: int | Literal["auto"] = "auto"
    gpus_per_worker: float = 0
    cpus_per_worker: int | None = None
    factory: str | None = None
    factory_options: Mapping[str, Any] = field(default_factory=dict)
    on_message: Callable[[str], None] = lambda _: None
    _fleet: Fleet | None = field(default=None, init=False, repr=False)
    _leave: Callable[[], None] | None = field(default=None, init=False, repr=False)
    _depth: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_address(self.ray)
        check_counts(self.workers, self.gpus_per_worker, self.cpus_per_worker)

    @property
    def device(self) -> str:
        """Where workers compute."""
        return "cuda" if self.gpus_per_worker else "cpu"

    def connect(self) -> None:
        """Reach the cluster, and start the workers; they open nothing yet.

        Raises `UsageError` without Ray, and for more workers than the cluster has room for;
        `ClusterError` where it cannot be reached.
        """
        if self._fleet is not None:
            return
        try:
            self._fleet = self._hired()
        except BaseException:
            self.close()
            raise

    def room(self) -> Room:
        """The workers that there will be, for which the cluster is reached. Raises as `connect`."""
        imported()
        working_dir = Path.cwd() if self.factory is not None else None
        if self._leave is None:
            self._leave = join(self.ray, working_dir)
        place = room(self._cpus, self.gpus_per_worker)
        each = f"{place.cpus:g} CPU" + (f" and {place.gpus:g} GPU" if place.gpus else "")
        n = place.n if self.workers == "auto" else self.workers
        if not place.n:
            raise UsageError(
                f"the cluster ({place.said}) has no machine with room for a worker that takes"
                f" {each}: give what each takes with `cpus_per_worker` and `gpus_per_worker`"
            )
        if n > place.n:
            raise UsageError(
                f"`workers` {self.workers}: the cluster ({place.said}) has room for {place.n} that"
                f" take {each} each: give fewer, or what each takes with `cpus_per_worker` and"
                " `gpus_per_worker`"
            )
        return replace(place, n=n)

    def _hired(self) -> Fleet:
        place = self.room()
        resources = {"num_cpus": place.cpus, "num_gpus": place.gpus}

        def has_room() -> bool:
            return room(place.cpus, place.gpus).n > 0

        transport = RayTransport(resources, max(1, int(place.cpus)), has_room)
        return Fleet(transport, place.n, self.device, self.on_message)

    @property
    def _cpus(self) -> int | None:
        is_shared = self.ray == "local" and self.workers != "auto" and not self.gpus_per_worker
        if self.cpus_per_worker is None and is_shared:
            return max(1, usable_cpus() // int(self.workers))
        return self.cpus_per_worker

    def images(self, opening: Opening) -> ImageSet:
        """The images that `opening` opens on the workers, for a driver that has none of them.

        Raises `DataError` where a worker has none either.
        """
        from eval.data import ImageSet

        self.connect()
        assert self._fleet is not None, "connected"
        said = self._fleet.call("manifest", opening)
        return ImageSet(
            **said,
            source=Elsewhere(self._fleet.call, opening, said["ids"]),
            rows=np.arange(len(said["ids"]), dtype=np.int64),
            opening=opening,
        )

    @contextmanager
    def crew(self, model: Classifier, request: Request) -> Iterator[RemoteCrew]:
        """See `eval.executors.crew.Workplace`."""
        with self:
            self.connect()
            assert self._fleet is not None, "connected"
            try:
                self._fleet.assign(self._admission(self._fleet, model, request))
                yield RemoteCrew(self._fleet, model, request)
            except Exception as error:
                if lost := _lost_cluster(error):
                    raise ClusterError(lost) from error
                raise

    def _admission(self, fleet: Fleet, model: Classifier, request: Request) -> Admission:
        from ray import cloudpickle

        made_by = None
        if self.factory is not None:
            made_by = Factory(self.factory, dict(self.factory_options))
        return Admission.of(
            model, request, self.device, cloudpickle.dumps, fleet.transport.put, made_by
        )

    def close(self) -> None:
        """End the workers, and the cluster if it is this process's own."""
        fleet, self._fleet = self._fleet, None
        leave, self._leave = self._leave, None
        try:
            if fleet is not None:
                with uninterrupted():
                    fleet.close()
        finally:
            if leave is not None:
                leave()

    def __enter__(self) -> Self:
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self.close()


def _lost_cluster(error: BaseException) -> str:
    """What to say where the cluster itself has gone, "" for another error."""
    try:
        from ray.exceptions import RayError
    except ImportError:
        return ""
    if not isinstance(error, RayError):
        return ""
    return (
        f"the cluster is gone ({str(error).strip().splitlines()[0][:200]}): start it and give the"
        " same command again, which goes on from what is known"
    )
