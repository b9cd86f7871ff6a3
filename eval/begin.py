"""How a run begins: the model looked at, its fast copy proven, the clean pass, the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from eval.checks import check_labels, check_model, usable_device
from eval.definition import definition_sha256, weights_sha256
from eval.engine.borrowed import borrowed
from eval.engine.contract import fitted, probe_images
from eval.executors.base import Executor, Setting
from eval.executors.crew import Alone, Crew, Looked, Workplace
from eval.flags.bound import bound_flags
from eval.flags.clean import clean_flags
from eval.foreign import is_foreign, refuse_elsewhere
from eval.journal.check import Bounds
from eval.journal.journal import Journal
from eval.journal.key import Key, Session
from eval.report.report import Flag
from eval.run import Progress, Run

if TYPE_CHECKING:
    from eval.clean import CleanPass
    from eval.data import ImageSet
    from eval.engine.classifier import Classifier
    from eval.request import Request

_log = logging.getLogger(__name__)


@contextmanager
def begun(
    model: nn.Module,
    request: Request,
    *,
    executor: Workplace | Callable[[Setting], Executor] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> Iterator[Run]:
    """The run of `request` on `model`, which is borrowed for as long as the block runs.

    The clean pass is done, and what a journal holds is taken over. executor: where all passes are
    computed, or what makes who carries out the jobs in this process; None for the engine of the
    request. on_message: told what is known already, and where it lies when the run is interrupted.
    Raises as `eval.evaluate` does.
    """
    check_model(model, request.name)
    request = _with_libraries(request)
    is_elsewhere = hasattr(executor, "crew")  # then this process looks at the model on its CPU
    if is_elsewhere:
        refuse_elsewhere(request.protocol.stages)
    place = torch.device("cpu") if is_elsewhere else usable_device(request.device)
    digest = weights_sha256(model)
    with borrowed(model, place):
        probes = probe_images(request.data, place)
        is_attacked = bool(request.protocol.stages)
        classifier, flags = fitted(model, request.name, probes, needs_gradient=is_attacked)
        check_labels(request.data, classifier.contract.n_classes)
        shape = tuple(probes.shape[1:])
        with (
            _journal(request, model, digest, shape) as journal,
            _told_where(request, journal, on_message),
            ExitStack() as stack,
        ):
            asked = _as_last_time(request, journal)
            crew = stack.enter_context(_crew(classifier, asked, place, executor))
            looked = crew.look()
            clean, strange = _clean(crew, request.data, on_progress)
            setting = Setting(
                classifier=classifier,
                engine=crew.engine,
                n_classes=clean.n_classes,
                data=request.data,
                threat=request.threat,
                seed=request.seed,
                device=place,
                ranking=clean.ranking,
            )
            session = _session(crew)
            run = Run(
                request=request,
                clean=clean,
                setting=setting,
                executor=crew.executor(setting),
                digest=digest,
                batch_size=crew.batch_size,
                device=crew.device,
                precision=crew.precision,
                first_flags=(
                    *_once((*flags, *looked.flags)),
                    *strange,
                    *_mixed_flags(session, journal),
                    *bound_flags(request.protocol),
                ),
                journal=journal,
                images={} if request.keeps_images else None,
                on_progress=on_progress,
            )
            if is_attacked:
                for flag in strange:  # before hours of attack, not after them
                    on_message(f"{flag.code}: {flag.detail}")
            _log_choices(run, looked)
            if journal is not None:
                _log.info("each verdict is kept in %s", journal.path)
                if journal.sessions:
                    on_message(_known(run, journal))
                journal.begin(session)
            yield run


def _with_libraries(request: Request) -> Request:
    """The request with what libraries of others say of their attacks, where it has any."""
    stages = request.protocol.stages
    if not any(map(is_foreign, stages)):
        return request
    from eval.bridges.libraries import resolved

    plan = request.protocol.model_copy(update={"stages": resolved(stages, request.threat)})
    # Others search in the model's own precision.
    precision = "fp32" if all(map(is_foreign, stages)) else request.precision
    return replace(request, protocol=plan, precision=precision)


def _once(flags: Iterable[Flag]) -> Iterable[Flag]:
    """The first of each code: two machines that see the same may name other numbers."""
    found: dict[str, Flag] = {}
    for flag in flags:
        found.setdefault(flag.code, flag)
    return found.values()


def _journal(
    request: Request, model: nn.Module, weights: str, shape: tuple[int, ...]
) -> AbstractContextManager[Journal | None]:
    if request.journal is None or not request.protocol.stages:
        return nullcontext()
    key = Key.of(
        weights=weights,
        definition=definition_sha256(model),
        data=request.data,
        threat=request.threat,
        protocol=request.protocol,
        seed=request.seed,
        engine=request.engine,
        precision=request.precision,
    )
    stages = tuple(stage.name for stage in request.protocol.stages)
    return Journal(
        request.journal,
        key,
        bounds=Bounds(len(request.data), stages, shape),
        keeps_images=request.keeps_images,
        fresh=request.fresh,
    )


@contextmanager
def _told_where(
    request: Request, journal: Journal | None, on_message: Callable[[str], None]
) -> Iterator[None]:
    """Say where the verdicts lie when the block is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        if journal is not None:
            on_message(kept_in(journal.path, is_fresh=request.fresh))
        raise


def kept_in(journal: Path, *, is_fresh: bool) -> str:
    """What to say where a run is interrupted; is_fresh: it had begun anew, which forgets again."""
    same = "the same command without `fresh=True`" if is_fresh else "the same command"
    return f"the verdicts so far are in {journal}: {same} goes on from there"


def _as_last_time(request: Request, journal: Journal | None) -> Request:
    """The request with what the last session came to, so that this one goes on with it."""
    if journal is None or not journal.sessions:
        return request
    last = journal.sessions[-1]
    # Where random numbers are drawn a batch, it would be another run with another size.
    size = last.batch_size if request.draws_by_batch else request.batch_size
    return replace(request, precision=last.precision, batch_size=size)


def _log_choices(run: Run, looked: Looked) -> None:
    _log.info("device %s, %d threads on the CPU", run.device, torch.get_num_threads())
    _log.info(
        "engine %s searches in %s, %d images in one pass",
        run.request.engine,
        run.precision,
        run.batch_size,
    )
    for remark in looked.remarks:
        _log.info("%s", remark)


def _crew(
    model: Classifier,
    request: Request,
    place: torch.device,
    executor: Workplace | Callable[[Setting], Executor] | None,
) -> AbstractContextManager[Crew]:
    if executor is None or not hasattr(executor, "crew"):
        return nullcontext(Alone(model, request, place, executor))
    return executor.crew(model, request)


def _clean(
    crew: Crew, data: ImageSet, on_progress: Callable[[Progress], None]
) -> tuple[CleanPass, list[Flag]]:
    def on_batch(n_done: int, n_right: int) -> None:
        on_progress(Progress("clean", n_done, len(data), n_right, n_done))

    clean = crew.clean(on_batch)
    return clean, clean_flags(data.labels.tolist(), clean.answers.tolist(), clean.n_classes)


def _session(crew: Crew) -> Session:
    return Session(
        device=crew.device,
        precision=crew.precision,
        torch=torch.__version__,
        version=version("sat-zoo"),
        batch_size=crew.batch_size,
    )


def _mixed_flags(session: Session, journal: Journal | None) -> list[Flag]:
    earlier = [] if journal is None else journal.sessions
    others = sorted({str(other) for other in earlier if other != session})
    if not others:
        return []
    detail = f"this session searched in {session}; earlier ones in {', '.join(others)}"
    return [Flag(code="mixed-sessions", detail=detail)]


def _known(run: Run, journal: Journal) -> str:
    n, n_known = run.ledger.n, run.ledger.n_settled
    if n_known == n:
        return f"all {n} verdicts known from {journal.path} (`fresh=True` attacks again)"
    return f"resuming: {n_known} of {n} verdicts known from {journal.path}"
