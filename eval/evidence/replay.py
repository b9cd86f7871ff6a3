"""Evidence shown to the model again: one forward pass an image, no attack.

What a stranger can confirm depends on what he has. With the model alone: that every image lies in
[0, 1] and is misclassified, and in the ball around the clean image that came with it. With the data
too: that these clean images are those of the data set, and what is wrong without an attack.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eval.adversarial import check_weights
from eval.checks import usable_device
from eval.engine.borrowed import borrowed
from eval.errors import DataError, ReportError
from eval.files.border import plain
from eval.report.report import OPEN, Report
from eval.threat import Threat
from eval.verify import predict, verify

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.evidence.file import Evidence


@dataclass(frozen=True)
class Replayed:
    """All images of the Report that it calls broken are, and what else was looked at.

    n_robust: how many images at most are robust, as confirmed. n_forwards: images that the model
    was shown. unconfirmed: what could not be looked at, for people; empty with the data.
    """

    report: Report
    n_broken: int
    n_robust: int
    n_forwards: int
    seconds: float
    unconfirmed: tuple[str, ...]

    @property
    def bound(self) -> float:
        """The robust accuracy is not above this share of the Report's images."""
        return self.n_robust / self.report.data.n


def replay(
    evidence: Evidence,
    model: nn.Module,
    data: ImageSet | None,
    *,
    batch_size: int = 128,
    device: str = "cpu",
) -> Replayed:
    """Show every image to the model once, and compare what it says with the Report.

    model: as for `evaluate`. data: the image set that the Report is of, None where it is not here.

    Raises `WeightsMismatch`, `DataError` if model or data are not those of the Report;
    `ReportError` for an image that is not adversarial, the first one named, and for totals that
    are others: broken images, those wrong without an attack, those broken in 8 bits.
    """
    images, started = evidence.images, time.monotonic()
    check_weights(images.origin, model)
    if images.n_broken > len(images.origin.ids):
        raise ReportError(
            f"it holds {len(images.origin.ids)} of the {images.n_broken} images that its report"
            " calls broken: evaluate again with `save_adversarial`"
        )
    place, found = usable_device(device), _Found(evidence)
    with borrowed(model, place):
        if data is None:
            _alone(found, model, batch_size, place)
        else:
            _with_data(found, model, _same_images(images.report, data), batch_size, place)
    found.check()
    report = images.report
    n_wrong = report.images.verdicts.count("clean")
    n_unbroken = report.data.n - len(images.origin.ids)
    return Replayed(
        report=report,
        n_broken=len(images.origin.ids),
        n_robust=n_unbroken if data is None else n_unbroken - n_wrong,
        n_forwards=found.n_forwards,
        seconds=time.monotonic() - started,
        unconfirmed=_unconfirmed(evidence, data),
    )


@dataclass
class _Found:
    """What came out so far. failed: of an id, why its image is not adversarial."""

    evidence: Evidence
    failed: dict[str, str] = field(default_factory=dict)
    n_8bit: int = 0
    n_forwards: int = 0

    def look(
        self, model: nn.Module, rows: list[int], x: Tensor | None, place: torch.device
    ) -> None:
        """Verify the images `rows`; x: the clean ones (B, C, H, W), None where nobody has them."""
        images = self.evidence.images
        origin, x_adv = images.origin, images.x_adv[rows].to(place)
        y = torch.tensor([origin.labels[row] for row in rows], device=place)
        threat = Threat(origin.norm, origin.eps)
        if x is not None and x.shape != x_adv.shape:
            raise DataError(
                f"the adversarial images have shape {tuple(x_adv.shape[1:])}, the clean ones"
                f" {tuple(x.shape[1:])}: use the data that they were made from"
            )
        around = x_adv.clamp(0, 1) if x is None else x.to(place)
        checked = verify(model, around, x_adv, y, threat)
        is_inside = threat.contains(x_adv, around)
        self.n_forwards += len(rows) + int(checked.is_broken.sum())  # once more in 8 bits
        self.n_8bit += int(checked.is_broken_8bit.sum())
        where = "[0, 1]" if x is None else f"the {threat.norm} ball of {threat.eps_text} or [0, 1]"
        for i in (~checked.is_broken).nonzero().squeeze(1).tolist():
            why = "the model is not fooled" if is_inside[i] else f"it is outside {where}"
            self.failed[origin.ids[rows[i]]] = why

    def check(self) -> None:
        """Raises `ReportError` for images that are not adversarial, or other totals."""
        report, n = self.evidence.images.report, len(self.evidence.images.origin.ids)
        if self.failed:
            image_id, why = next(iter(self.failed.items()))
            raise ReportError(
                f"{len(self.failed)} of {n} images are not adversarial, the first is that of"
                f" {plain(image_id)!r}: {why}"
            )
        said = report.survive_8bit.broken_after_rounding
        if self.n_8bit != said:
            raise ReportError(
                f"{self.n_8bit} images still fool the model when stored in 8 bits, but its report"
                f" says {said}: check on the device that it was made on,"
                f" {plain(report.engine.device)}"
            )


def _alone(found: _Found, model: nn.Module, batch_size: int, place: torch.device) -> None:
    """Without the data: around the clean images of the evidence, if it holds them."""
    x = found.evidence.x
    if x is not None:
        levels = hashlib.sha256()
        _add_levels(levels, x.numpy())
        if levels.hexdigest() != found.evidence.images.origin.pixels_sha256:
            raise ReportError("the clean images in it are not those that it names by their digest")
    n = len(found.evidence.images.origin.ids)
    for start in range(0, n, batch_size):
        rows = list(range(start, min(start + batch_size, n)))
        found.look(model, rows, None if x is None else x[rows], place)


def _with_data(
    found: _Found, model: nn.Module, data: ImageSet, batch_size: int, place: torch.device
) -> None:
    """With the data: every clean image too, and whether the pixels are those of the Report."""
    evidence = found.evidence
    report = evidence.images.report
    row_of = {image_id: row for row, image_id in enumerate(evidence.images.origin.ids)}
    verdicts = dict(zip(report.images.ids, report.images.verdicts, strict=True))
    levels = hashlib.sha256()
    for batch in data.batches(batch_size):
        _add_levels(levels, batch.x.numpy())
        logits = predict(model, batch.x.to(place)).cpu()
        is_right = logits.argmax(1) == batch.y
        found.n_forwards += len(batch)
        for image_id, right in zip(batch.ids, is_right.tolist(), strict=True):
            if right == (verdicts[image_id] == "clean"):
                raise ReportError(
                    f"the model is {'right' if right else 'wrong'} about the clean image"
                    f" {plain(image_id)!r}, which its report calls {plain(verdicts[image_id])!r}"
                )
        at = [i for i, image_id in enumerate(batch.ids) if image_id in row_of]
        if at:
            rows = [row_of[batch.ids[i]] for i in at]
            _check_base(evidence, rows, batch.x[at], data)
            found.look(model, rows, batch.x[at], place)
    if levels.hexdigest() != report.data.pixels_sha256:
        raise DataError(
            f"{data.name}: the images have the digest {levels.hexdigest()[:12]}, those of the"
            f" report {report.data.pixels_sha256[:12]}: use the data that it was made from"
        )


def _check_base(evidence: Evidence, rows: list[int], x: Tensor, data: ImageSet) -> None:
    """Raises `DataError` unless the clean images of the evidence are those of the data."""
    if evidence.x is not None and not torch.equal(evidence.x[rows], x):
        raise DataError(
            f"{data.name}: the clean images are not those that came with the adversarial ones: use"
            " the data that they were made from"
        )


def _same_images(report: Report, data: ImageSet) -> ImageSet:
    said = report.data
    if data.name != said.name or data.split != said.split:
        raise DataError(
            f"the report is of {plain(said.name)} ({plain(said.split)}), not of {data.name}"
            f" ({data.split}): use the data that it was made from"
        )
    same = data.select_ids(report.images.ids)
    if tuple(map(int, same.labels)) != report.images.labels:
        raise DataError(f"{data.name}: the labels are not those of the report's ids")
    return same


def _unconfirmed(evidence: Evidence, data: ImageSet | None) -> tuple[str, ...]:
    report = evidence.images.report
    said: list[str] = []
    if report.images.verdicts.count(OPEN):
        said.append(f"{report.images.verdicts.count(OPEN)} images that the run left open")
    if data is not None:
        return tuple(said)
    n_wrong = report.images.verdicts.count("clean")
    if evidence.images.origin.ids and evidence.x is None:
        said.append("whether the images lie in the ball, since no clean images came with them")
    elif evidence.images.origin.ids:
        said.append(
            "whether the clean images that came with them are those of the data set, since the"
            f" digest of its pixels {report.data.pixels_sha256[:12]} is of all {report.data.n}"
        )
    said.append(f"the clean accuracy, and so the {n_wrong} images that are wrong without an attack")
    return tuple(said)


def _add_levels(digest: hashlib._Hash, pixels: NDArray[np.float32]) -> None:
    """As `ImageSet.pixels_sha256`."""
    for piece in _pieces(pixels):
        levels = np.rint(piece * np.float32(255)).astype(np.uint8)
        digest.update(np.ascontiguousarray(levels.transpose(0, 2, 3, 1)).tobytes())


def _pieces(pixels: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(pixels), 64):
        yield pixels[start : start + 64]
