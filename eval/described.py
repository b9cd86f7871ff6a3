"""What a run says of its model, its images and its engine, in a Report or a curve."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import torch

from eval.report.report import DataPart, EnginePart, ModelPart

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.run import Run

Source = Literal["bundled", "store", "hub", "file", "factory"]


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
    )


def engine_part(run: Run) -> EnginePart:
    """What computed the search, and where."""
    return EnginePart(
        name=run.request.engine,
        precision=run.setting.engine.precision,
        device=str(run.setting.device),
        version=version("sat-zoo"),
        torch=torch.__version__,
    )
