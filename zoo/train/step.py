"""One step: attack, loss, gradients of all processes, optimizer, schedule, weight average."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext

import torch
from timm.utils import ModelEmaV3
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from eval.attacks.random import image_key
from eval.engine.layout import memory_layout
from zoo import networks
from zoo.cards import ModelCard
from zoo.model import ZooModel
from zoo.train.data.augment import mix
from zoo.train.distributed import Ranks
from zoo.train.objective.awp import worst_weights
from zoo.train.objective.free import Free
from zoo.train.objective.inner import Inner, perturb
from zoo.train.objective.losses import Objective
from zoo.train.objective.twin import Twin
from zoo.train.optim import build_optimizer, build_schedule
from zoo.train.recipe import Recipe


class Stepper:
    """Takes steps on `model`; all that moves with a step belongs to it.

    generator: this process's random stream.
    """

    def __init__(
        self,
        model: ZooModel,
        recipe: Recipe,
        optimizer: Optimizer,
        schedule: LRScheduler,
        generator: torch.Generator,
        ranks: Ranks,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.optimizer = optimizer
        self.schedule = schedule
        self.generator = generator
        self.ranks = ranks
        self.inner = Inner.of(recipe)
        self._layout = _layout(model, recipe)
        self.ema = (
            ModelEmaV3(model, decay=recipe.ema_decay, use_warmup=recipe.ema_warmup)
            if recipe.ema_decay
            else None
        )
        self.objective = Objective(model, recipe)
        self._twin = _twin(model) if recipe.attack_folded else None
        self.free = Free(model, recipe, ranks) if recipe.free_replays else None
        self._parallel = _parallel(self.objective, ranks)
        if recipe.compile:
            # By itself inductor turns every convolution on a CPU to channels_last.
            options = {"layout_optimization": memory_layout(model) == torch.channels_last}
            model.net.compile(options=options)
            if self._twin is not None:
                self._twin.net.net.compile(options=options)

    @property
    def averaged(self) -> ZooModel:
        """The network that a run results in: the weight average if there is one."""
        if self.ema is None:
            return self.model
        average: ZooModel = self.ema.module
        return average

    def take(self, x: Tensor, y: Tensor, n_all: int, *, step: int, epoch: int) -> Tensor:
        """Step number `step` >= 1 on this process's share x (B, C, H, W), y (B,) of `n_all` images.

        Returns (2,): the summed loss and the number of right predictions on adversarial images,
        their mean over the updates where a step has several.
        """
        # A copy, since images of one channel count as contiguous in the layout they must not have.
        x = x.clone(memory_format=self._layout)
        if self.free is None:
            return self._update(lambda: self._pieces(x, y, n_all, epoch), step)
        images, labels = self._mixed(x, y)
        n = self.recipe.updates_per_step
        found = [
            self._update(lambda: self._free_piece(images, labels, n_all), n * (step - 1) + i)
            for i in range(1, n + 1)
        ]
        return torch.stack(found).mean(0)

    def _update(self, gradients: Callable[[], Tensor], number: int) -> Tensor:
        """One update of the weights, the `number`-th, from 1, by what `gradients` leaves there."""
        recipe = self.recipe
        self.model.train()
        self.optimizer.zero_grad()
        found = gradients()
        if recipe.clip_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        if self.ema is not None:
            self.ema.update(self.model, step=number if recipe.ema_warmup else None)
        return found

    def _pieces(self, x: Tensor, y: Tensor, n_all: int, epoch: int) -> Tensor:
        n = self.recipe.accumulate
        found = torch.zeros(2, device=x.device)
        for i, piece in enumerate(zip(x.tensor_split(n), y.tensor_split(n), strict=True)):
            found += self._piece(*self._mixed(*piece), n_all, is_last=i == n - 1, epoch=epoch)
        return found

    def _mixed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not (self.recipe.mixup_alpha or self.recipe.cutmix_alpha):
            return x, y
        seed = torch.randint(2**31, (), generator=self.generator, device=x.device)
        return mix(x, y, self.recipe, self.model.card.classes, int(seed))

    def _piece(self, x: Tensor, y: Tensor, n_all: int, *, is_last: bool, epoch: int) -> Tensor:
        recipe = self.recipe
        # The bare network: the attack takes no part in data parallelism, and could not, since
        # its passes must not send batch-norm buffers around.
        attacked = self.model if self._twin is None else self._twin.refresh()
        x_adv = perturb(attacked, x, y, self.inner, self.generator)
        with ExitStack() as around:
            if not is_last and isinstance(self._parallel, DistributedDataParallel):
                around.enter_context(self._parallel.no_sync())
            around.enter_context(
                worst_weights(self.objective, x, x_adv, y, recipe.awp_gamma, self.ranks)
                if recipe.awp_gamma and epoch > recipe.awp_from_epoch
                else nullcontext()
            )
            return self._backward(x, x_adv, y, n_all)

    def _free_piece(self, x: Tensor, y: Tensor, n_all: int) -> Tensor:
        assert self.free is not None  # who calls has asked
        x_adv = self.free.images(x)
        found = self._backward(x, x_adv, y, n_all)
        self.free.move(x_adv)
        return found

    def _backward(self, x: Tensor, x_adv: Tensor, y: Tensor, n_all: int) -> Tensor:
        loss, logits = self._parallel(x, x_adv, y)
        # Data parallelism takes the mean over processes; the batch's mean is wanted, also
        # where the last batch of an epoch gives processes one image more or less.
        (loss * (len(x) * self.ranks.size / n_all)).backward()
        labels = y if y.ndim == 1 else y.argmax(1)
        return torch.stack([loss.detach() * len(x), (logits.argmax(1) == labels).sum()])


def begin(info: ModelCard, recipe: Recipe, steps_per_epoch: int, ranks: Ranks) -> Stepper:
    """A fresh network of the card, alike in all processes, with all that trains it.

    Its random stream is that of the seed itself in the first process, another in each other.
    Raises UsageError for an optimizer, eps or step size that cannot be.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = ZooModel(networks.build(info), info, None).to(ranks.device)
    model = model.to(memory_format=_layout(model, recipe))
    optimizer = build_optimizer(model, recipe)
    schedule = build_schedule(optimizer, recipe, steps_per_epoch * recipe.updates_per_step)
    seed = image_key(recipe.seed, str(ranks.rank), "rank") if ranks.rank else recipe.seed
    stream = torch.Generator(ranks.device).manual_seed(seed)
    return Stepper(model, recipe, optimizer, schedule, stream, ranks)


def _layout(model: ZooModel, recipe: Recipe) -> torch.memory_format:
    return memory_layout(model) if recipe.channels_last else torch.contiguous_format


def _twin(model: ZooModel) -> Twin:
    spec = model.card.input
    noise = torch.rand((2, spec.channels, spec.size, spec.size))
    return Twin(model, noise.to(next(model.parameters()).device))


def _parallel(objective: Objective, ranks: Ranks) -> Objective | DistributedDataParallel:
    if ranks.size == 1:
        return objective
    devices = [ranks.device] if ranks.device.type == "cuda" else None
    return DistributedDataParallel(objective, device_ids=devices)
