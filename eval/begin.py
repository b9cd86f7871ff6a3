"""How a run begins: the model looked at, its fast copy proven, the clean pass, the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from eval.checks import check_labels, check_logits, check_model, usable_device
from eval.clean import CleanPass, clean_pass
from eval.definition import definition_sha256, weights_sha256
from eval.engine.batching import WithinMemory, fitting_batch_size
from eval.engine.borrowed import borrowed
from eval.engine.classifier import Classifier
from eval.engine.contract import fitted, probe_images
from eval.engine.engine import Engine, build_engine, plain_engine
from eval.engine.heap import freed_memory_kept
from eval.errors import ModelError
from eval.executors.base import Executor, Setting
from eval.executors.pool import Pool
from eval.executors.reference import Reference
from eval.flags.bound import bound_flags
from eval.flags.clean import clean_flags
from eval.flags.model import looks_like_probabilities, model_flags
from eval.journal.check import Bounds
from eval.journal.journal import Journal
from eval.journal.key import Key, Session
from eval.report.report import Flag
from eval.request import EngineName, Request
from eval.run import Progress, Run
from eval.verify import predict

_log = logging.getLogger(__name__)

_EXECUTORS: dict[EngineName, Callable[[Setting], Executor]] = {"fast": Pool, "reference": Reference}


@contextmanager
def begun(
    model: nn.Module,
    request: Request,
    *,
    executor: Callable[[Setting], Executor] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> Iterator[Run]:
    """The run of `request` on `model`, which is borrowed for as long as the block runs.

    The clean pass is done, and what a journal holds is taken over. executor: makes who carries out
    the jobs; None for the engine of the request, in this process. on_message: told what is known
    already, and where it lies when the run is interrupted.
    Raises as `eval.evaluate` does.
    """
    check_model(model, request.name)
    place, digest = usable_device(request.device), weights_sha256(model)
    with borrowed(model, place):
        probes = probe_images(request.data, place)
        is_attacked = bool(request.protocol.stages)
        classifier, flags = fitted(model, request.name, probes, needs_gradient=is_attacked)
        check_labels(request.data, classifier.contract.n_classes)
        shape = tuple(probes.shape[1:])
        with (
            _journal(request, model, digest, shape) as journal,
            _told_where(request, journal, on_message),
        ):
            asked = _as_last_time(request, journal)
            memory = _memory(classifier, asked, place)
            engine, looked = _first_look(classifier, asked, place, memory)
            clean, strange = _clean(classifier, asked, place, memory, on_progress)
            setting = Setting(
                classifier=classifier,
                engine=engine,
                n_classes=clean.n_classes,
                data=request.data,
                threat=request.threat,
                seed=request.seed,
                device=place,
                ranking=clean.ranking,
            )
            session = _session(setting, memory.batch_size)
            run = Run(
                request=request,
                clean=clean,
                setting=setting,
                executor=(executor or _EXECUTORS[request.engine])(setting),
                digest=digest,
                batch_size=memory.batch_size,
                first_flags=(
                    *flags,
                    *looked,
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
            _log_choices(run, session)
            if journal is not None:
                _log.info("each verdict is kept in %s", journal.path)
                if journal.sessions:
                    on_message(_known(run, journal))
                journal.begin(session)
            yield run


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
    # The reference draws its random numbers a batch: with another size it would be another run.
    size = last.batch_size if request.engine == "reference" else request.batch_size
    return replace(request, precision=last.precision, batch_size=size)


def _log_choices(run: Run, session: Session) -> None:
    engine, name = run.setting.engine, run.request.engine
    _log.info("device %s, %d threads on the CPU", session.device, torch.get_num_threads())
    _log.info(
        "engine %s searches in %s, %d images in one pass", name, session.precision, run.batch_size
    )
    if engine.is_copy:
        _log.info(
            "its copy of the model was proven on images that neither has seen: logits differ by at"
            " most %.2g",
            engine.error,
        )
    elif name == "fast":
        _log.info("the model itself searches, not a copy: %s", engine.warning or "none was made")


def _memory(model: Classifier, request: Request, place: torch.device) -> WithinMemory:
    size = request.batch_size
    if size is None:
        size = fitting_batch_size(model, request.data, request.engine, place)
    return WithinMemory(size, "the clean pass")


def _clean(
    model: Classifier,
    request: Request,
    place: torch.device,
    memory: WithinMemory,
    on_progress: Callable[[Progress], None],
) -> tuple[CleanPass, list[Flag]]:
    data = request.data

    def on_batch(n_done: int, n_right: int) -> None:
        on_progress(Progress("clean", n_done, len(data), n_right, n_done))

    clean = clean_pass(model, data, request.name, place, memory, on_batch)
    return clean, clean_flags(data.labels.tolist(), clean.answers.tolist(), clean.n_classes)


def _session(setting: Setting, batch_size: int) -> Session:
    return Session(
        device=str(setting.device),
        precision=setting.engine.precision,
        torch=torch.__version__,
        version=version("sat-zoo"),
        batch_size=batch_size,
    )


@freed_memory_kept()
def _first_look(
    model: Classifier, request: Request, place: torch.device, memory: WithinMemory
) -> tuple[Engine, list[Flag]]:
    """The engine, proven on the first images, and what they say of the model."""
    batch = request.data.batch(range(min(memory.batch_size, len(request.data))))
    x = batch.x.to(place)
    logits = memory.in_pieces(lambda part: predict(model, part).cpu(), x)
    check_logits(logits, len(x), request.name)
    flags = _probabilities(logits, request)
    if request.engine == "reference":
        engine = plain_engine(model)
    else:
        engine = memory(lambda size: build_engine(model, x[:size], request.precision))
        if engine.warning:
            flags.append(Flag(code="engine-fallback", detail=engine.warning))
    labels, is_attacked = logits.argmax(1).to(place), bool(request.protocol.stages)
    flags += memory(
        lambda size: model_flags(
            model, engine.exact, x[:size], labels[:size], is_attacked=is_attacked
        )
    )
    return engine, flags


def _probabilities(logits: Tensor, request: Request) -> list[Flag]:
    if not looks_like_probabilities(logits):
        return []
    detail = (
        f"model {request.name!r} returns probabilities, not logits: gradients vanish and attacks"
        " look weaker than they are"
    )
    if not request.allow_probabilities:
        raise ModelError(
            f"{detail}; remove the softmax, or pass `allow_probabilities=True` to go on with a flag"
            " in the report"
        )
    return [Flag(code="probabilities", detail=detail)]


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
