"""How a curve is measured: at each point only what still stands is attacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from eval.bars import shown
from eval.bridges.libraries import resolved
from eval.curves.curve import SCHEMA, Curve
from eval.curves.measuring import Measuring
from eval.curves.plan import Said, curve_plan
from eval.data import as_images, decoded_once
from eval.described import Source, check_said
from eval.engine.engine import Precision
from eval.errors import UsageError
from eval.executors.crew import Workplace, check_elsewhere
from eval.files.paths import AnyPath, path_of
from eval.files.writing import check_writable
from eval.functions import ModelLike, as_module, refuse_journal
from eval.ignored import refuse_ignored
from eval.protocols import protocol
from eval.radius import Number
from eval.report.report import ProtocolPart
from eval.request import EngineName, Request
from eval.run import Progress
from eval.threat import Norm

if TYPE_CHECKING:
    from eval.data.given import DataLike


@torch.inference_mode(False)  # whose tensors no gradient reaches, should the caller be in it
def curve(
    model: ModelLike,
    data: DataLike,
    *,
    eps: Said | None = None,
    steps: str | int | Sequence[int] | None = None,
    attack: str | None = None,
    norm: Norm = "Linf",
    step_size: Number | None = None,
    check: bool = True,
    engine: EngineName = "fast",
    precision: Precision = "auto",
    n: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | torch.device = "cpu",
    name: str = "model",
    source: Source = "factory",
    file_sha256: str | None = None,
    command: str = "",
    out: AnyPath | None = None,
    allow_probabilities: bool = False,
    journal: AnyPath | None = None,
    fresh: bool = False,
    progress: bool | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    executor: Workplace | None = None,
) -> Curve:
    """Measure how the accuracy of `model` on `data` falls with eps, or with the steps of PGD.

    An image that fell at one point stays fallen at all later ones: its adversarial image lies in
    every larger ball, and is verified there again. So the curve never rises, and a point counts
    what any attack so far has broken: it may lie below what the same attack finds there alone.

    Args:
        eps: the radii in rising order: "1/255:16/255" in steps of 1/255, "A:B:STEP",
            "1/255,2/255,4/255", or a list of these or of floats. With `steps` one radius.
        steps: numbers of steps in rising order, written in the same ways, as "1,2,5,10,20" or
            "1:10"; each is a run of pgd-K (or pgd-sat-K) of its own.
        attack: along eps a protocol's name, default "pgd-20"; along steps "pgd" or "pgd-sat".
        check: attack what stands at the last point once more, at an eps at which every image can be
            made plain grey; what stands there too gets the curve the flag `curve-stays-up`.
        journal: a folder, in which each point keeps its verdicts and adversarial images, so that
            the same call goes on after whatever ended it.
        model, data, norm, step_size and the others: see `eval.evaluate`.

    Raises as `eval.evaluate`.

    Cost: that of the attack, at each point on what stands; one forward a point and fallen image.
    Memory: an image in float32 for each that fell.

    Source: Carlini et al. 2019, arXiv 1902.06705, sections 4.3 and 5, for the curves and the check.

    """
    plan = curve_plan(eps, steps, attack, norm=norm, step_size=step_size)
    check_said(source, file_sha256, command)
    model, out = as_module(model), path_of(out, "out")
    if journal is not None:
        refuse_journal(model)
    if out is not None:
        check_writable(out)
    refuse_ignored(None, engine=engine, precision=precision)
    if executor is not None:
        check_elsewhere(executor, engine, str(device))
    images = decoded_once(as_images(data, n))
    request = Request(
        data=images,
        threat=plan.points[0].threat,
        protocol=protocol("clean"),
        engine=engine,
        precision=precision,
        seed=seed,
        batch_size=batch_size,
        device=str(device),
        name=name,
        allow_probabilities=allow_probabilities,
        journal=_folder(path_of(journal, "journal")),
        fresh=fresh,
        keeps_images=True,
    )
    nothing: Callable[[object], None] = lambda _: None  # noqa: E731
    with shown(progress, on_progress) as tell, executor or nullcontext():
        measuring = Measuring(request, plan, model, tell, on_message or nothing, executor)
        series = measuring.series(source, file_sha256, has_check=check)
    found = Curve(
        schema=SCHEMA,
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        command=command,
        along=plan.along,
        norm=plan.points[0].threat.norm,
        eps_text=plan.points[0].threat.eps_text if plan.along == "steps" else None,
        protocols=tuple(
            ProtocolPart(name=p.name, stages=resolved(p.stages, request.threat))
            for p in plan.protocols
        ),
        seed=request.seed,
        ids=images.ids,
        labels=tuple(map(int, images.labels)),
        series=(series,),
        differences=(),
    )
    if out is not None:
        found.write(out)
    return found


def _folder(journal: Path | None) -> Path | None:
    """The folder of the points' journals, made if it is not there."""
    if journal is None:
        return None
    try:
        journal.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"`journal` {journal} is no folder ({error.strerror}): the journal of a curve is one,"
            " in which each point has a file"
        ) from error
    return journal
