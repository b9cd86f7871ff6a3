"""Where a run stands, and how that becomes a checkpoint and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from eval.errors import UsageError
from zoo.model import ZooModel
from zoo.train.distributed import Ranks
from zoo.train.recipe import Recipe, check_recipe, differences
from zoo.train.record.checkpoint import Checkpoint
from zoo.train.step import Stepper


@dataclass
class Position:
    """The place in the run. step: steps taken; epoch: the current one, from 1.

    batch:  batches of this epoch that are done. order: (N,) this epoch's permutation.
    loss_sum, n_right, n_seen, seconds: of this epoch so far, this process alone.
    """

    step: int = 0
    epoch: int = 1
    batch: int = 0
    order: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    loss_sum: float = 0.0
    n_right: float = 0.0
    n_seen: int = 0
    seconds: float = 0.0


@dataclass
class Best:
    """The best network so far on the held-out images; `since` validations have not beaten it."""

    robust: float = -1.0
    epoch: int = 0
    since: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """What a run was begun with, and can only go on with.

    data_name: of the data set, since two copies of one have the same ids; "": not known.
    """

    model: str
    data_sha256: str
    data_name: str
    recipe: Recipe

    def plain(self) -> dict[str, Any]:
        """As JSON values, for a checkpoint."""
        return {
            "model": self.model,
            "data": self.data_sha256,
            "data_name": self.data_name,
            "recipe": self.recipe.model_dump(mode="json"),
        }

    def changes(self, state: Mapping[str, Any], where: str) -> list[str]:
        """One line for each difference from the run that left `state`, a checkpoint's, `where`."""
        changed = differences(check_recipe(state["recipe"], where), self.recipe)
        if state["model"] != self.model:
            changed.insert(0, f"model: {state['model']} -> {self.model}")
        names = [state.get("data_name", ""), self.data_name]  # older checkpoints have no name
        if all(names) and names[0] != names[1]:
            changed.append(f"data: {names[0]} -> {names[1]}")
        elif state["data"] != self.data_sha256:
            changed.append("the training images")
        return changed


def all_finite(stepper: Stepper) -> bool:
    """Whether all weights and statistics of the network and of its average are finite numbers."""
    tensors = [*stepper.model.state_dict().values(), *stepper.averaged.state_dict().values()]
    found = [tensor.isfinite().all() for tensor in tensors if tensor.is_floating_point()]
    return bool(torch.stack(found).all())


def same_start(position: Position, folder: Path | None, ranks: Ranks) -> None:
    """Raise `UsageError` if the processes found checkpoints of different steps in `folder`."""
    own = torch.tensor([position.step], dtype=torch.int64)
    steps = [int(step) for step in ranks.gather(own)]
    for rank, step in enumerate(steps):
        if step != steps[0]:
            raise UsageError(
                f"`out` {folder}: process 0 goes on from step {steps[0]}, process {rank} from step"
                f" {step}: `out` must lie on a disk that all nodes share"
            )


def capture(
    stepper: Stepper, position: Position, best: Best, log: list[dict[str, Any]], ranks: Ranks
) -> Checkpoint:
    """Everything of this moment. All processes must call it, at the same step."""
    streams = ranks.gather(stepper.generator.get_state().to(ranks.device))
    sums = torch.tensor([position.loss_sum, position.n_right, position.n_seen], dtype=torch.float64)
    tensors, plain = _optimizer_state(stepper.optimizer)
    tensors |= _prefixed("model.", stepper.model.state_dict())
    tensors |= _prefixed("best.", best.tensors)
    tensors |= {f"stream.{rank}": state for rank, state in enumerate(streams)}
    tensors |= {f"sums.{rank}": part for rank, part in enumerate(ranks.gather(sums))}
    tensors["order"] = position.order
    if stepper.ema is not None:
        tensors |= _prefixed("ema.", stepper.ema.module.state_dict())
    if stepper.free is not None:
        found = ranks.gather(stepper.free.delta)
        tensors |= {f"free.{rank}": delta for rank, delta in enumerate(found)}
    state = {
        "epoch": position.epoch,
        "batch": position.batch,
        "seconds": position.seconds,
        "best": {"robust": best.robust, "epoch": best.epoch, "since": best.since},
        "log": log,
        "optimizer": plain,
        "schedule": stepper.schedule.state_dict(),
    }
    return Checkpoint(position.step, tensors, state)


def restore(
    checkpoint: Checkpoint, stepper: Stepper, ranks: Ranks
) -> tuple[Position, Best, list[dict[str, Any]]]:
    """Bring the parts of `stepper` back to the moment of `checkpoint`, and say where that was."""
    tensors, state = checkpoint.tensors, checkpoint.state
    stepper.model.load_state_dict(_without("model.", tensors))
    if stepper.ema is not None:
        stepper.ema.module.load_state_dict(_without("ema.", tensors))
    _load_optimizer(stepper.optimizer, state["optimizer"], _without("optimizer.", tensors))
    stepper.schedule.load_state_dict(state["schedule"])
    if (stream := tensors.get(f"stream.{ranks.rank}")) is not None:
        stepper.generator.set_state(stream.cpu())
    if stepper.free is not None:
        delta = tensors.get(f"free.{ranks.rank}", stepper.free.delta)
        if delta.shape == stepper.free.delta.shape:  # else other processes share a batch now
            stepper.free.delta.copy_(delta)
    sums = [0.0, 0.0, 0.0]
    if (own := tensors.get(f"sums.{ranks.rank}")) is not None:
        sums = own.tolist()
    position = Position(
        step=checkpoint.step,
        epoch=state["epoch"],
        batch=state["batch"],
        order=tensors["order"],
        loss_sum=sums[0],
        n_right=sums[1],
        n_seen=int(sums[2]),
        seconds=state["seconds"],
    )
    best = Best(**state["best"], tensors=_without("best.", tensors))
    return position, best, list(state["log"])


def result_tensors(model: ZooModel) -> dict[str, Tensor]:
    """A copy of what a weight file holds: the bare network's state dict, on the CPU."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.net.state_dict().items()
    }


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's tensors by "optimizer.PARAMETER.KEY", and the rest as JSON values."""
    whole = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in whole["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
            else:
                plain.setdefault(str(index), {})[key] = value
    return tensors, {"state": plain, "param_groups": whole["param_groups"]}


def _load_optimizer(
    optimizer: Optimizer, plain: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in plain["state"].items()}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        own = tensor
        if tensor.shape == parameter.shape:
            # In the parameter's memory layout, so that fused updates stay fused.
            own = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
        state.setdefault(int(index), {})[key] = own
    optimizer.load_state_dict({"state": state, "param_groups": plain["param_groups"]})
