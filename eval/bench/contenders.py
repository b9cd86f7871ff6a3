"""What it takes to be compared, and we ourselves."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from eval.bench.clock import Clock
from eval.classifier import Classifier
from eval.data import ImageSet
from eval.digest import weights_sha256
from eval.engine import Precision
from eval.journal import Journal
from eval.memory import Session
from eval.protocols import Protocol as Stages
from eval.protocols import Stage
from eval.resume import key_of
from eval.run import Run
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
    """The engine of this package, with its journal, as `sat-zoo eval` runs it."""

    version = version("sat-zoo")

    def __init__(self, setup: Setup, precision: Precision) -> None:
        self.name = f"ours {precision}"
        self.precision: Literal["fp32", "bf16"] = "fp32"
        self.clock = Clock(setup.device)
        self.n_rejected = 0
        self._folder = tempfile.TemporaryDirectory()
        self._run = Run(
            classifier=Classifier(setup.model),
            name=setup.name,
            data=setup.data,
            threat=setup.threat,
            protocol=setup.protocol,
            engine="fast",
            precision=precision,
            seed=setup.seed,
            batch_size=setup.batch_size,
            device=setup.device,
            allow_probabilities=False,
            on_progress=lambda _: None,
        )

    def clean(self) -> None:
        """The clean pass, the fast copy and its proof, the flags; and open the journal."""
        run = self._run
        key = key_of(run, weights_sha256(run.model))
        run.journal = Journal(Path(self._folder.name), key)
        run.clean()
        assert run.nets is not None
        self.precision = run.nets.precision
        run.journal.begin(
            Session(
                str(run.device), self.precision, torch.__version__, self.version, run.batch_size
            )
        )

    def attack(self, stage: Stage) -> None:
        """The stage, verified and in the journal."""
        with self.clock.watching():
            self._run.stage(stage)
        self.n_rejected += self._run.stage_results[-1].rejected

    def settle(self) -> None:
        """Nothing: our own time holds the verification."""

    def passes(self) -> tuple[int, int]:
        """Of the searching and the polishing network."""
        return (0, 0) if self._run.nets is None else self._run.nets.passes()

    def bf16_passes(self) -> tuple[int, int]:
        """Those of `passes` that were computed in bf16."""
        nets = self._run.nets
        if nets is None or nets.precision == "fp32":
            return 0, 0
        return nets.search.forwards, nets.search.backwards

    def close(self) -> None:
        """Close the journal and delete it."""
        if self._run.journal is not None:
            self._run.journal.close()
        self._folder.cleanup()

    @property
    def still_robust(self) -> Tensor:
        """(N,) bool."""
        return torch.tensor([verdict == "robust" for verdict in self._run.verdicts])
