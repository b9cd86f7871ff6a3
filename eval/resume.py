"""Going on from a journal: what is taken from it, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from eval.definition import definition_sha256
from eval.journal import Journal
from eval.memory import Key, Session
from eval.report import Flag

if TYPE_CHECKING:
    from eval.run import Run


def attack_with_journal(
    run: Run, path: Path, weights: str, *, fresh: bool, say: Callable[[str], None]
) -> None:
    """Carry out `run` from where its journal ends, and keep what is found in it.

    path: a file, or a folder of journals. weights: the digest of the model's. say: told what is
    known already, and where it lies when the run is interrupted.
    Raises as `Journal` does.
    """
    with _open(run, path, weights, fresh=fresh) as journal:
        try:
            run.attack(after_clean=lambda: _begin(run, journal, say))
        except KeyboardInterrupt:
            say(f"the verdicts so far are in {journal.path}: the same command goes on from there")
            raise


def key_of(run: Run, weights: str) -> Key:
    """What a journal of `run` is of; weights: the digest of the model's."""
    return Key.of(
        weights=weights,
        definition=definition_sha256(run.model),
        data=run.data,
        threat=run.threat,
        protocol=run.protocol,
        seed=run.seed,
        engine=run.engine,
        precision=run.precision,
    )


def _open(run: Run, path: Path, weights: str, *, fresh: bool) -> Journal:
    run.journal = journal = Journal(
        path, key_of(run, weights), keeps_images=run.images is not None, fresh=fresh
    )
    if journal.sessions:
        last = journal.sessions[-1]
        run.precision = last.precision
        if run.engine == "reference":
            # Its random numbers are drawn a batch: with another size it would be another run.
            run.batch_size = last.batch_size
    return journal


def _begin(run: Run, journal: Journal, say: Callable[[str], None]) -> None:
    assert run.nets is not None
    session = Session(
        device=str(run.device),
        precision=run.nets.precision,
        torch=torch.__version__,
        version=version("sat-zoo"),
        batch_size=run.batch_size,
    )
    if others := sorted({str(earlier) for earlier in journal.sessions if earlier != session}):
        detail = f"this session searched in {session}; earlier ones in {', '.join(others)}"
        run.flags.append(Flag(code="mixed-sessions", detail=detail))
    for flag in run.flags:
        if flag.code in {"clean-at-chance", "label-order"}:
            say(f"{flag.code}: {flag.detail}")  # before hours of attack, not after them
    if run.images is not None:
        run.images.update(journal.images())
    if journal.sessions:
        say(_known(run, journal))
    journal.begin(session)


def _known(run: Run, journal: Journal) -> str:
    stages = [journal.recall(stage.name) for stage in run.protocol.stages]
    settled = stages[-1].survived.union(*(memory.broken for memory in stages))
    n = len(run.verdicts)
    n_known = sum(v == "clean" or i in settled for i, v in enumerate(run.verdicts))
    if n_known == n:
        return f"all {n} verdicts known from {journal.path} (`fresh=True` attacks again)"
    return f"resuming: {n_known} of {n} verdicts known from {journal.path}"
