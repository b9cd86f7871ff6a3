"""What it takes to be compared, and we ourselves."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from eval.begin import begun
from eval.bench.clock import Clock
from eval.data import ImageSet
from eval.engine.engine import Precision
from eval.protocols import Protocol as Stages
from eval.request import Request
from eval.run import Run
from eval.stage import Stage
from eval.threat import Threat


@dataclass(frozen=True)
class Setup:
    """What all contenders share."""

    model: nn.Module
    name: str
    data: ImageSet
    protocol: Stages
    threat: Threat
    seed: int
    batch_size: int
    device: torch.device


class Contender(Protocol):
    """One way to attack. `clean` comes first, then each stage of the protocol once.

    n_rejected: claims that verification refused.
    """

    name: str
    version: str
    precision: Literal["fp32", "bf16"]
    n_rejected: int

    @property
    def still_robust(self) -> Tensor:
        """(N,) bool, what stands so far, as our verification sees it."""

    def clean(self) -> None:
        """Find out which images are right; everything else that must be prepared."""

    def attack(self, stage: Stage) -> None:
        """Attack what stands."""

    def settle(self) -> None:
        """Verify what the last stage claims; the time of this is not the contender's."""

    def passes(self) -> tuple[int, int]:
        """Images sent forward and backward through networks so far."""

    def close(self) -> None:
        """Let go of files."""


class Ours:
    """The engine of this package, with its journal, as `sat-zoo eval` runs it.

    last_iterate: of PGD, go on with broken images to the end of their run.
    """

    version = version("sat-zoo")

    def __init__(self, setup: Setup, precision: Precision, *, last_iterate: bool = False) -> None:
        self.name = f"ours {precision}" + ", --last-iterate" * last_iterate
        self.precision: Literal["fp32", "bf16"] = "fp32"
        self.clock = Clock(setup.device)
        self.n_rejected = 0
        self._changes = {"last_iterate": True} if last_iterate else {}
        self._model = setup.model
        self._open = ExitStack()
        stages = tuple(self._own(stage) for stage in setup.protocol.stages)
        folder = self._open.enter_context(tempfile.TemporaryDirectory())
        self._request = Request(
            data=setup.data,
            threat=setup.threat,
            protocol=setup.protocol.model_copy(update={"stages": stages}),
            precision=precision,
            seed=setup.seed,
            batch_size=setup.batch_size,
            device=str(setup.device),
            name=setup.name,
            journal=Path(folder),
        )
        self._run: Run | None = None

    def clean(self) -> None:
        """The clean pass, the fast copy and its proof, the flags; and open the journal."""
        self._run = self._open.enter_context(begun(self._model, self._request))
        self.precision = self._run.precision

    def attack(self, stage: Stage) -> None:
        """The stage, verified and in the journal."""
        run = self._begun
        with self.clock.watching():
            run.carry_out([run.job_of(self._own(stage))])
        self.n_rejected = sum(result.rejected for result in run.stage_results)

    def settle(self) -> None:
        """Nothing: our own time holds the verification."""

    def passes(self) -> tuple[int, int]:
        """Of the searching and the polishing network."""
        return (0, 0) if self._run is None else self._run.setting.engine.passes()

    def bf16_passes(self) -> tuple[int, int]:
        """Those of `passes` that were computed in bf16."""
        engine = self._begun.setting.engine
        if engine.precision == "fp32":
            return 0, 0
        return engine.search.forwards, engine.search.backwards

    def close(self) -> None:
        """Close the journal and delete it."""
        self._open.close()

    def _own(self, stage: Stage) -> Stage:
        return stage.model_copy(update=self._changes)

    @property
    def _begun(self) -> Run:
        assert self._run is not None, "`clean` comes first"
        return self._run

    @property
    def still_robust(self) -> Tensor:
        """(N,) bool; images are open where later stages are still to come."""
        return torch.tensor([verdict in {"robust", "open"} for verdict in self._begun.verdicts])
