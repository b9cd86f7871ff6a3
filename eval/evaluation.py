"""The measurement: clean pass, stages on survivors, every verdict verified, one Report."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import torch

from eval.adversarial import AdversarialImages
from eval.bars import shown
from eval.begin import begun
from eval.data import as_images, decoded_once
from eval.described import Source, check_said, data_part, engine_part, model_part
from eval.ending import EarlyEnd, EndedBy
from eval.engine.engine import Precision
from eval.estimate import Estimate
from eval.executors.crew import Workplace, check_elsewhere
from eval.files.paths import AnyPath, path_of
from eval.files.writing import check_writable
from eval.functions import ModelLike, as_module, refuse_journal
from eval.ignored import refuse_ignored
from eval.narrowing import check_narrowing, narrowing_spec
from eval.plots import write_plot
from eval.protocols import protocol
from eval.radius import Number
from eval.report.report import (
    Accuracy,
    EstimatePart,
    Images,
    ProtocolPart,
    Report,
    Survive8Bit,
    ThreatPart,
)
from eval.request import EngineName, Request
from eval.run import Progress, Run
from eval.soonest import schedule_of
from eval.threat import Norm, Threat

if TYPE_CHECKING:
    from eval.data.given import DataLike

__all__ = ["Interrupted", "Progress", "evaluate"]


@torch.inference_mode(False)  # whose tensors no gradient reaches, should the caller be in it
def evaluate(
    model: ModelLike,
    data: DataLike,
    *,
    attack: str = "autoattack",
    eps: Number = "8/255",
    norm: Norm = "Linf",
    step_size: Number | None = None,
    last_iterate: bool = False,
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
    until: float | str | Callable[[Estimate], bool] | None = None,
    budget: str | timedelta | None = None,
    save_adversarial: AnyPath | None = None,
    plot: AnyPath | None = None,
    progress: bool | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    executor: Workplace | None = None,
) -> Report:
    """Measure the clean and the robust accuracy of `model` on `data`.

    Args:
        model: images (B, C, H, W) float32 in [0, 1] -> logits (B, K); in eval mode, with its
            normalisation inside. It is not changed: what a run does to it is undone, also where
            the run ends with an error or Ctrl-C. A function that is no module is taken too, with
            the flag `function-model`, and without a journal.
        data: an image set (`eval.open_data`, `eval.data.from_arrays`); a pair of images
            x (N, C, H, W), float in [0, 1] or uint8, and labels y (N,), as tensors, arrays or
            lists; or a `Dataset` of (x, y) or `DataLoader` of batches of them, unshuffled, which is
            read once, see `eval.data.loaders`.
        attack: a protocol's name, see `eval.protocols.protocol`.
        eps: radius of the ball in pixel units of [0, 1]: "8/255", or a float that is k/255 or
            another short fraction to 1e-9, which is then exactly that.
        norm: "Linf" or "L2"; also inf or 2, whatever kind of number it is.
        step_size: for pgd-K, instead of eps/4.
        last_iterate: for pgd-K: attack broken images to the end of their run, so that the Report
            has the accuracy of last iterates too. The verdicts are the same, and take longer.
        engine: "fast" (ours) or "reference" (the untouched model in fp32, and for AutoAttack the
            authors' package).
        precision: of the fast engine's search: "fp32", "bf16", or "auto" for bf16 where the
            hardware does it natively. Verdicts are fp32 on the untouched model in any case.
        n: only the first n images.
        seed: of all random numbers; with the same seed an image meets the same numbers whatever
            the batch size.
        batch_size: images in one pass; None for what fits into memory, at most 128 on a CPU (the
            reference engine, whose verdicts depend on it, then takes 128).
        device: where to compute, "cpu" or "cuda".
        name, source, command: what the report says of the model, its weights and this run.
        file_sha256: of the bytes of the weight file that `model` was loaded from, for the report;
            take it from whoever read them (`zoo.load(...).file_sha256`), not from the path.
        out: also write the report there; checked for writability before the attack begins.
        allow_probabilities: go on, with a flag, where the model seems to return probabilities.
        journal: a file that keeps each verdict as soon as it is known, so that the same call goes
            on after whatever ended it; or a folder for such files, named by what they are of.
        fresh: forget what the journal holds.
        until: end once the 95 % interval for the robust accuracy of all these images is at most
            this many points to either side, 1.0 for ± 1 point; or a function of an
            `eval.estimate.Estimate` that says whether it is enough. The images that are not settled
            then are "open" in the Report, whose `robust` is estimated; without it the same call
            goes on from the journal to the exact number.
        budget: end after this time, "90s", "30m" or "1h30m", in the same way, but not before this
            call has found out something; the first of the two counts.
        save_adversarial: write the adversarial images to this file, see `eval.adversarial`.
        plot: draw how the interval narrowed into this file, .svg or .png.
        progress: None for a bar in a notebook, unless there is an `on_progress`; True for one
            anywhere, on stderr; False for none.
        on_progress: called with a `Progress` after each batch, and now and then within one.
        on_message: called with a sentence for people, about the journal.
        executor: where the passes are computed, None for this process; see
            `eval.executors.cluster.RayExecutor`. The verdicts are the same.

    Raises:
        UsageError: an argument that cannot be. ModelError, DataError: a model or images that do
        not keep the contract above. ReportError: `out` or another file cannot be written.
        JournalError: the journal is in use, damaged, or of another run. Interrupted: Ctrl-C while
        it attacked; it is a KeyboardInterrupt and has the Report of what is known.

    Source: Croce & Hein 2020, arXiv 2003.01690, for attacking only what still stands.

    """
    started = time.perf_counter()
    check_said(source, file_sha256, command)
    model = as_module(model)
    out, journal = path_of(out, "out"), path_of(journal, "journal")
    save_adversarial = path_of(save_adversarial, "save_adversarial")
    plot = path_of(plot, "plot")
    if journal is not None:
        refuse_journal(model)
    plan = protocol(attack, step_size=step_size, last_iterate=last_iterate)
    ending, threat = EarlyEnd.of(until, budget, plan, engine), Threat.of(norm, eps)
    refuse_ignored(
        plan,
        engine=engine,
        precision=precision,
        save_adversarial=save_adversarial,
        journal=journal,
    )
    if executor is not None:
        check_elsewhere(executor, engine, str(device))
    if out is not None:
        check_writable(out)
    if save_adversarial is not None:
        check_writable(save_adversarial, "save_adversarial")
    if plot is not None:
        check_narrowing(plot, plan)
    request = Request(
        data=decoded_once(as_images(data, n)),
        threat=threat,
        protocol=plan,
        engine=engine,
        precision=precision,
        seed=seed,
        batch_size=batch_size,
        device=str(device),
        name=name,
        allow_probabilities=allow_probabilities,
        journal=journal,
        fresh=fresh,
        keeps_images=save_adversarial is not None,
        ending=ending,
    )
    nothing: Callable[[object], None] = lambda _: None  # noqa: E731
    with (
        shown(progress, on_progress) as tell,
        begun(
            model, request, executor=executor, on_progress=tell, on_message=on_message or nothing
        ) as run,
    ):
        ended_by = _attack(run, started)
        report = _report(
            run,
            source=source,
            file_sha256=file_sha256,
            command=command,
            started=started,
            ended_by=ended_by,
        )
        if out is not None:
            report.write(out)
        if save_adversarial is not None:
            AdversarialImages.of(run, report).write(save_adversarial)
        if plot is not None:
            write_plot(narrowing_spec(report), plot)
        if ended_by == "interruption":
            raise Interrupted(report)
    return report


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while images were attacked. report: of what is known, the rest is open in it."""

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted; what is known stands in the report")
        self.report = report


def _attack(run: Run, started: float) -> EndedBy:
    """Attack up to the end, or to what ends it before that; says which, if not all is known."""
    ending = run.request.ending
    is_late = partial(_is_late, started, ending.seconds)
    try:
        run.attack(schedule_of(run), is_enough=ending.is_reached, is_late=is_late)
    except KeyboardInterrupt:
        return "interruption"
    return "until" if ending.is_reached(run.ledger.estimate) else "budget"


def _is_late(started: float, seconds: float | None) -> bool:
    return seconds is not None and time.perf_counter() - started >= seconds


def _report(
    run: Run,
    *,
    source: Source,
    file_sha256: str | None,
    command: str,
    started: float,
    ended_by: EndedBy,
) -> Report:
    request, data, threat = run.request, run.request.data, run.request.threat
    n, n_right = len(data), int(run.clean.is_right.sum())
    verdicts, ledger, known = run.verdicts, run.ledger, run.ledger.estimate
    robust = Accuracy.of(verdicts.count("robust"), n)
    estimate = None
    if ledger.open:
        robust = Accuracy.of_estimate(known)
        estimate = EstimatePart.of(
            known,
            ended_by=ended_by,
            after=ledger.last_on_all,
            right_at_end=ledger.right_at_end,
        )
    is_attacked = bool(request.protocol.stages)
    earlier_seconds = run.journal.seconds if run.journal else 0.0
    return Report(
        schema="sat-zoo/report@1",
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        command=command,
        model=model_part(run, source, file_sha256),
        data=data_part(data),
        threat=ThreatPart(norm=threat.norm, eps=threat.eps, eps_text=threat.eps_text),
        protocol=ProtocolPart.of(request.protocol.name, request.protocol.stages),
        engine=engine_part(run),
        seed=request.seed,
        clean=Accuracy.of(n_right, n),
        robust=robust if is_attacked else None,
        stages=run.stage_results,
        images=Images(
            ids=data.ids,
            labels=tuple(int(label) for label in data.labels),
            verdicts=tuple("right" if v == "robust" and not is_attacked else v for v in verdicts),
        ),
        flags=run.flags,
        survive_8bit=Survive8Bit(
            broken_after_rounding=run.n_broken_8bit,
            n=n_right - verdicts.count("robust") - len(ledger.open),
        ),
        seconds=time.perf_counter() - started + earlier_seconds,
        estimate=estimate,
    )
