"""One evaluation under way: what is known of each image, and the stages that find out more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eval.attacks import build
from eval.attacks.reference import ReferenceStage
from eval.checks import check_batch, check_logits
from eval.data import ImageSet
from eval.digest import weights_sha256
from eval.engine import Engine, Precision, build_engine, plain_engine
from eval.errors import ModelError
from eval.flags import looks_like_probabilities, model_flags
from eval.pool import POLISH_STEPS, Broken, Pool, StageInput
from eval.protocols import Protocol, Stage
from eval.report import Flag, StageResult
from eval.threat import Threat
from eval.verify import predict

PROOF_IMAGES = 32
"""Images on which the fast copy of the model must agree with it."""

N_RANKED = 10
"""Wrong classes remembered for each image: the targets of targeted attacks."""


@dataclass(frozen=True)
class Progress:
    """Where an evaluation stands.

    done of total images of the stage are settled; n_robust of the n evaluated still stand.
    """

    stage: str
    done: int
    total: int
    n_robust: int
    n: int


@dataclass
class Run:
    """An evaluation of `model` on `data`; `verdicts` holds what is known of each image so far."""

    model: nn.Module
    name: str
    data: ImageSet
    threat: Threat
    protocol: Protocol
    engine: Literal["fast", "reference"]
    precision: Precision
    seed: int
    batch_size: int
    device: torch.device
    allow_probabilities: bool
    on_progress: Callable[[Progress], None]
    nets: Engine | None = None
    n_classes: int = 0
    verdicts: list[str] = field(default_factory=list)
    stage_results: list[StageResult] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    n_broken_8bit: int = 0
    ranking: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 0), np.int16))

    def clean(self) -> None:
        """Classify every image with the untouched model and rank its wrong classes."""
        rankings = []
        for batch in self.data.batches(self.batch_size):
            x = batch.x.to(self.device)
            logits = predict(self.model, x).cpu()
            if not self.verdicts:
                self._first_batch(x, logits)
            check_logits(logits, len(x), self.name)
            check_batch(batch, self.n_classes, self.data.name)
            right = logits.argmax(1) == batch.y
            self.verdicts += ["robust" if r else "clean" for r in right.tolist()]
            wrong_only = logits.scatter(1, batch.y[:, None], -torch.inf)
            top = wrong_only.topk(min(N_RANKED, self.n_classes - 1), dim=1).indices
            rankings.append(top.short().numpy())
            self._progress("clean", len(self.verdicts), len(self.data))
        self.ranking = np.concatenate(rankings)

    def stage(self, stage: Stage) -> None:
        """Attack what still stands."""
        started = time.perf_counter()
        standing = [i for i, verdict in enumerate(self.verdicts) if verdict == "robust"]
        work = self._work(stage, standing)
        done = 0
        self._progress(stage.name, done, len(standing))
        for result in work.run():
            done += 1
            if isinstance(result, Broken):
                self.verdicts[result.position] = stage.name
                self.n_broken_8bit += result.is_broken_8bit
            self._progress(stage.name, done, len(standing))
        forwards, backwards = work.passes()
        last = work.outcome.last_iterate_right
        self.stage_results.append(
            StageResult(
                name=stage.name,
                attacked=len(standing),
                broken=self.verdicts.count(stage.name),
                rejected=work.outcome.n_rejected,
                accuracy_after=self.verdicts.count("robust") / len(self.data),
                seconds=time.perf_counter() - started,
                forwards=forwards,
                backwards=backwards,
                last_iterate_accuracy=None if last is None else last / len(self.data),
            )
        )

    def check_unchanged(self, digest: str) -> None:
        """Flag a model whose weights or statistics are not what they were before."""
        after = weights_sha256(self.model)
        if after != digest:
            self.flags.append(
                Flag(
                    code="model-changed",
                    detail=f"the state dict was {digest[:12]} before and is {after[:12]} now:"
                    " the model adapts while it is evaluated",
                )
            )

    def _first_batch(self, x: Tensor, logits: Tensor) -> None:
        check_logits(logits, len(x), self.name)
        self.n_classes = logits.shape[1]
        if looks_like_probabilities(logits):
            detail = (
                f"model {self.name!r} returns probabilities, not logits: gradients vanish and"
                " attacks look weaker than they are"
            )
            if not self.allow_probabilities:
                raise ModelError(
                    f"{detail}; remove the softmax, or pass --allow-probabilities"
                    " to go on with a flag in the report"
                )
            self.flags.append(Flag(code="probabilities", detail=detail))
        if self.engine == "reference":
            self.nets = plain_engine(self.model)
        else:
            self.nets = build_engine(self.model, x[:PROOF_IMAGES], self.precision)
            if self.nets.warning:
                self.flags.append(Flag(code="engine-fallback", detail=self.nets.warning))
        self.flags += model_flags(self.model, self.nets.exact, x, logits.argmax(1).to(x.device))

    def _work(self, stage: Stage, standing: Sequence[int]) -> Pool | ReferenceStage:
        if self.engine == "reference" and stage.attack in {"apgd", "fab", "square"}:
            return ReferenceStage(
                model=self.model,
                stage=stage,
                threat=self.threat,
                data=self.data,
                positions=standing,
                batch_size=self.batch_size,
                device=self.device,
                n_classes=self.n_classes,
                seed=self.seed,
            )
        engine = self.nets
        assert engine is not None
        polish = POLISH_STEPS[stage.attack] if engine.precision == "bf16" else 0
        inputs = StageInput(
            name=stage.name,
            attack=build(stage, self.threat, self.n_classes),
            engine=engine,
            polish_steps=min(polish, stage.steps),
            model=self.model,
            threat=self.threat,
            data=self.data,
            seed=self.seed,
            device=self.device,
            ranking=self.ranking,
        )
        return Pool(inputs, standing, self.batch_size)

    def _progress(self, stage: str, done: int, total: int) -> None:
        standing = self.verdicts.count("robust")
        self.on_progress(Progress(stage, done, total, standing, len(self.verdicts)))
