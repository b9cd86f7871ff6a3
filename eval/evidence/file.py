"""The file in which adversarial images travel with their Report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor

from eval.adversarial import AdversarialImages, Origin, clean_images
from eval.errors import ReportError
from eval.evidence.packing import (
    STREAMS,
    Kind,
    Packed,
    deflated,
    inflated,
    pack,
    unpack,
)
from eval.files.border import border, open_regular, plain
from eval.files.document import MOST_KEYS
from eval.files.limits import check
from eval.files.paths import AnyPath, path_of
from eval.files.record import parse_json
from eval.files.writing import write_atomically
from eval.frozen import Frozen
from eval.report.fields import Digest
from eval.report.report import UNBROKEN, Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.data import ImageSet

SCHEMA: Literal["sat-zoo/evidence@1"] = "sat-zoo/evidence@1"

_REMEDY = "give a file that `save_adversarial` wrote, or that was pulled as evidence"
_LONGEST_HEADER = 2**20

Edge = Annotated[int, Field(ge=1, le=2**16, strict=True)]


class Head(Frozen):
    """What the file's metadata say, as JSON under the name of the schema.

    kind, grid: see `eval.evidence.packing`. shape: (C, H, W) of an image. report_bytes: of the
    Report, unpacked. pixels_sha256: of the clean images of those that are here, as in a Report.
    content_sha256: of all that the file holds, see `_digest`.
    """

    kind: Kind
    grid: int = Field(ge=0, le=255, strict=True)
    shape: tuple[Edge, Edge, Edge]
    report_bytes: int = Field(ge=1, strict=True)
    pixels_sha256: str
    content_sha256: Digest


@dataclass(frozen=True, eq=False)
class Evidence:
    """Adversarial images of a Report, and the clean ones that they were made from, if known.

    x: (N, C, H, W) float32, as `images.x_adv`; None where the file does not hold them.
    """

    images: AdversarialImages
    x: Tensor | None

    @classmethod
    def of(cls, images: AdversarialImages, data: ImageSet) -> Self:
        """With the clean images of `data`, which must be those that the images were made from.

        Raises `ReportError` if images are missing that the Report calls broken, `DataError` as
        `eval.adversarial.recheck`.
        """
        origin = images.origin
        if images.n_broken > len(origin.ids):
            raise ReportError(
                f"only {len(origin.ids)} of the {images.n_broken} images are here that the report"
                " calls broken: evaluate again with `save_adversarial`"
            )
        if not origin.ids:
            return cls(images, None)
        clean = clean_images(origin, data)
        return cls(images, clean.batch(range(len(clean))).x)

    def to_bytes(self) -> bytes:
        """The content of the file; the clean images are left out where it is smaller without."""
        images = self.images
        x_adv = images.x_adv.contiguous().numpy()
        x = None if self.x is None else self.x.contiguous().numpy()
        packed = pack(x_adv, x, images.report.threat.eps)
        report = images.report.model_dump_json(by_alias=True).encode()
        head = Head(
            kind=packed.kind,
            grid=packed.grid,
            shape=x_adv.shape[1:],
            report_bytes=len(report),
            pixels_sha256=images.origin.pixels_sha256,
            content_sha256=_digest(report, x_adv, None if packed.kind == "bytes" else x),
        )
        streams = {"report": deflated(report), **packed.streams}
        tensors: dict[str, NDArray[Any]] = {
            name: np.frombuffer(content, np.uint8) for name, content in streams.items()
        }
        tensors["levels"] = packed.levels
        return bytes(save(tensors, {SCHEMA: head.model_dump_json()}))

    def write(self, path: AnyPath) -> None:
        """Write the file. Raises `ReportError` if it cannot be written."""
        write_atomically(path_of(path, "path"), self.to_bytes())


def read_evidence(path: AnyPath) -> Evidence:
    """The evidence in a file, packed or as `save_adversarial` wrote it.

    Takes no more memory than `eval.files.limits` allow. Raises `ReportError` for what is no such
    file, and for one whose parts do not follow from each other.
    """
    path = path_of(path, "path")
    with border(path, ReportError, _REMEDY):
        with open_regular(path):  # a FIFO would be waited for
            pass
        check("evidence_bytes", path.stat().st_size, "bytes")
        with safe_open(path, framework="np") as file:
            if SCHEMA not in (file.metadata() or {}):
                return Evidence(AdversarialImages.read(path), None)
            try:
                return _read_packed(file)
            except ReportError as error:
                raise ReportError(f"{plain(str(path))}: {error}") from None


def _read_packed(file: Any) -> Evidence:
    said = file.metadata()[SCHEMA].encode()
    check("record_bytes", len(said), "bytes of metadata")
    if len(said) > _LONGEST_HEADER:
        raise ValueError(f"its metadata have {len(said):,} bytes")
    head = Head.model_validate(parse_json(said, most_keys=MOST_KEYS))
    streams = ("report", *STREAMS[head.kind])
    names = {*streams, "levels"}
    if set(file.keys()) != names:
        raise ValueError(f"it holds other tensors than {', '.join(sorted(names))}")
    for name in names:
        part, wanted = file.get_slice(name), "F32" if name == "levels" else "U8"
        if len(part.get_shape()) != 1 or part.get_dtype() != wanted:
            raise ValueError(f"its {name} is no list of {wanted}")
    check("record_bytes", head.report_bytes, "bytes of a report, unpacked")
    packed_report = file.get_tensor("report").tobytes()
    content = inflated("report", packed_report, head.report_bytes)
    report = Report.model_validate(parse_json(content, most_keys=MOST_KEYS))
    broken = tuple(
        image_id
        for image_id, verdict in zip(report.images.ids, report.images.verdicts, strict=True)
        if verdict not in UNBROKEN
    )
    shape = (len(broken), *head.shape)
    check("evidence_bytes", 4 * int(np.prod(shape, dtype=object)), "bytes of images, unpacked")
    packed = Packed(
        head.kind,
        head.grid,
        file.get_tensor("levels"),
        {name: file.get_tensor(name).tobytes() for name in STREAMS[head.kind]},
    )
    x_adv, x = unpack(packed, shape, report.threat.eps)
    images = AdversarialImages(
        torch.from_numpy(x_adv), Origin.of(report, broken, head.pixels_sha256), report
    )
    if (digest := _digest(content, x_adv, x)) != head.content_sha256:
        raise ReportError(
            "its images, its report or both were changed after it was written: what is in it has"
            f" the digest {digest[:12]}, and it says {head.content_sha256[:12]}"
        )
    return Evidence(images, None if x is None else torch.from_numpy(x))


def _digest(report: bytes, x_adv: NDArray[np.float32], x: NDArray[np.float32] | None) -> str:
    """Over the Report as the file has it, every pixel of the images, and of the clean ones."""
    digest = hashlib.sha256(report)
    for pixels in (x_adv, x):
        if pixels is not None:
            digest.update(json.dumps(list(pixels.shape)).encode())
            digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
