"""Who passes the images of a run through its model: this process alone, or others elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

from eval.checks import check_logits
from eval.clean import CleanPass, clean_pass
from eval.engine.batching import WithinMemory, fitting_batch_size
from eval.engine.engine import Engine, build_engine, plain_engine
from eval.engine.heap import freed_memory_kept
from eval.errors import ModelError, UsageError
from eval.executors.pool import Pool
from eval.executors.reference import Reference
from eval.flags.model import looks_like_probabilities, model_flags
from eval.foreign import foreign_stages
from eval.report.report import Flag
from eval.verify import predict

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.data.base import Opening
    from eval.engine.classifier import Classifier
    from eval.executors.base import Executor, Setting
    from eval.request import EngineName, Request


@dataclass(frozen=True)
class Looked:
    """What the first images say, before any attack: flags, and sentences for the log."""

    flags: tuple[Flag, ...]
    remarks: tuple[str, ...] = ()


class Crew(Protocol):
    """Computes a run's passes. `look` comes first, then `clean`, then its executor works."""

    @property
    def engine(self) -> Engine:
        """What executors in this process search with."""

    @property
    def device(self) -> str:
        """Where the search computes, "cpu" or "cuda"."""

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        """Of the search."""

    @property
    def batch_size(self) -> int:
        """Images in one pass, at most, as far as is known."""

    def look(self) -> Looked:
        """Prove the fast copy, and see what the first images say of the model."""

    def clean(self, on_batch: Callable[[int, int], None]) -> CleanPass:
        """Classify every image; on_batch: told how many are done, and how many of them right."""

    def executor(self, setting: Setting) -> Executor:
        """Who carries out the jobs."""


class Workplace(Protocol):
    """Makes the crew of a run: what `evaluate` takes as its `executor`.

    As a context manager it is kept from one run to the next.
    """

    def connect(self) -> None:
        """Find out now what would be found out after minutes; raises `SatZooError`."""

    def images(self, opening: Opening) -> ImageSet:
        """Images that lie where it works and not in this process."""

    def __enter__(self) -> Workplace: ...
    def __exit__(self, *_: Any) -> None: ...

    def crew(self, model: Classifier, request: Request) -> AbstractContextManager[Crew]:
        """For as long as the block runs. model: untouched, on the CPU; it is not kept."""


def check_elsewhere(executor: Workplace, engine: EngineName, device: str) -> None:
    """Connect, unless the run is one that cannot be computed elsewhere; raises `SatZooError`."""
    if isinstance(executor, type) or not hasattr(executor, "crew"):
        raise UsageError(
            f"`executor` is a {type(executor).__name__}: give a RayExecutor of"
            " eval.executors.cluster, or None for this process"
        )
    if engine == "reference":
        raise UsageError(
            "`engine='reference'` beside `executor`: the package's verdicts depend on its batches,"
            " which several machines would cut otherwise; leave one of the two out"
        )
    if device != "cpu":
        raise UsageError(
            f"`device` {device!r} beside `executor`: where workers compute is said by its"
            " `gpus_per_worker`; leave out `device`"
        )
    executor.connect()


_EXECUTORS: dict[EngineName, Callable[[Setting], Executor]] = {"fast": Pool, "reference": Reference}


class Alone:
    """Only this process.

    model: untouched, on `place`. make: makes who carries out the jobs; None for the engine that
    the request names.
    """

    def __init__(
        self,
        model: Classifier,
        request: Request,
        place: torch.device,
        make: Callable[[Setting], Executor] | None = None,
    ) -> None:
        self._model, self._request, self._place = model, request, place
        self._make = make or _EXECUTORS[request.engine]
        size = request.batch_size
        if size is None:
            kind: EngineName = "reference" if request.draws_by_batch else "fast"
            size = fitting_batch_size(model, request.data, kind, place)
        self._memory = WithinMemory(size, "the clean pass")
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """What searches, once it has looked."""
        assert self._engine is not None, "first it looks"
        return self._engine

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self._place)

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        """Of the search, once it has looked."""
        return self.engine.precision

    @property
    def batch_size(self) -> int:
        """Images in one pass, as far as is known: fewer once memory ran out."""
        return self._memory.batch_size

    @freed_memory_kept()
    def look(self) -> Looked:
        """See `Crew.look`."""
        model, request, memory = self._model, self._request, self._memory
        batch = request.data.batch(range(min(memory.batch_size, len(request.data))))
        x = batch.x.to(self._place)
        logits = memory.in_pieces(lambda part: predict(model, part).cpu(), x)
        check_logits(logits, len(x), request.name)
        flags = _probabilities(logits, request)
        if request.engine == "reference":
            engine = plain_engine(model)
        else:
            engine = memory(lambda size: build_engine(model, x[:size], request.precision))
            if engine.warning:
                flags.append(Flag(code="engine-fallback", detail=engine.warning))
        labels, is_attacked = logits.argmax(1).to(self._place), bool(request.protocol.stages)
        flags += memory(
            lambda size: model_flags(
                model, engine.exact, x[:size], labels[:size], is_attacked=is_attacked
            )
        )
        self._engine = engine
        return Looked(tuple(flags), _remarks(engine, request.engine))

    def clean(self, on_batch: Callable[[int, int], None]) -> CleanPass:
        """See `Crew.clean`."""
        return self.clean_of(self._request.data, on_batch)

    def clean_of(self, data: ImageSet, on_batch: Callable[[int, int], None]) -> CleanPass:
        """The same of `data`, some of the run's images."""
        return clean_pass(
            self._model, data, self._request.name, self._place, self._memory, on_batch
        )

    def executor(self, setting: Setting) -> Executor:
        """See `Crew.executor`."""
        own, others = self._make(setting), foreign_stages(self._request.protocol.stages)
        if not others:
            return own
        from eval.executors.bridged import Bridged

        return Bridged(setting, own, others)


def _remarks(engine: Engine, name: EngineName) -> tuple[str, ...]:
    if engine.is_copy:
        return (
            "its copy of the model was proven on images that neither has seen: logits differ by at"
            f" most {engine.error:.2g}",
        )
    if name == "fast":
        why = engine.warning or "none was made"
        return (f"the model itself searches, not a copy: {why}",)
    return ()


def _probabilities(logits: Tensor, request: Request) -> list[Flag]:
    if not looks_like_probabilities(logits):
        return []
    detail = (
        f"model {request.name!r} returns probabilities, not logits: gradients vanish and attacks"
        " look weaker than they are"
    )
    if not request.allow_probabilities:
        raise ModelError(
            f"{detail}; remove the softmax, or pass `allow_probabilities=True` to go on with a flag"
            " in the report"
        )
    return [Flag(code="probabilities", detail=detail)]
