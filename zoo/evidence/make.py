"""The evidence of Reports that were made before: the same runs again, for their images.

A run again is worth something only if it breaks the same images: a Report says which, and what the
new run found for them is its evidence, whenever either was made.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from eval.adversarial import AdversarialImages, Origin
from eval.definition import weights_sha256
from eval.errors import ReportError
from eval.evidence.file import Evidence, read_evidence
from eval.evidence.replay import Replayed, replay
from eval.files.border import plain
from eval.report.report import UNBROKEN, Report
from zoo.evaluation import evaluate
from zoo.loading import load
from zoo.publish.evidence import EVIDENCE, data_of
from zoo.publish.reports import Result, results_in, results_of
from zoo.registry import FAMILIES

if TYPE_CHECKING:
    from zoo.model import ZooModel


def make(
    name: str,
    *,
    only: Callable[[Result], bool] = lambda _: True,
    folder: Path | None = None,
    data_dir: Path | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
) -> Iterator[tuple[Path, Replayed]]:
    """Write the evidence of each attack's Report of the model `name`; gives what was written.

    only: of which Reports. folder: where to; default, in the package beside the model's weights.

    Raises `ReportError` if a run breaks other images than its Report says, and what
    `zoo.evaluation.evaluate` raises.
    """
    model = load(name, device=device)
    place = FAMILIES / model.card.family / EVIDENCE if folder is None else folder
    place.mkdir(parents=True, exist_ok=True)
    for result in results_of(results_in(), name, weights_sha256(model)):
        if result.report.stages and only(result):
            path = place / f"{Path(result.file).stem}.safetensors"
            images = _run_again(model, result.report, data_dir, batch_size, device)
            data = data_of(result.report, model.card, data_dir, None)
            Evidence.of(proving(result.report, images), data).write(path)
            yield path, replay(read_evidence(path), model, data, device=device)


def proving(report: Report, images: AdversarialImages) -> AdversarialImages:
    """`images`, found by a run of the same kind, as those of `report`.

    Raises `ReportError` unless they are of the same weights, pixels and ball, and exactly those
    that `report` calls broken, by the same stages.
    """
    found = images.report
    for what, mine, wanted in (
        ("weights", found.model.weights_sha256, report.model.weights_sha256),
        ("pixels", found.data.pixels_sha256, report.data.pixels_sha256),
        ("ball", found.threat, report.threat),
        ("protocol", found.protocol.name, report.protocol.name),
    ):
        if mine != wanted:
            raise ReportError(f"the run has other {what} than its report: {mine} is not {wanted}")
    verdicts = dict(zip(found.images.ids, found.images.verdicts, strict=True))
    other = [
        (image_id, said, verdicts.get(image_id, "missing"))
        for image_id, said in zip(report.images.ids, report.images.verdicts, strict=True)
        if verdicts.get(image_id) != said and not {said, verdicts.get(image_id)} <= UNBROKEN
    ]
    if other:
        image_id, said, now = other[0]
        raise ReportError(
            f"the run has other verdicts than its report for {len(other)} images, the first is"
            f" {plain(image_id)!r}, {plain(said)} there and {plain(now)} here: run it on a machine"
            f" like that of the report (torch {plain(report.engine.torch)})"
        )
    origin = Origin.of(report, images.origin.ids, images.origin.pixels_sha256)
    return AdversarialImages(images.x_adv, origin, report)


def _run_again(
    model: ZooModel, report: Report, data_dir: Path | None, batch_size: int | None, device: str
) -> AdversarialImages:
    data = data_of(report, model.card, data_dir, None).select_ids(report.images.ids)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "adversarial.safetensors"
        evaluate(
            model,
            attack=report.protocol.name,
            images=data,
            eps=report.threat.eps_text,
            norm=report.threat.norm,
            engine=report.engine.name,
            precision=report.engine.precision if report.engine.name == "fast" else "auto",
            seed=report.seed,
            batch_size=batch_size,
            device=device,
            journal=True,
            save_adversarial=path,
        )
        return AdversarialImages.read(path)
