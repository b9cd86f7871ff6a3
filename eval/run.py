"""One evaluation under way: what is known of each image, and the stages that find out more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eval.attacks import build
from eval.attacks.attack import Attack
from eval.attacks.reference import ReferenceStage, is_of_the_package, whole_batches
from eval.batching import is_out_of_memory, no_memory, warn_of_halving
from eval.checks import check_logits, check_pixels
from eval.classifier import Classifier
from eval.clean_flags import clean_flags
from eval.data import ImageSet
from eval.digest import weights_sha256
from eval.engine import Engine, Precision, build_engine, plain_engine
from eval.errors import ModelError
from eval.flags import looks_like_probabilities, model_flags, search_flags
from eval.heap import freed_memory_kept
from eval.memory import Memory
from eval.pool import Pool
from eval.protocols import Protocol, Stage
from eval.report import Flag, StageResult
from eval.stage import Broken, Ended, Executor, StageInput
from eval.threat import Threat
from eval.verify import predict

if TYPE_CHECKING:
    from eval.journal import Journal

T = TypeVar("T")

N_RANKED = 10
"""Wrong classes remembered for each image: the targets of targeted attacks."""


@dataclass(frozen=True)
class Progress:
    """Where an evaluation stands.

    done of total images of the stage are settled; n_right of the n evaluated are right so far:
    in the stage "clean" without an attack, later under what has been tried.
    """

    stage: str
    done: int
    total: int
    n_right: int
    n: int


@dataclass
class Run:
    """An evaluation under way; `verdicts` holds what is known of each image so far."""

    classifier: Classifier
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
    journal: Journal | None = None
    images: dict[int, Tensor] | None = None  # adversarial ones by position, where they are wanted
    ranking: NDArray[np.unsignedinteger] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    @property
    def model(self) -> nn.Module:
        """The caller's own."""
        return self.classifier.model

    def attack(self, after_clean: Callable[[], None] = lambda: None) -> None:
        """The clean pass, `after_clean`, and every stage."""
        self.clean()
        after_clean()
        for stage in self.protocol.stages:
            self.stage(stage)

    @freed_memory_kept()
    def clean(self) -> None:
        """Classify every image with the untouched model and rank its wrong classes."""
        rankings, answers = [], list[int]()
        for batch in self.data.batches(self.batch_size):
            x = batch.x.to(self.device)
            logits = self._predict(x)
            if not self.verdicts:
                self._first_batch(x, logits)
            check_logits(logits, len(x), self.name)
            check_pixels(batch, self.data.name)
            answers += logits.argmax(1).tolist()
            right = logits.argmax(1) == batch.y
            self.verdicts += ["robust" if r else "clean" for r in right.tolist()]
            wrong_only = logits.scatter(1, batch.y[:, None], -torch.inf)
            top = wrong_only.topk(min(N_RANKED, self.n_classes - 1), dim=1).indices
            rankings.append(top.numpy().astype(np.min_scalar_type(self.n_classes - 1)))
            self._progress("clean", len(self.verdicts), len(self.data))
        self.ranking = np.concatenate(rankings)
        self.flags += clean_flags(self.data.labels.tolist(), answers, self.n_classes)

    @freed_memory_kept()
    def stage(self, stage: Stage) -> None:
        """Attack what still stands, unless an earlier session did."""
        started = time.perf_counter()
        standing = [i for i, verdict in enumerate(self.verdicts) if verdict == "robust"]
        attack = build(stage, self.threat, self.n_classes)
        memory = self._recall(stage.name).only(standing)
        missing = memory.missing(standing, needs_end=not attack.leaves_when_broken)
        work = self._work(stage, attack, standing, missing)
        self._take_broken(stage.name, memory.broken)
        self._progress(stage.name, memory.n_settled, len(standing))
        for event in work.run():
            memory.take(event)
            if isinstance(event, Broken):
                self._take_broken(stage.name, [event.position])
                if self.images is not None:
                    self.images[event.position] = event.x_adv.cpu()
            if self.journal is not None:
                self.journal.add(stage.name, event, _counts(work, started))
            if not isinstance(event, Ended):
                self._progress(stage.name, memory.n_settled, len(standing))
        self.n_broken_8bit += sum(memory.broken.values())
        self.batch_size = work.batch_size  # smaller now, if memory ran out
        total = memory.total(_counts(work, started))
        self.flags += search_flags(stage.name, len(standing), len(memory.broken), total)
        right_at_end = sum(memory.right_at_end.values()) / len(self.data)
        self.stage_results.append(
            StageResult(
                name=stage.name,
                attacked=len(standing),
                broken=len(memory.broken),
                rejected=int(total["rejected"]),
                accuracy_after=self.verdicts.count("robust") / len(self.data),
                seconds=total["seconds"],
                forwards=int(total["forwards"]),
                backwards=int(total["backwards"]),
                last_iterate_accuracy=None if attack.leaves_when_broken else right_at_end,
            )
        )

    def check_unchanged(self, digest: str) -> None:
        """Flag a model whose weights or statistics are not what they were before."""
        after = weights_sha256(self.model)
        if after != digest:
            self.flags.append(
                Flag(
                    code="model-changed",
                    detail=f"the state dict was {digest[:12]} before the run and"
                    f" {after[:12]} after it: the model adapts while it is evaluated",
                )
            )

    def _predict(self, x: Tensor) -> Tensor:
        """Logits of the untouched model, on the CPU."""
        return self._within_memory(
            lambda size: torch.cat(
                [predict(self.classifier, p).cpu() for p in torch.split(x, size)]
            )
        )

    def _within_memory(self, work: Callable[[int], T]) -> T:
        """`work(batch_size)`, again with half of it whenever memory runs out."""
        while True:
            try:
                return work(self.batch_size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.batch_size == 1:
                    raise no_memory("the clean pass", error) from error
            self.batch_size //= 2
            warn_of_halving("the clean pass", self.batch_size)

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
                    f"{detail}; remove the softmax, or pass `allow_probabilities=True`"
                    " to go on with a flag in the report"
                )
            self.flags.append(Flag(code="probabilities", detail=detail))
        if self.engine == "reference":
            self.nets = plain_engine(self.classifier)
        else:
            self.nets = self._within_memory(
                lambda size: build_engine(self.classifier, x[:size], self.precision)
            )
            if self.nets.warning:
                self.flags.append(Flag(code="engine-fallback", detail=self.nets.warning))
        net, labels = self.nets.exact, logits.argmax(1).to(x.device)
        self.flags += self._within_memory(
            lambda size: model_flags(
                self.classifier,
                net,
                x[:size],
                labels[:size],
                is_attacked=bool(self.protocol.stages),
            )
        )

    def _recall(self, stage: str) -> Memory:
        return Memory() if self.journal is None else self.journal.recall(stage)

    def _take_broken(self, stage: str, positions: Iterable[int]) -> None:
        for position in positions:
            self.verdicts[position] = stage

    def _work(
        self, stage: Stage, attack: Attack, standing: Sequence[int], missing: Sequence[int]
    ) -> Executor:
        """The search on the `missing` of the images that stood when the stage began."""
        if self.engine == "reference" and is_of_the_package(stage):
            return ReferenceStage(
                model=self.classifier,
                stage=stage,
                threat=self.threat,
                data=self.data,
                positions=whole_batches(standing, missing, self.batch_size),
                batch_size=self.batch_size,
                device=self.device,
                n_classes=self.n_classes,
                seed=self.seed,
            )
        engine = self.nets
        assert engine is not None
        inputs = StageInput(
            name=stage.name,
            attack=attack,
            engine=engine,
            polish_steps=attack.polish_steps if engine.precision == "bf16" else 0,
            model=self.classifier,
            threat=self.threat,
            data=self.data,
            seed=self.seed,
            device=self.device,
            ranking=self.ranking,
        )
        return Pool(inputs, missing, self.batch_size)

    def _progress(self, stage: str, done: int, total: int) -> None:
        standing = self.verdicts.count("robust")
        self.on_progress(Progress(stage, done, total, standing, len(self.verdicts)))


def _counts(work: Executor, started: float) -> dict[str, float]:
    """What a stage has cost in this session so far; journals add up these names."""
    forwards, backwards = work.passes()
    return {
        "seconds": time.perf_counter() - started,
        "forwards": forwards,
        "backwards": backwards,
        "rejected": work.outcome.n_rejected,
        "without_gradient": work.outcome.n_without_gradient,
        "with_nan": work.outcome.n_with_nan,
    }
