"""Which checkpoint a run goes on from: the newest that this run can have left.

All of it is looked at before anything is taken from it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from torch import Tensor

from eval.errors import UsageError, first_fault
from zoo.train.distributed import Ranks
from zoo.train.objective.free import Free
from zoo.train.record.checkpoint import (
    Checkpoint,
    CheckpointError,
    DamagedCheckpoint,
    newest_first,
    read,
)
from zoo.train.state import Identity, result_tensors
from zoo.train.step import Stepper

_OF_PARAMETERS = frozenset({"momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"})
_STREAM = re.compile(r"stream\.\d{1,6}")
_FREE = re.compile(r"free\.\d{1,6}")
_SUMS = re.compile(r"sums\.\d{1,6}")
_OPTIMIZER = re.compile(r"optimizer\.(\d{1,9})\.(\w{1,50})")

_Scalar = bool | int | float | str | None
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Quantity = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Begun:
    """The parts of a run that has just begun, which those of a checkpoint must be like."""

    identity: Identity
    stepper: Stepper
    ranks: Ranks
    n_images: int


@dataclass(frozen=True)
class Good:
    """A checkpoint that can be gone on from, and where it lies."""

    path: Path
    checkpoint: Checkpoint


def newest_good(folder: Path, run: Begun, say: Callable[[str], None]) -> Good | None:
    """The newest good checkpoint in `folder`; None if there is none at all.

    say: told of each that is passed over, since it is damaged.

    Raises `CheckpointError` if all are damaged; `UsageError` if the run was begun otherwise.
    """
    damaged: list[DamagedCheckpoint] = []
    for path in newest_first(folder):
        try:
            found = _checked(path, folder, run)
        except DamagedCheckpoint as error:
            damaged.append(error)
            continue
        for one in damaged:
            say(f"passing over the checkpoint {one.path}, which is damaged: {one.why}")
        if not found.is_proven:
            say(f"{path} is of an earlier version, without digests: only its form can be checked")
        return Good(path, found)
    if len(damaged) == 1:
        raise damaged[0]
    if damaged:
        faults = "; ".join(f"{one.path.name}: {one.why}" for one in damaged)
        raise CheckpointError(
            f"no checkpoint in {folder} can be read ({faults}): start again with `fresh=True`"
        )
    return None


def _checked(path: Path, folder: Path, run: Begun) -> Checkpoint:
    found = read(path)
    if changed := _check_state(path, found, run.identity, run.stepper):
        raise UsageError(
            f"the run in {folder} was begun otherwise ({'; '.join(changed)}): undo that to go on"
            " with it, name another `out`, or start again with `fresh=True`"
        )
    _check_tensors(path, found, run)
    return found


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Best(_Strict):
    robust: Annotated[float, Field(ge=-1, le=1)]
    epoch: Count
    since: Count


class _Epoch(_Strict):
    epoch: Count
    step: Count
    loss: float
    train_robust: Fraction
    lr: Quantity
    images_per_second: Quantity
    valid_clean: Fraction | None = None
    valid_robust: Fraction | None = None
    train_clean: Fraction | None = None


class _Optimizer(_Strict):
    state: dict[Annotated[str, Field(pattern=r"^\d{1,9}$")], dict[str, _Scalar]]
    param_groups: list[dict[str, JsonValue]]


class _State(_Strict):
    """`state.json`. Older ones have no `data_name`, and no `train_clean` in their log."""

    epoch: Annotated[int, Field(ge=1)]
    batch: Count
    seconds: Quantity
    best: _Best
    log: list[_Epoch]
    optimizer: _Optimizer
    schedule: dict[str, JsonValue]
    model: str
    data: str
    data_name: str = ""
    recipe: dict[str, JsonValue]


def _check_state(path: Path, found: Checkpoint, identity: Identity, stepper: Stepper) -> list[str]:
    """What `identity` has that the run was not begun with, one line each.

    Raises `DamagedCheckpoint` for a state that no run has left, or none of these parts.
    """
    try:
        state = _State.model_validate(found.state)
        changes = identity.changes(found.state, "checkpoint")
    except ValidationError as error:
        raise DamagedCheckpoint(path, f"state.json: {first_fault(error, 'all')}") from error
    except UsageError as error:
        raise DamagedCheckpoint(path, str(error)) from error
    if changes:  # of another run, whose parts may be others too
        return changes
    groups = stepper.optimizer.state_dict()["param_groups"]
    for name, own, other in (
        ("schedule", stepper.schedule.state_dict(), state.schedule),
        ("optimizer.param_groups", groups, state.optimizer.param_groups),
    ):
        if where := _difference(json.loads(json.dumps(own)), other, name):
            raise DamagedCheckpoint(path, f"state.json: {where} is not of this run")
    n_updates = found.step * stepper.recipe.updates_per_step
    if state.schedule.get("last_epoch") != n_updates:
        raise DamagedCheckpoint(path, "its name and state.json speak of different steps")
    n_parameters = sum(len(group["params"]) for group in groups)
    if any(int(index) >= n_parameters for index in state.optimizer.state):
        raise DamagedCheckpoint(path, "state.json: optimizer.state is not of this run")
    return []


def _check_tensors(path: Path, found: Checkpoint, run: Begun) -> None:
    """Raise `DamagedCheckpoint` unless the tensors are those of these parts, all and no other.

    Weights must be finite; where nothing proves the bytes, every number must be.
    """
    tensors, wanted = found.tensors, _networks(run.stepper, found.tensors)
    for name in wanted.keys() - tensors.keys():
        raise DamagedCheckpoint(path, f"it has no tensor {name}")
    parameters = [p for group in run.stepper.optimizer.param_groups for p in group["params"]]
    free = run.stepper.free
    for name, tensor in tensors.items():
        own = wanted.get(name)
        if not (
            _like(tensor, own) if own is not None else _is_other(name, tensor, parameters, free)
        ):
            shape = f"{tuple(tensor.shape)}, {tensor.dtype}"
            raise DamagedCheckpoint(path, f"the tensor {name} ({shape}) is not of this run")
        is_known = found.is_proven and own is None
        if tensor.is_floating_point() and not is_known and not bool(tensor.isfinite().all()):
            raise DamagedCheckpoint(path, f"the tensor {name} holds what is no finite number")
    _check_order(path, found, run.n_images)
    rank = run.ranks.rank
    if (stream := tensors.get(f"stream.{rank}")) is not None:
        try:
            torch.Generator(run.ranks.device).set_state(stream.cpu())
        except (RuntimeError, TypeError) as error:
            why = f"stream.{rank} is no random stream of this kind of device"
            raise DamagedCheckpoint(path, why) from error


def _networks(stepper: Stepper, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What must be there: the network, its average, and the best so far if there is any of it."""
    wanted = {f"model.{name}": own for name, own in stepper.model.state_dict().items()}
    if stepper.ema is not None:
        wanted |= {f"ema.{name}": own for name, own in stepper.ema.module.state_dict().items()}
    if any(name.startswith("best.") for name in tensors):
        best = result_tensors(stepper.averaged)
        wanted |= {f"best.{name}": own for name, own in best.items()}
    return wanted | {"order": torch.zeros(0, dtype=torch.int64)}


def _like(tensor: Tensor, own: Tensor) -> bool:
    is_order = own.dtype == torch.int64 and own.shape == (0,) and tensor.ndim == 1
    return tensor.dtype == own.dtype and (is_order or tensor.shape == own.shape)


def _is_other(name: str, tensor: Tensor, parameters: list[Tensor], free: Free | None) -> bool:
    """Whether this can be of one process alone, or what the optimizer has of a parameter."""
    if _STREAM.fullmatch(name):
        return tensor.dtype == torch.uint8 and tensor.ndim == 1
    if _SUMS.fullmatch(name):
        return tensor.dtype == torch.float64 and tensor.shape == (3,)
    if _FREE.fullmatch(name):
        return free is not None and tensor.dtype == free.delta.dtype and tensor.ndim == 4
    of = _OPTIMIZER.fullmatch(name)
    if of is None or int(of[1]) >= len(parameters):
        return False
    if of[2] in _OF_PARAMETERS:
        own = parameters[int(of[1])]
        return tensor.shape == own.shape and tensor.is_floating_point()
    return of[2] != "step" or tensor.numel() == 1


def _check_order(path: Path, found: Checkpoint, n_images: int) -> None:
    order = found.tensors["order"]
    if found.state["batch"] == 0 and len(order) == 0:
        return
    if not torch.equal(order.sort().values, torch.arange(n_images)):
        raise DamagedCheckpoint(path, "order is no order of the training images")


def _difference(own: object, other: object, where: str) -> str:
    """Where `other` is not of the form of `own`; "" if it is. Private entries may come and go."""
    if isinstance(own, dict) and isinstance(other, dict):
        for key in own.keys() ^ other.keys():
            if not str(key).startswith("_"):
                return f"{where}.{key}"
        inner = [(own[key], other[key], str(key)) for key in own.keys() & other.keys()]
    elif isinstance(own, list) and isinstance(other, list) and len(own) == len(other):
        inner = [(a, b, str(i)) for i, (a, b) in enumerate(zip(own, other, strict=True))]
    else:
        return "" if _is_same_kind(own, other) else where
    if where.endswith(".params"):
        return "" if own == other else where
    found = (_difference(a, b, f"{where}.{name}") for a, b, name in inner)
    return next((place for place in found if place), "")


def _is_same_kind(own: object, other: Any) -> bool:
    if isinstance(own, int | float) and not isinstance(own, bool):
        is_number = isinstance(other, int | float) and not isinstance(other, bool)
        return is_number and math.isfinite(other)
    return type(own) is type(other) and not isinstance(other, dict | list)
