"""Adversarial training: minimise the loss at the worst image of the ball, and never lose work.

Source: Madry et al. 2018, arXiv 1706.06083, equation (2.1); Xie et al. 2020, arXiv 2006.14536,
for smooth activations in both the inner and the outer problem.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from eval.attacks.random import image_key
from eval.engine.heap import freed_memory_kept
from eval.errors import SatZooError, UsageError
from eval.report.percent import percent
from zoo.cards import ModelCard
from zoo.train.data.feed import Feed, MemoryFeed
from zoo.train.distributed import Ranks
from zoo.train.recipe import Recipe
from zoo.train.record import checkpoint
from zoo.train.record.events import EpochResult, FinishedRun, Hooks, Stopped
from zoo.train.resume import Begun, newest_good
from zoo.train.state import (
    Best,
    Identity,
    Position,
    all_finite,
    capture,
    restore,
    result_tensors,
    same_start,
)
from zoo.train.step import begin
from zoo.train.validate import clean_accuracy, sample, validate

CHECK_EVERY = 10
"""Steps between looks at the loss, the clock and the signals, which all processes share."""


@dataclass
class Training:
    """One training run of the model `info` on `feed`.

    folder:  where checkpoints go, every `minutes` and when stopping; None: nowhere.
    limit_steps: end early, after this many steps, as if the recipe were so short.
    data_sha256, data_name: of the training images; a run goes on with the same ones only.
    """

    info: ModelCard
    recipe: Recipe
    feed: Feed
    held_out: MemoryFeed | None = None
    folder: Path | None = None
    ranks: Ranks = field(default_factory=Ranks)
    minutes: float = 5.0
    limit_steps: int | None = None
    hooks: Hooks = field(default_factory=Hooks)
    data_sha256: str = ""
    data_name: str = ""
    position: Position = field(default_factory=Position)
    best: Best = field(default_factory=Best)
    log: list[EpochResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        recipe = self.recipe
        n_full, rest = divmod(len(self.feed), recipe.batch_size)
        n_parts = self.ranks.size * recipe.accumulate
        # A last batch that cannot give every part an image is left out.
        self.n_batches = n_full + (rest >= n_parts)
        if self.n_batches == 0 or recipe.batch_size < n_parts:
            raise UsageError(
                f"batch_size: {recipe.batch_size} of {len(self.feed)} training images cannot be"
                f" shared by {self.ranks.size} processes in accumulate: {recipe.accumulate} pieces"
            )
        self.n_steps = recipe.epochs * self.n_batches
        self.last_step = min(self.n_steps, self.limit_steps or self.n_steps)
        self.stepper = begin(self.info, recipe, self.n_batches, self.ranks)
        self._pending: list[Tensor] = []
        self._good: Path | None = None  # the checkpoint read or written last
        self._saved_at = time.monotonic()
        self._clock_at = time.perf_counter()
        self.identity = Identity(self.info.name, self.data_sha256, self.data_name, recipe)
        self._resume()
        same_start(self.position, self.folder, self.ranks)

    @freed_memory_kept()
    def train(self) -> FinishedRun:
        """Train to the end.

        The same seed, number of processes and of threads give the same weights on the same
        machine, also where the run was interrupted and resumed.

        Raises `Stopped` when asked to stop, after writing a checkpoint; `SatZooError` when the
        loss or a weight is no longer finite.
        """
        devices = [self.ranks.device] if self.ranks.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            while not (self._is_at_the_end() or self._ends_early()):
                self._epoch()
        if self.last_step == self.n_steps:
            self._save("at the end", must=True)
        average = self.stepper.averaged
        chosen = self.best.tensors or result_tensors(average)
        return FinishedRun(
            tensors=chosen,
            log=self.log,
            chosen_epoch=self.best.epoch or self.log[-1].epoch,
            is_complete=self.last_step == self.n_steps,
        )

    def _is_at_the_end(self) -> bool:
        return self.position.step >= self.last_step and self.position.batch == 0

    def _epoch(self) -> None:
        """The rest of the current epoch, and its end."""
        at = self.position
        self._clock_at = time.perf_counter()
        if at.batch == 0:
            device = self.ranks.device
            drawn = torch.randperm(len(self.feed), generator=self.stepper.generator, device=device)
            at.order = self.ranks.from_first(drawn).cpu()
        ahead = [
            self.ranks.share(batch)
            for batch in torch.split(at.order, self.recipe.batch_size)[at.batch : self.n_batches]
        ]
        ahead = ahead[: max(0, self.last_step - at.step)]
        for x, y in self.feed.batches(ahead, self.stepper.generator, epoch=at.epoch):
            self._step(x, y)
        self._check()
        if at.step == self.last_step < self.n_steps:
            # Before the epoch is closed: a run without the limit goes on inside it.
            self._save("at the limit of steps", must=True)
        self._end_of_epoch()

    def _step(self, x: Tensor, y: Tensor) -> None:
        at, recipe = self.position, self.recipe
        torch.manual_seed(image_key(recipe.seed, f"{self.ranks.rank} {at.step}", "dropout"))
        n_all = min(recipe.batch_size, len(self.feed) - at.batch * recipe.batch_size)
        found = self.stepper.take(x, y, n_all, step=at.step + 1, epoch=at.epoch)
        at.step += 1
        at.batch += 1
        at.n_seen += len(x)
        self._pending.append(found)
        if at.step % CHECK_EVERY == 0 or self.ranks.size == 1:
            self._check()

    def _clock(self) -> None:
        """Count the time since the last look: steps, and the wait for images before each."""
        now = time.perf_counter()
        self.position.seconds += now - self._clock_at
        self._clock_at = now

    def _check(self) -> None:
        """Look at the losses since the last look; stop or save if one process wants it."""
        at = self.position
        sums = torch.stack(self._pending).cpu() if self._pending else torch.zeros(0, 2)
        self._clock()  # here, since the line above has waited for the device
        bad = (~sums.isfinite()).any(1).nonzero().flatten()
        first_bad = at.step - len(sums) + 1 + int(bad[0]) if len(bad) else 0
        self._pending.clear()
        at.loss_sum += float(sums[:, 0].double().sum())
        at.n_right += float(sums[:, 1].double().sum())
        is_due = time.monotonic() - self._saved_at > 60 * self.minutes
        diverged, stops, saves = self.ranks.any(
            first_bad > 0, self.hooks.should_stop(), is_due and self.ranks.is_first
        )
        if diverged:
            raise self._divergence("the loss", first_bad or at.step)
        if stops:
            self._save("to stop", must=True)
            where = f"; the checkpoint of that step is in {self.folder}" if self.folder else ""
            raise Stopped(f"stopped at step {at.step} of {self.n_steps}{where}")
        if saves:
            self._save("every few minutes")
        rate = self.ranks.size * at.n_seen / max(at.seconds, 1e-9)
        self.hooks.on_step(at.step, self.last_step, at.loss_sum / max(at.n_seen, 1), rate)

    def _check_weights(self) -> None:
        """Refuse weights that the latest update broke, which no loss has shown yet."""
        if any(self.ranks.any(not all_finite(self.stepper))):
            raise self._divergence("a weight", self.position.step)

    def _end_of_epoch(self) -> None:
        at = self.position
        self._check_weights()
        mine = [at.loss_sum, at.n_right, at.n_seen]
        loss, right, seen = self.ranks.total(torch.tensor(mine, dtype=torch.float64)).tolist()
        train_clean = clean = robust = None
        is_last = at.step >= self.last_step
        if at.epoch % self.recipe.validation_every == 0 or is_last:
            for buffer in self.stepper.averaged.buffers():  # each process has met other batches
                buffer.copy_(self.ranks.from_first(buffer))
            train_clean = self._train_clean()
            clean, robust = self._validate()
        result = EpochResult(
            epoch=at.epoch,
            step=at.step,
            loss=loss / seen,
            train_robust=right / seen,
            lr=self.stepper.optimizer.param_groups[0]["lr"],
            images_per_second=seen / max(at.seconds, 1e-9),
            valid_clean=clean,
            valid_robust=robust,
            train_clean=train_clean,
        )
        self.log.append(result)
        self.position = Position(step=at.step, epoch=at.epoch + 1)
        self.hooks.on_epoch(result)

    def _train_clean(self) -> float | None:
        if not isinstance(self.feed, MemoryFeed):
            return None
        positions = sample(self.feed, self.held_out)
        average = self.stepper.averaged
        return clean_accuracy(average, self.feed, positions, self.recipe, self.ranks)

    def _validate(self) -> tuple[float, float] | tuple[None, None]:
        if self.held_out is None:
            return None, None
        clean, robust = validate(self.stepper.averaged, self.held_out, self.recipe, self.ranks)
        self._remember(robust)
        return clean, robust

    def _remember(self, robust: float) -> None:
        if robust > self.best.robust:
            tensors = result_tensors(self.stepper.averaged)
            self.best = Best(robust, self.position.epoch, 0, tensors)
        else:
            self.best.since += 1

    def _ends_early(self) -> bool:
        """Whether the held-out images say that more training makes it worse."""
        patience, drop = self.recipe.patience, self.recipe.overfitting_drop
        if patience is not None and self.best.since >= patience:
            self.hooks.say(
                f"no better robust validation accuracy for {patience} validations: stopping with"
                f" the weights of epoch {self.best.epoch}"
            )
            return True
        latest = self.log[-1].valid_robust if self.log else None
        if drop is None or latest is None or latest > self.best.robust - drop:
            return False
        self.hooks.say(
            f"robust overfitting: validation fell from {percent(self.best.robust)} % (epoch"
            f" {self.best.epoch}) to {percent(latest)} %; stopping with the weights of that epoch"
        )
        return True

    def _save(self, when: str, *, must: bool = False) -> None:
        """Write a checkpoint; a full disk ends the run only if there is no later chance.

        Never of weights that are not finite: it would replace the last good one.
        """
        if self.folder is None:
            return
        self._check_weights()
        at = self.position
        self._saved_at = time.monotonic()
        log = [asdict(entry) for entry in self.log]
        found = capture(self.stepper, at, self.best, log, self.ranks)
        if not self.ranks.is_first:
            return
        state = {**found.state, **self.identity.plain()}
        try:
            written = checkpoint.Checkpoint(at.step, found.tensors, state)
            self._good = checkpoint.save(self.folder, written, before=self._good)
        except checkpoint.CheckpointError as error:
            if must:
                raise
            self.hooks.say(f"{error}; training goes on without (this was the one {when})")

    def _resume(self) -> None:
        if self.folder is None:
            return
        run = Begun(self.identity, self.stepper, self.ranks, len(self.feed))
        found = newest_good(self.folder, run, self.hooks.say)
        if found is None:
            return
        self.position, self.best, log = restore(found.checkpoint, self.stepper, self.ranks)
        self.log, self._good = [EpochResult(**entry) for entry in log], found.path
        self.hooks.say(f"going on from step {self.position.step} of {self.n_steps}, {found.path}")

    def _divergence(self, what: str, step: int) -> SatZooError:
        lr = self.stepper.optimizer.param_groups[0]["lr"]
        kept = (
            f"the last good checkpoint is {self._good}"
            if self._good
            else "there is no checkpoint yet"
        )
        return SatZooError(
            f"training {self.info.name}: {what} was not finite at step {step} of {self.n_steps},"
            f" at a learning rate of {lr:.3g}; {kept}; lower lr in the recipe, or set"
            " clip_grad_norm"
        )
