"""A whole benchmark: the standard protocol against its authors' package, PGD against others'."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from eval.bench.answer import measure_answer
from eval.bench.compare import Make, Peaks, compare, rows
from eval.bench.contenders import Ours, Setup
from eval.bench.machine import commit, matmul_peak
from eval.bench.others import AuthorsAutoAttack, other_pgds
from eval.bench.record import BenchRecord, Comparison, Machine
from eval.checks import check_model
from eval.definition import weights_sha256
from eval.ending import EarlyEnd
from eval.engine.cost import measure_cost
from eval.engine.engine import Precision, build_engine
from eval.engine.proof import PROOF_IMAGES
from eval.processor import instructions, processor
from eval.protocols import Protocol


def run_bench(
    setup: Setup,
    *,
    pgd: Protocol | None,
    precisions: Sequence[Precision],
    repeats: int,
    command: str,
    say: Callable[[str], None],
    ending: EarlyEnd | None = None,
) -> BenchRecord:
    """Run all contenders and write down how they did.

    setup: its protocol is one of AutoAttack's, or has no stage. pgd: a protocol pgd-K, or None to
    leave it out. precisions: of our searches, each a contender. say: told each step that is done.
    ending: also measure, with the first of `precisions`, how soon the protocol ends by it.
    """
    check_model(setup.model, setup.name)
    ours: list[Make] = [partial(Ours, precision=precision) for precision in precisions]
    notes: list[str] = []
    runs: list[tuple[Setup, list[Make]]] = []
    if setup.protocol.stages:
        runs.append((setup, [AuthorsAutoAttack, *ours]))
    if pgd is not None:
        others, notes = other_pgds(setup.threat.norm)
        to_the_end = partial(Ours, precision=precisions[0], last_iterate=True)
        runs.append((replace(setup, protocol=pgd), [*others, *ours, to_the_end]))
    x = setup.data.batch(range(min(PROOF_IMAGES, len(setup.data)))).x.to(setup.device)
    cost = measure_cost(setup.model, x[:1])
    before = _peaks(setup.device)
    courses = [compare(makes, one, repeats=repeats, say=say) for one, makes in runs]
    answer = None
    if ending is not None:
        answer = measure_answer(setup, precisions[0], ending, repeats=repeats, say=say)
    # Whoever else used the machine may have done so during one of the two measurements.
    best = [max(pair) for pair in zip(before, _peaks(setup.device), strict=True)]
    peaks = Peaks(fp32=best[0], bf16=best[1], cost=cost)
    return BenchRecord(
        schema="sat-zoo/bench@2",
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        command=command,
        commit=commit(Path(__file__).parent),
        machine=Machine(
            device=str(setup.device),
            processor=processor(setup.device),
            instructions=instructions(setup.device),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            python=platform.python_version(),
            matmul_fp32=peaks.fp32,
            matmul_bf16=peaks.bf16,
            auto_precision=build_engine(setup.model, x, "auto").precision,
        ),
        model=setup.name,
        weights_sha256=weights_sha256(setup.model),
        parameters=sum(p.numel() for p in setup.model.parameters()),
        multiply_adds=cost.forward,
        multiply_adds_backward=cost.backward,
        data=setup.data.name,
        n=len(setup.data),
        ids_sha256=setup.data.ids_sha256,
        norm=setup.threat.norm,
        eps=setup.threat.eps_text,
        seed=setup.seed,
        batch_size=setup.batch_size,
        repeats=repeats,
        comparisons=tuple(
            Comparison(
                protocol=one.protocol.name, stages=one.protocol.stages, rows=rows(found, peaks)
            )
            for (one, _), found in zip(runs, courses, strict=True)
        ),
        notes=tuple(notes),
        answer=answer,
    )


def _peaks(device: torch.device) -> tuple[float, float]:
    return matmul_peak(device, torch.float32), matmul_peak(device, torch.bfloat16)
