"""`sat-zoo verify REPORT --weights FILE`: is this the file that was measured?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import SatZooError, UsageError, WeightsMismatch
from eval.files.border import is_file

if TYPE_CHECKING:
    from torch import Tensor

    from eval.report.report import Report
    from zoo.weights.file import Weights

OWN = "net."
"""What stands before every name in the state dict of a `ZooModel`: weight files hold the bare
network's, and a report the digest of the model that was attacked."""

_MEAN = "running_mean"


def compared(path: Path, report: Report, weights: Path, strip_prefix: str | None = None) -> str:
    """One sentence: the file is the one that was measured, or other bytes with the same tensors.

    Raises `WeightsMismatch` naming both digests if it is neither, `UsageError` if there is no such
    file.
    """
    from zoo.weights.file import Found, read_weights

    if not is_file(weights):
        raise UsageError(f"--weights {weights} is not a file: name a safetensors file")
    said = report.model
    found = read_weights(said.name, Found(weights, "file", None))
    if found.sha256 == said.file_sha256:
        return f"{weights} is the very file that {path} is of: sha256 {found.sha256[:12]}"
    digests = list(_digests(report, found, strip_prefix))
    if said.weights_sha256 in digests:
        file = said.file_sha256
        other = f"is not of this file but of {file[:12]}" if file else "names no file"
        return (
            f"{weights} (sha256 {found.sha256[:12]}) has the tensors that {path} is of"
            f" (weights_sha256 {said.weights_sha256[:12]}); the report {other}"
        )
    file = f"file sha256 {said.file_sha256[:12]}" if said.file_sha256 else "no file's sha256"
    raise WeightsMismatch(
        f"{weights} is not what {path} is of: the file has sha256 {found.sha256[:12]} and its"
        f" tensors weights_sha256 {digests[0][:12]}, the report says {file} and weights_sha256"
        f" {said.weights_sha256[:12]}: name the file that was measured"
    )


def _digests(report: Report, weights: Weights, strip_prefix: str | None) -> Iterator[str]:
    """Digests that a model with these tensors may have; the first is that of a `ZooModel`.

    A model of the zoo is built and filled, which is exactly what was measured. Of others only the
    file is here: their tensors may have been attacked under the network's own names (a factory) or
    behind ours, a file of half precision in the float32 that the network made of it, and one
    without batch counters with the zeros that the network has.
    """
    from eval.definition import weights_sha256
    from eval.seen import tensors_sha256
    from zoo.loading import from_weights
    from zoo.registry import card, list_models

    if report.model.name in list_models():
        try:
            info = card(report.model.name)
            yield weights_sha256(from_weights(info, weights, "file", "cpu", strip_prefix))
        except SatZooError:
            if strip_prefix is not None:
                raise
    for tensors in _readings(weights.tensors, strip_prefix or ""):
        for prefix in (OWN, ""):
            yield tensors_sha256({f"{prefix}{name}": value for name, value in tensors.items()})


def _readings(tensors: Mapping[str, Tensor], prefix: str) -> Iterator[Mapping[str, Tensor]]:
    import torch

    plain = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    wide = {name: v.float() if v.is_floating_point() else v for name, v in plain.items()}
    norms = (name.removesuffix(_MEAN) for name in plain if name.endswith(_MEAN))
    counters = {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}
    yield plain
    yield wide
    yield {**counters, **wide}
