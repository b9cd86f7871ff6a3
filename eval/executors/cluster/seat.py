"""The Ray actor that holds a `Worker`, and the transport that reaches such actors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eval.errors import SatZooError
from eval.executors.cluster.wire import Reply

LOOK_EVERY_S = 3.0
"""How often it is asked whether the cluster still has a machine for a worker that does not come."""


class Seat:
    """Runs on a machine of the cluster. n_threads: of torch."""

    def __init__(self, n_threads: int | None) -> None:
        import ray
        from ray import cloudpickle

        from eval.executors.cluster.worker import Worker

        node = ray.get_runtime_context().get_node_id()
        self._worker = Worker(node, n_threads, cloudpickle.loads)

    def call(self, method: str, *args: Any) -> Any:
        """A method of the worker."""
        return getattr(self._worker, method)(*args)


class RayTransport:
    """See `eval.executors.cluster.transport.Transport`; of a process that is connected to Ray.

    resources: of each worker, as options of a Ray actor. n_threads: of each.
    has_room: whether the cluster has a machine on which one more worker could be, were it free.
    """

    def __init__(
        self,
        resources: Mapping[str, float],
        n_threads: int | None,
        has_room: Callable[[], bool],
    ) -> None:
        import ray

        self._ray, self._has_room = ray, has_room
        # What died is replaced here, where it is known what it held.
        self._seat = ray.remote(Seat).options(max_restarts=0, max_task_retries=0, **resources)
        self._n_threads = n_threads
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, int] = {}
        self._unheard: set[int] = set()  # nothing was ever heard of
        self._n_hired, self._looked_at = 0, time.monotonic()

    def hire(self) -> int:
        """See `Transport.hire`."""
        worker, self._n_hired = self._n_hired, self._n_hired + 1
        self._actors[worker] = self._seat.remote(self._n_threads)
        self._unheard.add(worker)
        return worker

    def ask(self, worker: int, method: str, *args: Any) -> None:
        """See `Transport.ask`."""
        self._calls[self._actors[worker].call.remote(method, *args)] = worker

    def wait(self, seconds: float) -> Sequence[Reply]:
        """See `Transport.wait`."""
        if not self._calls:
            return ()
        ready, _ = self._ray.wait([*self._calls], num_returns=1, timeout=seconds)
        if ready:  # and whatever else came meanwhile
            ready, _ = self._ray.wait([*self._calls], num_returns=len(self._calls), timeout=0)
        found = [self._answer(call) for call in ready]
        return [*found, *self._without_room()]

    def _answer(self, call: Any) -> Reply:
        from ray.exceptions import RayError, RayTaskError

        worker = self._calls.pop(call)
        self._unheard.discard(worker)
        try:
            return Reply(worker, value=self._ray.get(call))
        except RayTaskError as error:
            cause = error.cause
            return Reply(worker, error=cause if isinstance(cause, Exception) else error)
        except RayError as error:
            if why := _never_began(error):
                return Reply(worker, error=SatZooError(why))
            return Reply(worker, lost=_why(error))
        except Exception as error:  # what a worker raised, which Ray raises as it is
            return Reply(worker, error=error)

    def _without_room(self) -> list[Reply]:
        """Workers that are still to come, where no machine is left that they could come to."""
        if not self._unheard or time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return []
        self._looked_at = time.monotonic()
        if self._has_room():
            return []
        lost = "the cluster has no machine for it any more"
        return [Reply(worker, lost=lost) for worker in self._unheard]

    def put(self, value: Any) -> Any:
        """See `Transport.put`."""
        return self._ray.put(value)

    def dismiss(self, worker: int) -> None:
        """See `Transport.dismiss`."""
        self._unheard.discard(worker)
        self._calls = {call: one for call, one in self._calls.items() if one != worker}
        actor = self._actors.pop(worker, None)
        if actor is not None:
            self._ray.kill(actor, no_restart=True)


def _never_began(error: Exception) -> str:
    """Why an actor could not be made on its machine, where another one could not either, or ""."""
    text = str(error)
    if "raised in its creation task" not in text:
        return ""
    cause = text.strip().splitlines()[-1].strip()[:300]
    found = re.search(r"\bip=([^\s,)]+)", text)
    where = found[1] if found else "its machine"
    return f"it cannot start on {where} ({cause}): install the same there as on this machine"


def _why(error: Exception) -> str:
    """What became of an actor, in a few words."""
    text = str(error)
    if "killed because the node ran out of memory" in text or "OutOfMemory" in type(error).__name__:
        return "its machine ran out of memory"
    if "node" in text and ("died" in text or "dead" in text) and "worker process" not in text:
        return "its machine is gone"
    return "its process was killed or crashed"
