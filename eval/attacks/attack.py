"""What an attack is: all that the rest of the project knows of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor

from eval.attacks.search import Search, Task

if TYPE_CHECKING:
    from eval.engine.net import Net
    from eval.stage import Stage
    from eval.threat import Threat


@dataclass(frozen=True)
class Passes:
    """Images sent through the searching network, and through the fp32 network that polishes.

    Gradients are both a forward and a backward; `forwards` and `exact_forwards` come on top.
    """

    forwards: int = 0
    gradients: int = 0
    exact_forwards: int = 0
    exact_gradients: int = 0

    def __add__(self, other: Passes) -> Passes:
        return Passes(
            self.forwards + other.forwards,
            self.gradients + other.gradients,
            self.exact_forwards + other.exact_forwards,
            self.exact_gradients + other.exact_gradients,
        )


class Attack(ABC):
    """A search that can be stepped, for rows that come and go.

    Rows may be selected, joined and shuffled between steps: no result of a row depends on the
    others. A row that has done its `n_steps` stays as it is.

    n_runs: restarts or targets of each image. n_steps: steps of one run.
    leaves_when_broken: False where the end of a broken image's run is wanted too, see `PGD`.
    POLISH_STEPS: in fp32, for the survivors of a search in bf16, from their best point.
    """

    n_runs: int
    n_steps: int
    leaves_when_broken: bool
    POLISH_STEPS: ClassVar[int] = 0

    @classmethod
    @abstractmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> Self:
        """The attack that `stage` describes, for models of `n_classes` classes."""

    def prepared(self, net: Net, task: Task) -> Task:
        """`task` as its runs want it: asked once an image, before its first run.

        net: the fp32 network, whatever searches. For what an attack must know of an image first.
        """
        return task

    @abstractmethod
    def start(self, net: Net, task: Task, run: Tensor) -> Search:
        """Begin run `run` (B,) of each image."""

    @abstractmethod
    def advance(self, net: Net, search: Any) -> None:
        """One step of every row, in place; all of them must have steps left."""

    def finish(self, net: Net, search: Any) -> None:  # noqa: B027  most have nothing to look at
        """Look at where the rows of `search`, which have no steps left, stand; in place.

        For attacks whose last step ends at a point that nobody has looked at yet.
        """

    @abstractmethod
    def resume(self, net: Net, search: Any, n_steps: int) -> None:
        """Make `search`, in place, go on for `n_steps` steps from its best images with `net`."""

    @abstractmethod
    def run_passes(self, n_steps: int) -> tuple[int, int]:
        """Forwards, and gradients, of one run of `n_steps` of an image that survives: at most."""

    @abstractmethod
    def least_passes(self) -> Passes:
        """Passes of an image that falls to the first point looked at."""

    def step(self, net: Net, search: Any) -> None:
        """One step of every row that has steps left, in place; the others stay as they are."""

        def advance(part: Any) -> None:
            self.advance(net, part)
            self.end(net, part)

        _on_rows(search, search.k < self.n_steps, advance)

    def end(self, net: Net, search: Any) -> Tensor:
        """`finish` the rows of `search` that a step has just brought to their end; which (B,)."""
        is_over: Tensor = search.k >= self.n_steps
        _on_rows(search, is_over, partial(self.finish, net))
        return is_over

    @property
    def polish_steps(self) -> int:
        """`POLISH_STEPS`, or as many as there are."""
        return min(self.POLISH_STEPS, self.n_steps)

    def most_passes(self, polish_steps: int = 0) -> Passes:
        """Passes of an image that survives; polish_steps 0 where the search is in fp32."""
        forwards, gradients = self.run_passes(self.n_steps)
        exact = self.run_passes(polish_steps) if polish_steps else (0, 0)
        return Passes(self.n_runs * forwards, self.n_runs * gradients, *exact)


def _on_rows(search: Any, mask: Tensor, work: Callable[[Any], None]) -> None:
    """Have `work` change the rows of `search` where `mask` (B,), if there are any, in place."""
    rows = mask.nonzero().squeeze(1)
    if len(rows) == 0:
        return
    if len(rows) == len(search):
        work(search)
    else:
        part = search.select(rows)
        work(part)
        search.put(rows, part)


def n_targets(stage: Stage, n_classes: int) -> int:
    """Runs of a stage: its restarts, or its targets, of which a model may have fewer."""
    return stage.restarts if stage.targets is None else min(stage.targets, n_classes - 1)
