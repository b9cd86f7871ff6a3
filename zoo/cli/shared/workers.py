"""The options of commands that can compute on many machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import click

from eval.errors import UsageError
from zoo.choice import Choice, Made
from zoo.cli.shared.console import remark

if TYPE_CHECKING:
    from eval.executors.cluster import RayExecutor


def _workers(_context: object, _option: object, value: str | None) -> int | str | None:
    """A number of workers as typed. Raises `UsageError` for what is none."""
    if value is None or value == "auto":
        return value
    if not value.isdecimal() or len(value) > 6 or int(value) < 1:
        raise UsageError(f"--workers {value[:40]!r} is not possible: give 1 or more, or auto")
    return int(value)


def ray_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `chosen_workers` understands."""
    options = (
        click.option(
            "--ray",
            metavar="local|auto|HOST:PORT",
            help="Compute by workers of a Ray cluster: one of this machine alone, the one that it"
            " is part of, or one by its address. The verdicts are the same.",
        ),
        click.option(
            "--workers",
            metavar="N|auto",
            callback=_workers,
            help="How many workers of --ray.  [default: auto, as many as there is room for]",
        ),
        click.option(
            "--gpus-per-worker",
            type=float,
            help="GPUs of each worker, or a fraction of one.  [default: 1 with --device cuda, else"
            " 0]",
        ),
        click.option(
            "--cpus-per-worker",
            type=int,
            help="Cores of each worker.  [default: 1; with a GPU its share of the machine's]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class RaySettings:
    """What the options of `ray_options` say; ray is None where nothing is said.

    device: as in --device, which with --ray says what workers compute on.
    """

    ray: str | None
    workers: int | Literal["auto"] | None
    gpus_per_worker: float | None
    cpus_per_worker: int | None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.ray is None:
            for one in ("workers", "gpus_per_worker", "cpus_per_worker"):
                if (value := getattr(self, one)) is not None:
                    option = one.replace("_", "-")
                    raise UsageError(
                        f"--{option} {value} is about the workers of --ray: give --ray local too"
                        " (processes that decode pictures are --decoders)"
                    )
            return
        from eval.executors.cluster.joining import check_address, check_counts

        check_address(self.ray)
        if self.device not in {"cpu", "cuda"}:
            raise UsageError(
                f"--device {self.device} beside --ray: give cpu or cuda; which GPU a worker gets is"
                " Ray's affair"
            )
        if self.device == "cuda" and self.gpus_per_worker == 0:
            raise UsageError("--gpus-per-worker 0 beside --device cuda: leave out one of the two")
        check_counts(self.workers or "auto", self.gpus_per_worker or 0, self.cpus_per_worker)

    @property
    def own_device(self) -> str:
        """Where this process itself computes."""
        return self.device if self.ray is None else "cpu"

    def planned(self) -> int | None:
        """How many workers there would be; None without --ray.

        From now on this process computes on CPUs with as many threads as one of them. Raises what
        `RayExecutor.connect` raises.
        """
        if self.ray is None:
            return None
        import torch

        with self.executor() as executor:
            assert executor is not None, "--ray is given"
            room = executor.room()
        if self.device == "cpu" and not self.gpus_per_worker:
            torch.set_num_threads(max(1, int(room.cpus)))
        return room.n

    @contextmanager
    def executor(self, choice: Choice | None = None) -> Iterator[RayExecutor | None]:
        """The executor, for as long as the block runs; None without --ray.

        choice: of the model; one that a user's Python makes travels by its name.
        """
        if self.ray is None:
            yield None
            return
        from eval.executors.cluster import RayExecutor

        made = choice if isinstance(choice, Made) else None
        gpus = self.gpus_per_worker
        with RayExecutor(
            self.ray,
            workers=self.workers or "auto",
            gpus_per_worker=float(self.device == "cuda") if gpus is None else gpus,
            cpus_per_worker=self.cpus_per_worker,
            factory=made.factory if made else None,
            factory_options=made.options if made else {},
            on_message=remark,
        ) as executor:
            yield executor


def chosen_workers(options: dict[str, Any], device: str) -> RaySettings:
    """What the options of `ray_options` mean; these are taken out of `options`.

    Raises `UsageError` for what cannot be.
    """
    names = [one.name for one in fields(RaySettings) if one.name != "device"]
    return RaySettings(**{name: options.pop(name) for name in names}, device=device)
