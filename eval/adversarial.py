"""Adversarial images in a file, with all that is needed to check them again without an attack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from eval.checks import usable_device
from eval.definition import weights_sha256
from eval.engine.borrowed import borrowed
from eval.errors import DataError, ReportError, WeightsMismatch
from eval.files.writing import write_atomically
from eval.frozen import Frozen
from eval.report.report import UNBROKEN
from eval.threat import Threat
from eval.verify import verify

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.report.report import Report
    from eval.run import Run

SCHEMA: Literal["sat-zoo/adversarial@1"] = "sat-zoo/adversarial@1"


class Origin(Frozen):
    """What the images are said to be: the file's metadata, as JSON under the name of the schema.

    ids, labels, stages: one an image; stages says which attack found it. pixels_sha256: of the
    clean images with these ids, in this order, as in a Report.
    """

    model: str
    weights_sha256: str
    data: str
    split: str
    pixels_sha256: str
    norm: str
    eps: str
    protocol: str
    seed: int
    ids: tuple[str, ...]
    labels: tuple[int, ...]
    stages: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class AdversarialImages:
    """Images `x_adv` (N, C, H, W) float32 in [0, 1], and what is claimed of them."""

    x_adv: Tensor
    origin: Origin

    @classmethod
    def of(cls, run: Run, report: Report) -> Self:
        """All images that `run` broke, in the order of the data."""
        verdicts = report.images.verdicts
        broken = [i for i, verdict in enumerate(verdicts) if verdict not in UNBROKEN]
        found = run.images or {}
        data = run.request.data
        shape = tuple(data.batch([0]).x.shape[1:])
        x_adv = torch.stack([found[i] for i in broken]) if broken else torch.zeros(0, *shape)
        clean = data.select(broken).pixels_sha256() if broken else ""
        origin = Origin(
            model=report.model.name,
            weights_sha256=report.model.weights_sha256,
            data=report.data.name,
            split=report.data.split,
            pixels_sha256=clean,
            norm=report.threat.norm,
            eps=report.threat.eps_text,
            protocol=report.protocol.name,
            seed=report.seed,
            ids=tuple(report.images.ids[i] for i in broken),
            labels=tuple(report.images.labels[i] for i in broken),
            stages=tuple(verdicts[i] for i in broken),
        )
        return cls(x_adv, origin)

    def write(self, path: Path) -> None:
        """Write a safetensors file with the tensor `x_adv`. Raises `ReportError` if it cannot."""
        content = save({"x_adv": self.x_adv.contiguous()}, {SCHEMA: self.origin.model_dump_json()})
        write_atomically(path, content)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote. Raises `ReportError` if that is not what the file holds."""
        try:
            with safe_open(path, framework="pt") as file:
                origin = Origin.model_validate_json((file.metadata() or {})[SCHEMA])
                x_adv: Tensor = file.get_tensor("x_adv")
        except (OSError, SafetensorError, ValidationError, KeyError) as error:
            raise ReportError(
                f"{path} holds no readable adversarial images ({str(error).splitlines()[0]}): give"
                " a file that `save_adversarial` wrote"
            ) from error
        counts = {len(x_adv), len(origin.ids), len(origin.labels), len(origin.stages)}
        if x_adv.ndim != 4 or x_adv.dtype != torch.float32 or len(counts) != 1:
            raise ReportError(
                f"{path} does not hold one float32 image of shape (C, H, W) for each of its"
                f" {len(origin.ids)} ids: write it again with `save_adversarial`"
            )
        return cls(x_adv, origin)


@dataclass(frozen=True)
class Rechecked:
    """n images were checked; failed says of an id why its image is not adversarial.

    n_broken_8bit: of those that are, how many still are after rounding to 8 bits.
    """

    n: int
    failed: dict[str, str]
    n_broken_8bit: int


def recheck(
    found: AdversarialImages,
    model: nn.Module,
    data: ImageSet,
    *,
    batch_size: int = 128,
    device: str = "cpu",
) -> Rechecked:
    """Verify every image again: inside the ball, inside [0, 1], finite, misclassified in fp32.

    model: as for `evaluate`. data: the image set that holds the clean images.
    Raises `WeightsMismatch`, `DataError` if model or data are not those that the origin names.
    """
    origin, place = found.origin, usable_device(device)
    _check_weights(origin, model)
    threat = Threat(origin.norm, origin.eps)
    failed: dict[str, str] = {}
    n_broken_8bit = 0
    if not origin.ids:
        return Rechecked(0, failed, 0)
    clean = _clean_images(origin, data)
    with borrowed(model, place):
        done = 0
        for batch in clean.batches(batch_size):
            x_adv = found.x_adv[done : done + len(batch)].to(place)
            done += len(batch)
            x, y = batch.x.to(place), batch.y.to(place)
            if x.shape != x_adv.shape:
                raise DataError(
                    f"the adversarial images have shape {tuple(x_adv.shape[1:])}, those of"
                    f" {data.name} {tuple(x.shape[1:])}: use the data that they were made from"
                )
            checked = verify(model, x, x_adv, y, threat)
            n_broken_8bit += int(checked.is_broken_8bit.sum())
            is_inside = threat.contains(x_adv, x)
            for i in (~checked.is_broken).nonzero().squeeze(1).tolist():
                outside = f"it is outside the {threat.norm} ball of {threat.eps_text} or of [0, 1]"
                failed[batch.ids[i]] = "the model is not fooled" if is_inside[i] else outside
    return Rechecked(len(origin.ids), failed, n_broken_8bit)


def _check_weights(origin: Origin, model: nn.Module) -> None:
    got = weights_sha256(model)
    if got != origin.weights_sha256:
        raise WeightsMismatch(
            f"{origin.model}: these weights have the digest {got[:12]}, the adversarial images are"
            f" of {origin.weights_sha256[:12]}: name the right file with `weights`"
        )


def _clean_images(origin: Origin, data: ImageSet) -> ImageSet:
    if data.name != origin.data or data.split != origin.split:
        raise DataError(
            f"the adversarial images are of {origin.data} ({origin.split}), not of {data.name}"
            f" ({data.split}): use the data that they were made from"
        )
    clean = data.select_ids(origin.ids)
    if tuple(int(label) for label in clean.labels) != origin.labels:
        raise DataError(f"{data.name}: the labels are not those of the adversarial images' ids")
    if (got := clean.pixels_sha256()) != origin.pixels_sha256:
        raise DataError(
            f"{data.name}: the clean images have the digest {got[:12]}, those of the adversarial"
            f" images {origin.pixels_sha256[:12]}: use the data that they were made from"
        )
    return clean
