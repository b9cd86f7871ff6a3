"""Adversarial images on a model's page: clean, adversarial and the change, as inlined PNGs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.errors import DataError, ReportError
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.adversarial import AdversarialImages, Origin

MOST = 24
"""Images of one file that are shown."""

BYTES = 1_000_000
"""Of all PNGs of one file together, so that the page opens at once."""

SMALL = 64
"""Pictures up to this many pixels wide are shown with their pixels visible."""


@dataclass(frozen=True)
class Shown:
    """One image; clean, adversarial and change are data addresses of PNGs."""

    id: str
    label: int
    stage: str
    clean: str
    adversarial: str
    change: str

    @property
    def n_bytes(self) -> int:
        """Length of the three addresses."""
        return len(self.clean) + len(self.adversarial) + len(self.change)


@dataclass(frozen=True)
class Gallery:
    """Images of one file, and of which model and weights they are."""

    model: str
    weights_sha256: str
    protocol: str
    about: str
    amplified: str
    scaling: str
    items: tuple[Shown, ...]


def read_gallery(path: Path, data_dir: Path | None = None) -> Gallery:
    """The images of a file that `sat-zoo eval --save-adversarial` wrote.

    data_dir: folder of the data set, whose clean images are shown beside.
    Raises ReportError if the file is not such a file; DataError if the clean images are missing
    or not those that were attacked.
    """
    from eval.adversarial import AdversarialImages

    found = AdversarialImages.read(path)
    if not found.origin.ids:
        raise ReportError(f"--adversarial {path} holds no image: the attack broke none")
    clean = _clean(found.origin, data_dir)
    return _gallery(found, clean)


def _clean(origin: Origin, data_dir: Path | None) -> NDArray[np.float32]:
    """The clean images, (N, C, H, W) in [0, 1], in the order of the origin."""
    import zoo

    data = zoo.images(
        zoo.card(origin.model),
        data=origin.data.removesuffix("-partial"),
        data_dir=data_dir,
        allow_partial=origin.data.endswith("-partial"),
    ).select_ids(origin.ids)
    if data.pixels_sha256() != origin.pixels_sha256:
        raise DataError(
            f"{data.name}: the clean images are not those that were attacked: name the folder of"
            " the data with --data-dir"
        )
    return np.concatenate([batch.x.numpy() for batch in data.batches(256)])


def _gallery(found: AdversarialImages, clean: NDArray[np.float32]) -> Gallery:
    origin = found.origin
    eps = Threat(origin.norm, origin.eps).eps
    adversarial = found.x_adv.numpy()
    change = adversarial - clean
    # In Linf the ball's edge becomes black or white; in L2 the largest change in each file does.
    reach = eps if origin.norm == "Linf" else max(float(np.abs(change).max()), 1e-6)
    items: list[Shown] = []
    for i in _spread(origin.stages, MOST):
        shown = Shown(
            id=origin.ids[i],
            label=origin.labels[i],
            stage=origin.stages[i],
            clean=_png(clean[i]),
            adversarial=_png(adversarial[i]),
            change=_png(0.5 + change[i] / (2 * reach)),
        )
        if items and sum(it.n_bytes for it in items) + shown.n_bytes > BYTES:
            break
        items.append(shown)
    return Gallery(
        model=origin.model,
        weights_sha256=origin.weights_sha256,
        protocol=origin.protocol,
        about=(
            f"{len(items)} of the {len(origin.ids):,} images that {origin.protocol} broke within"
            f" {origin.norm} {origin.eps}. In the change, grey is none, and black and white are"
            f" {'the edge of the ball' if origin.norm == 'Linf' else 'the largest'}."
        ),
        amplified=f"{1 / (2 * reach):.3g}",
        scaling="pixels" if clean.shape[-1] <= SMALL else "smooth",
        items=tuple(items),
    )


def _spread(stages: Sequence[str], most: int) -> list[int]:
    """Positions of at most `most` images: first one of each stage, then evenly over the file."""
    firsts = [stages.index(stage) for stage in dict.fromkeys(stages)]
    evenly = np.linspace(0, len(stages) - 1, min(most, len(stages))).round().astype(int).tolist()
    return sorted(list(dict.fromkeys([*firsts, *evenly]))[:most])


def _png(image: NDArray[np.float32]) -> str:
    """A (C, H, W) picture in [0, 1] as a data address, rounded to 8 bits as a viewer would."""
    from PIL import Image

    pixels = np.round(255 * image.clip(0, 1)).astype(np.uint8)
    picture = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    out = BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
