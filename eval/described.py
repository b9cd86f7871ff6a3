"""What a run says of its model, its images and its engine, in a Report or a curve."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, get_args

import torch

from eval.errors import UsageError, unknown
from eval.radius import check_text
from eval.report.report import DataPart, EnginePart, ModelPart

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.run import Run

Source = Literal["bundled", "store", "hub", "file", "factory", "library"]


def check_said(source: Source, file_sha256: str | None, command: str) -> None:
    """Raises `UsageError` for what no Report can say: now, not after hours of work."""
    if source not in get_args(Source):
        raise unknown("source", source, get_args(Source))
    check_text(command, "command", "'' for none")
    if file_sha256 is not None:
        check_text(file_sha256, "file_sha256", "64 hexadecimal digits")
        if re.fullmatch("[0-9a-f]{64}", file_sha256) is None:
            raise UsageError("file_sha256 is no SHA-256: give 64 hexadecimal digits, or None")


def model_part(run: Run, source: Source, file_sha256: str | None) -> ModelPart:
    """The attacked model, as it was before anything was done with it."""
    return ModelPart(
        name=run.request.name,
        source=source,
        weights_sha256=run.digest,
        file_sha256=file_sha256,
        parameters=sum(p.numel() for p in run.setting.classifier.parameters()),
        classes=run.clean.n_classes,
    )


def data_part(data: ImageSet) -> DataPart:
    """The images; reads all of them."""
    return DataPart(
        name=data.name,
        split=data.split,
        n=len(data),
        ids_sha256=data.ids_sha256,
        pixels_sha256=data.pixels_sha256(),
        official_subset=data.official_subset,
        decoder=data.decoder.name if data.decoder else None,
    )


def engine_part(run: Run) -> EnginePart:
    """What computed the search, and where."""
    return EnginePart(
        name=run.request.engine,
        precision=run.precision,
        device=run.device,
        version=version("sat-zoo"),
        torch=torch.__version__,
    )
