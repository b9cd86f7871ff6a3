"""From a name to a finished run folder: what `sat-zoo train` does once its arguments are read."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.cpus import usable_cpus
from eval.data import ImageSet, open_data
from eval.errors import ReportError, UsageError
from eval.files.home import home
from zoo.cards import ModelCard
from zoo.registry import own_models
from zoo.train.data.feed import Feed, MemoryFeed, Split, memory_feed, split
from zoo.train.data.pictures import feed, open_pictures
from zoo.train.distributed import Ranks
from zoo.train.loop import Training
from zoo.train.recipe import Recipe, check_for_data
from zoo.train.record import result
from zoo.train.record.events import EpochResult, Hooks, Stopped
from zoo.train.record.progress import ProgressLine
from zoo.train.signals import stop_requests

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Options:
    """How to run, as far as it does not change what comes out. minutes: between checkpoints."""

    out: Path | None = None
    data: str | None = None
    data_dir: Path | None = None
    fresh: bool = False
    limit_steps: int | None = None
    minutes: float = 5.0
    decoders: int = 4
    tensorboard: bool = False


def run_folder(info: ModelCard, options: Options) -> Path:
    """Where the run's files go. Raises `UsageError` if that is a file."""
    folder = options.out or home() / "runs" / info.name
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`out` {folder} is a file: name a folder")
    return folder


def open_training_data(info: ModelCard, recipe: Recipe, options: Options) -> Split:
    """The training split, with the held-out images taken out of it."""
    name = options.data or info.dataset
    if name in {"imagenet", "folder"}:
        return split(open_pictures(name, info, options.data_dir), recipe)
    return split(open_data(name, data_dir=options.data_dir, split="train"), recipe)


def train_model(
    info: ModelCard,
    recipe: Recipe,
    options: Options,
    ranks: Ranks,
    say: Callable[[str], None],
    remark: Callable[[str], None] | None = None,
) -> Path:
    """Train by the recipe, or go on with what lies in the run folder; returns that folder.

    say: is told what happens, each epoch among it. remark: where it stands within one, now and
    then; a terminal then has a line that moves instead.

    Raises what `Training.train` does, and `DataError` if the training images are not here.
    """
    folder = run_folder(info, options)
    if not ranks.is_first:
        say = _silent
    if ranks.is_first:
        result.make_folder(folder)
        if options.fresh:
            set_aside(folder, say)
    ranks.any(False)  # nobody looks for checkpoints before the first process is ready
    data = open_training_data(info, recipe, options)
    training = _feed(data.training, info, recipe, ranks, options)
    say(_opening(info, recipe, data, ranks))
    with stop_requests() as request, _told(folder, recipe, options, ranks, say, remark) as hooks:
        run = Training(
            info,
            recipe,
            training,
            held_out=_held_out(data, info, recipe, ranks),
            folder=folder / CHECKPOINTS,
            ranks=ranks,
            minutes=options.minutes,
            limit_steps=options.limit_steps,
            data_name=data.training.name,
            data_sha256=data.training.ids_sha256,
            hooks=Hooks(hooks.on_epoch, hooks.on_step, say, request.is_made),
        )
        try:
            outcome = run.train()
        except Stopped as stopped:
            if request.is_made():  # or another process was asked
                stopped.exit_code = 128 + request.number
            raise
    if ranks.is_first:
        path, sha256 = result.save(folder, outcome, recipe, _about(info, data, ranks, options))
        say(f"weights of epoch {outcome.chosen_epoch} written to {path}, sha256 {sha256}")
        known = info.name if info.name in own_models() else info.seed_of or info.name
        say(f"measure them with: sat-zoo eval {known} --weights {path}")
    return folder


def set_aside(folder: Path, say: Callable[[str], None]) -> None:
    """Rename an earlier run's folder to NAME.1, NAME.2, ...: --fresh deletes nothing."""
    if not any(folder.iterdir()):
        return
    folder = folder.resolve()  # of a link, what it leads to
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    folder.rename(aside)
    folder.mkdir(exist_ok=True)  # another process may have been quicker
    say(f"the earlier run is now in {aside}")


@contextmanager
def _told(
    folder: Path,
    recipe: Recipe,
    options: Options,
    ranks: Ranks,
    say: Callable[[str], None],
    remark: Callable[[str], None] | None,
) -> Iterator[Hooks]:
    """Hooks that print, log and plot; for the first process alone."""
    if not ranks.is_first:
        yield Hooks()
        return
    progress = ProgressLine(recipe.epochs, say, remark)
    board = _tensorboard(folder) if options.tensorboard else None

    def on_epoch(entry: EpochResult) -> None:
        progress.on_epoch(entry)
        try:
            result.append_metrics(folder, entry)
            _plot(board, entry)
        except (ReportError, OSError) as error:
            say(
                f"the log of epoch {entry.epoch} cannot be written ({error.__cause__ or error});"
                f" training goes on, and {result.METRICS} is written whole at the end"
            )

    try:
        yield Hooks(on_epoch=on_epoch, on_step=progress.on_step)
    finally:
        if board is not None:
            with suppress(OSError):  # a full disk
                board.close()


def _plot(board: Any, entry: EpochResult) -> None:
    if board is None:
        return
    for name, value in asdict(entry).items():
        if value is not None:
            board.add_scalar(name, value, entry.step)
    board.flush()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "`tensorboard=True` needs the package tensorboard: install it with pip install"
            " tensorboard"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"))


def _feed(data: ImageSet, info: ModelCard, recipe: Recipe, ranks: Ranks, options: Options) -> Feed:
    if data.name in {"imagenet", "folder"}:
        return feed(data, info, recipe, ranks.device, options.decoders)
    memory = memory_feed(data, info, recipe, ranks.device)
    check_for_data(recipe, in_memory=True, scale=memory.scale)
    return memory


def _held_out(data: Split, info: ModelCard, recipe: Recipe, ranks: Ranks) -> MemoryFeed | None:
    if data.validation is None:
        return None
    return memory_feed(data.validation, info, recipe, ranks.device)


def _silent(_: str) -> None:
    """Say nothing: one process speaks for all."""


def _opening(info: ModelCard, recipe: Recipe, data: Split, ranks: Ranks) -> str:
    held_out = f", {len(data.validation)} more held out" if data.validation else ""
    where = f" in {ranks.size} processes" if ranks.size > 1 else ""
    return (
        f"training {info.name} on {len(data.training)} images of {data.training.name}{held_out},"
        f" for {recipe.epochs} epochs{where}"
    )


def _about(info: ModelCard, data: Split, ranks: Ranks, options: Options) -> dict[str, Any]:
    return {
        "model": info.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["sat-zoo", *sys.argv[1:]]),
        "source_revision": result.source_revision(),
        "data": {
            "asked": options.data or info.dataset,
            "name": data.training.name,  # the proved one
            "layout": data.training.layout,
            "split": data.training.split,
            "n": len(data.training),
            "ids_sha256": data.training.ids_sha256,
            "held_out": len(data.validation) if data.validation else 0,
        },
        "processes": ranks.size,
        "device": str(ranks.device),
        "cpus": usable_cpus(),
    }
