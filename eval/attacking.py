"""Adversarial images of tensors in one call: what a researcher types first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from eval.bars import shown
from eval.begin import begun
from eval.data import as_images, decoded_once, from_tensors
from eval.engine.engine import Precision
from eval.errors import UsageError
from eval.functions import ModelLike, as_module
from eval.protocols import protocol
from eval.radius import Number
from eval.report.report import Flag
from eval.request import Request
from eval.threat import Norm, Threat

if TYPE_CHECKING:
    from eval.data.given import DataLike, Numbers


@dataclass(frozen=True)
class Attacked:
    """What an attack found; every adversarial image was verified in fp32 by the untouched model.

    x_adv: (N, C, H, W) float32; the adversarial image where there is one, else the clean one.
    is_adversarial: (N,) bool, misclassified inside the ball; of images that are wrong without an
        attack too, where x_adv is the image itself.
    stages: (N,) which stage broke the image: "clean" wrong without an attack, "robust" none did.
    forwards, backwards: images sent through networks. flags: what a reader must know.
    """

    x_adv: Tensor
    is_adversarial: Tensor
    stages: tuple[str, ...]
    forwards: int
    backwards: int
    flags: tuple[Flag, ...]

    @property
    def robust_accuracy(self) -> float:
        """Share of images that are right and that nothing broke."""
        return 1 - float(self.is_adversarial.float().mean())

    def __repr__(self) -> str:
        n, n_adversarial = len(self.stages), int(self.is_adversarial.sum())
        return (
            f"Attacked({n_adversarial} of {n} images adversarial, {self.forwards:,} forwards,"
            f" {self.backwards:,} backwards)"
        )


def attack(
    model: ModelLike,
    x: Numbers | DataLike,
    y: Numbers | None = None,
    name: str = "autoattack",
    *,
    eps: Number = "8/255",
    norm: Norm = "Linf",
    step_size: Number | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    batch_size: int = 128,
    device: str | torch.device = "cpu",
    progress: bool | None = None,
) -> Attacked:
    """Attack images x (N, C, H, W) in [0, 1] with labels y (N,) by the protocol `name`.

    x, y: tensors, arrays or lists; or as x alone an image set, a `Dataset` or a `DataLoader`.

    The images meet the same random numbers, and so the same verdicts, as in
    `eval.evaluate(model, (x, y), attack=name, ...)`; see there for the other arguments.

    Raises as `eval.evaluate`; `UsageError` for "clean", which is no attack.

    """
    if isinstance(y, str):
        raise UsageError(f"y {y!r} is a text: name the attack by name={y!r}")
    model = as_module(model)
    plan, threat = protocol(name, step_size=step_size), Threat.of(norm, eps)
    if not plan.stages:
        raise UsageError(f"attack {name!r} attacks nothing: use for example pgd-20 or autoattack")
    images = as_images(cast("DataLike", x)) if y is None else from_tensors(cast("Numbers", x), y)
    request = Request(
        data=decoded_once(images),
        threat=threat,
        protocol=plan,
        precision=precision,
        seed=seed,
        batch_size=batch_size,
        device=str(device),
        allow_probabilities=True,
        keeps_images=True,
    )
    with (
        torch.inference_mode(False),
        shown(progress, None) as tell,
        begun(model, request, on_progress=tell) as run,
    ):
        run.attack()
        flags = run.flags
    x_adv, _ = images.tensors()
    for position, image in (run.images or {}).items():
        x_adv[position] = image
    return Attacked(
        x_adv=x_adv,
        is_adversarial=torch.tensor([verdict != "robust" for verdict in run.verdicts]),
        stages=tuple(run.verdicts),
        forwards=sum(stage.forwards for stage in run.stage_results),
        backwards=sum(stage.backwards for stage in run.stage_results),
        flags=flags,
    )
