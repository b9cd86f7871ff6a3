"""Adversarial images in a file, with all that is needed to check them again without an attack.

The file holds its Report too, and the digest of what the images follow from there: so it can claim
neither another ball, attack or seed than the Report, nor fewer images, without being found out.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from eval.checks import usable_device
from eval.definition import weights_sha256
from eval.engine.borrowed import borrowed
from eval.errors import DataError, ReportError, WeightsMismatch
from eval.files.border import border, plain
from eval.files.limits import check
from eval.files.paths import AnyPath, path_of
from eval.files.record import parse_json
from eval.files.writing import write_atomically
from eval.frozen import Frozen
from eval.report.digest import what_images_follow_from
from eval.report.report import UNBROKEN, Report
from eval.threat import Threat
from eval.verify import verify

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.run import Run

SCHEMA: Literal["sat-zoo/adversarial@2"] = "sat-zoo/adversarial@2"

REPORT = "report"
"""Under which name the file's metadata hold the Report, as JSON."""

UNBOUND = "sat-zoo/adversarial@1"
"""The schema of files that hold no Report."""


class Origin(Frozen):
    """What the images are said to be: the file's metadata, as JSON under the name of the schema.

    ids, labels, stages: one an image; stages says which attack found it. pixels_sha256: of the
    clean images with these ids, in this order, as in a Report; "" where there is none.
    report_sha256: what `eval.report.digest` says of the Report in the file.
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
    report_sha256: str
    ids: tuple[str, ...]
    labels: tuple[int, ...]
    stages: tuple[str, ...]

    @classmethod
    def of(cls, report: Report, ids: tuple[str, ...], pixels_sha256: str) -> Self:
        """What `report` says of its broken images with these `ids`.

        Raises `ValueError` for an id twice, and for one of an image that it does not call broken.
        """
        images = report.images
        place = {image_id: i for i, image_id in enumerate(images.ids)}
        at = [place.get(image_id, -1) for image_id in ids]
        for image_id, i in zip(ids, at, strict=True):
            if i < 0 or images.verdicts[i] in UNBROKEN:
                raise ValueError(f"its report does not call the image {plain(image_id)!r} broken")
        if len(set(at)) < len(at):
            raise ValueError("it holds an image twice")
        return cls(
            model=report.model.name,
            weights_sha256=report.model.weights_sha256,
            data=report.data.name,
            split=report.data.split,
            pixels_sha256=pixels_sha256,
            norm=report.threat.norm,
            eps=report.threat.eps_text,
            protocol=report.protocol.name,
            seed=report.seed,
            report_sha256=what_images_follow_from(report),
            ids=ids,
            labels=tuple(images.labels[i] for i in at),
            stages=tuple(images.verdicts[i] for i in at),
        )


@dataclass(frozen=True, eq=False)
class AdversarialImages:
    """Images `x_adv` (N, C, H, W) float32 in [0, 1], what is claimed of them, and by which Report.

    Raises `ReportError` where the origin is not what the Report says of these images.
    """

    x_adv: Tensor
    origin: Origin
    report: Report

    def __post_init__(self) -> None:
        try:
            said = Origin.of(self.report, self.origin.ids, self.origin.pixels_sha256)
        except ValueError as error:
            raise ReportError(f"the adversarial images are not of their report: {error}") from None
        for name in Origin.model_fields:
            found, wanted = getattr(self.origin, name), getattr(said, name)
            if found != wanted:
                raise ReportError(
                    "the adversarial images are not of their report, one of the two was changed:"
                    f" {name} is {_shown(found)}, but the report says {_shown(wanted)}"
                )

    @classmethod
    def of(cls, run: Run, report: Report) -> Self:
        """All images that `run` broke, in the order of the data."""
        broken = _broken(report)
        found = run.images or {}
        data = run.request.data
        shape = tuple(data.batch([0]).x.shape[1:])
        x_adv = torch.stack([found[i] for i in broken]) if broken else torch.zeros(0, *shape)
        clean = data.select(broken).pixels_sha256() if broken else ""
        ids = tuple(report.images.ids[i] for i in broken)
        return cls(x_adv, Origin.of(report, ids, clean), report)

    @property
    def n_broken(self) -> int:
        """How many images the Report calls broken, whether they are here or not."""
        return len(_broken(self.report))

    def write(self, path: AnyPath) -> None:
        """Write a safetensors file with the tensor `x_adv`. Raises `ReportError` if it cannot."""
        said = {
            SCHEMA: self.origin.model_dump_json(),
            REPORT: self.report.model_dump_json(by_alias=True),
        }
        write_atomically(path_of(path, "path"), save({"x_adv": self.x_adv.contiguous()}, said))

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read what `write` wrote.

        Raises `ReportError` if that is not what the file holds, for a file that an earlier sat-zoo
        wrote without its Report, and for one whose parts do not follow from each other.
        """
        path = path_of(path, "path")
        with border(path, ReportError, "give a file that `save_adversarial` wrote"):
            if not stat.S_ISREG(path.stat().st_mode):
                raise ValueError("it is no regular file")
            with safe_open(path, framework="pt") as file:
                said = file.metadata() or {}
                if UNBOUND in said and SCHEMA not in said:
                    raise ReportError(
                        f"{plain(str(path))} was written before such files held their report, so"
                        " that nothing says how many images there should be, or of which ball:"
                        " write it again with `save_adversarial`"
                    )
                origin = Origin.model_validate(_parsed(said, SCHEMA))
                report = Report.model_validate(_parsed(said, REPORT))
                _check_shape(path, file, len(origin.ids))
                x_adv: Tensor = file.get_tensor("x_adv")
        try:
            return cls(x_adv, origin, report)
        except ReportError as error:
            raise ReportError(f"{plain(str(path))}: {error}") from None


def _broken(report: Report) -> list[int]:
    return [i for i, verdict in enumerate(report.images.verdicts) if verdict not in UNBROKEN]


def _shown(value: object) -> str:
    return plain(repr(value), 100)


def _parsed(said: dict[str, str], key: str) -> Any:
    if key not in said:
        raise ValueError(f"its metadata have no {key!r}")
    content = said[key].encode()
    check("record_bytes", len(content), "bytes of metadata")
    return parse_json(content, most_keys=100)


def _check_shape(path: Path, file: Any, n: int) -> None:
    """Before any of it is read."""
    names = list(file.keys())
    if names != ["x_adv"]:
        raise ValueError(f"it holds {len(names)} tensors instead of x_adv alone")
    images = file.get_slice("x_adv")
    shape = images.get_shape()
    if len(shape) != 4 or images.get_dtype() != "F32" or shape[0] != n:
        raise ReportError(
            f"{plain(str(path))} does not hold one float32 image of shape (C, H, W) for each of"
            f" its {n} ids: write it again with `save_adversarial`"
        )


@dataclass(frozen=True)
class Rechecked:
    """n images were checked; failed says of an id why its image is not adversarial.

    n_broken_8bit: of those that are, how many still are after rounding to 8 bits. n_missing: images
    that the Report calls broken and that are not here.
    """

    n: int
    failed: dict[str, str]
    n_broken_8bit: int
    n_missing: int = 0


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
    check_weights(origin, model)
    threat = Threat(origin.norm, origin.eps)
    failed: dict[str, str] = {}
    n_broken_8bit = 0
    if not origin.ids:
        return Rechecked(0, failed, 0, found.n_broken)
    clean = clean_images(origin, data)
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
    n = len(origin.ids)
    return Rechecked(n, failed, n_broken_8bit, found.n_broken - n)


def check_weights(origin: Origin, model: nn.Module) -> None:
    """Raises `WeightsMismatch` if `model` has other weights than `origin` names."""
    got = weights_sha256(model)
    if got != origin.weights_sha256:
        raise WeightsMismatch(
            f"{origin.model}: these weights have the digest {got[:12]}, the adversarial images are"
            f" of {origin.weights_sha256[:12]}: name the right file with `weights`"
        )


def clean_images(origin: Origin, data: ImageSet) -> ImageSet:
    """Those of `data` with the ids of `origin`; raises `DataError` if they are not the same."""
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
