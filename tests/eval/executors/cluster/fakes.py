"""Transports without Ray: real workers in this process with faults, and such that compute nothing.

`Fake` is what `evaluate` takes as its executor.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import cloudpickle
from torch import nn

from eval.bench.simulated import Simulated
from eval.engine.classifier import Classifier
from eval.executors.base import Broken, Event, Spent, Survived
from eval.executors.cluster.admission import Admission
from eval.executors.cluster.crew import RemoteCrew
from eval.executors.cluster.fleet import Fleet
from eval.executors.cluster.wire import Classified, Order, Packet, Reply
from eval.executors.cluster.worker import Worker
from eval.request import Request

__all__ = ["Fake", "Faults", "InProcess", "Simulated"]


@dataclass(frozen=True)
class Faults:
    """What goes wrong with one worker.

    dies_at: which call of `work` in an attack it does not survive. dies_over: nor any while it
    holds one of these images. raises: by the number of that call, what it raises instead.
    unable: what it raises in a clean pass. turns: others answer so often before it does.
    forgets: images of which it tells nothing. is_double: it tells everything twice.
    invents: images of which it tells verdicts unasked.
    alters: is given a method and its answer; what comes back travels.
    spoils: is given the model that a worker unpacks.
    """

    dies_at: int | None = None
    dies_over: frozenset[int] = frozenset()
    raises: dict[int, Exception] = field(default_factory=dict)
    unable: Exception | None = None
    turns: int = 0
    forgets: frozenset[int] = frozenset()
    is_double: bool = False
    invents: tuple[int, ...] = ()
    alters: Callable[[str, Any], Any] = lambda _, value: value
    spoils: Callable[[nn.Module], nn.Module] = lambda model: model


@dataclass
class Place:
    """One worker. holds: images that it was given in this wave; n_calls: of `work`
    in attacks, so far."""

    worker: Worker
    faults: Faults
    waited: int = 0
    n_calls: int = 0
    wave: int = -1
    holds: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Put:
    """What `put` made of a value."""

    content: bytes


class InProcess:
    """A `Transport` to real workers in this process; each is asked when its answer is waited for.

    seed: of the order in which they answer, and of how long they work at a time. faults: by the
    number of a worker; those who take the place of others have new numbers. Whatever travels is
    pickled, so that nothing is shared. said: each answer as it was sent, with its method.
    """

    def __init__(self, faults: Callable[[int], Faults], seed: int = 0) -> None:
        self._faults, self._random = faults, random.Random(seed)
        self._places: dict[int, Place] = {}
        self._calls: dict[int, tuple[str, bytes]] = {}
        self._n_hired = 0
        self.said: list[tuple[int, str, Any]] = []
        self.n_dead = 0

    def hire(self) -> int:
        """See `Transport.hire`."""
        worker, self._n_hired = self._n_hired, self._n_hired + 1
        faults = self._faults(worker)

        def loads(content: bytes) -> nn.Module:
            model: nn.Module = faults.spoils(cloudpickle.loads(content))
            return model

        self._places[worker] = Place(Worker(loads=loads), faults)
        return worker

    def ask(self, worker: int, method: str, *args: Any) -> None:
        """See `Transport.ask`."""
        assert worker in self._places, "it was dismissed"
        assert worker not in self._calls, "one call at a time"
        loaded = [pickle.loads(arg.content) if isinstance(arg, Put) else arg for arg in args]
        self._calls[worker] = method, cloudpickle.dumps(loaded)

    def wait(self, seconds: float) -> Sequence[Reply]:
        """See `Transport.wait`."""
        assert self._calls, "waiting for nothing would never end"
        for worker in self._calls:
            self._places[worker].waited += 1
        due = [w for w in self._calls if self._places[w].waited > self._places[w].faults.turns]
        if not due:
            return ()
        chosen = self._random.sample(due, self._random.randint(1, len(due)))
        return [self._answer(worker, *self._calls.pop(worker)) for worker in chosen]

    def put(self, value: Any) -> Any:
        """See `Transport.put`."""
        return Put(cloudpickle.dumps(value))

    def dismiss(self, worker: int) -> None:
        """See `Transport.dismiss`."""
        self._places.pop(worker, None)
        self._calls.pop(worker, None)

    def _answer(self, worker: int, method: str, content: bytes) -> Reply:
        place, args = self._places[worker], cloudpickle.loads(content)
        place.waited = 0
        if method == "work" and self._is_end(place, args[0]):
            self.n_dead += 1
            return Reply(worker, lost="its process was killed")
        try:
            if method == "work":
                value: Any = self._packet(place, args[0])
            else:
                value = getattr(place.worker, method)(*args)
            sent = cloudpickle.dumps(place.faults.alters(method, value))
        except Exception as error:
            return Reply(worker, error=cloudpickle.loads(cloudpickle.dumps(error)))
        self.said.append((worker, method, cloudpickle.loads(sent)))
        return Reply(worker, value=cloudpickle.loads(sent))

    def _packet(self, place: Place, task: Order) -> Packet:
        error = place.faults.raises.get(place.n_calls)
        if task.kind == "clean":
            error = place.faults.unable
        if error is not None:
            raise error
        # Until the first verdict, or to the end: what comes of it is the same at any speed.
        seconds = self._random.choice([0.0, 0.0, 0.0, 1e9])
        return self._faulty(place, place.worker.work(replace(task, seconds=seconds)))

    def _is_end(self, place: Place, task: Order) -> bool:
        """Note the call; returns whether the worker does not survive it."""
        place.n_calls += task.kind == "attack"
        if task.wave != place.wave:
            place.wave, place.holds = task.wave, set()
        place.holds.update(p for job in task.jobs for p in job.positions)
        if task.kind == "clean":
            return False
        return place.n_calls == place.faults.dies_at or bool(place.holds & place.faults.dies_over)

    def _faulty(self, place: Place, packet: Packet) -> Packet:
        faults = place.faults
        told = list[Event | Classified]()
        for one in packet.told:
            if isinstance(one, Spent | Classified):
                told.append(one)
                continue
            if one.position in faults.forgets:
                continue
            told += [one, one] if faults.is_double else [one]
            for position in faults.invents:
                if position not in place.holds:
                    told += [Survived(one.stage, position), Broken(one.stage, position, None, True)]
        return replace(packet, told=tuple(told))


@dataclass(eq=False)
class Fake:
    """A `Workplace` with `n` workers in this process; see `RayExecutor` and `InProcess`.

    messages: what it says to people. transport, fleet: of the last run.
    """

    n: int = 2
    faults: Callable[[int], Faults] = lambda _: Faults()
    seed: int = 0
    messages: list[str] = field(default_factory=list)
    transport: InProcess = field(init=False)
    fleet: Fleet = field(init=False)

    def connect(self) -> None:
        """There is nothing to reach."""

    def images(self, opening: Any) -> Any:
        """Those that it opens here."""
        return opening()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def crew(self, model: Classifier, request: Request) -> Iterator[RemoteCrew]:
        """See `eval.executors.crew.Workplace`."""
        self.transport = InProcess(self.faults, self.seed)
        self.fleet = Fleet(self.transport, self.n, "cpu", self.messages.append)
        try:
            admission = Admission.of(model, request, "cpu", cloudpickle.dumps, self.transport.put)
            self.fleet.assign(admission)
            yield RemoteCrew(self.fleet, model, request)
        finally:
            self.fleet.close()

    @property
    def packets(self) -> list[Packet]:
        """All that was found, as it travelled."""
        return [value for _, method, value in self.transport.said if method == "work"]
