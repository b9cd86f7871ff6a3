"""What a run will cost, found out by timing two batches and the first steps of each stage.

What is `expected`, with a range, is counted by `eval.planning.expected`. Around it lie bounds, of
passes counted from the protocol, and the time of these at the measured speed: `most`, every image
is right and survives every stage, and each of PGD's steps needs a second gradient (`PGD`); `least`,
every image is right and falls to the first point that the first stage looks at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from eval.attacks import build
from eval.attacks.attack import Passes
from eval.checks import check_labels, check_logits, check_model, check_pixels, usable_device
from eval.clean import ranked
from eval.definition import weights_sha256
from eval.engine.batching import STATE_IMAGES, auto_batch_size
from eval.engine.borrowed import borrowed
from eval.engine.contract import fitted, probe_images
from eval.engine.cost import Cost, measure_cost
from eval.engine.engine import Engine, Precision, build_engine
from eval.engine.heap import freed_memory_kept
from eval.executors.base import Setting
from eval.fingerprint import fingerprint
from eval.foreign import refuse_plan
from eval.frozen import Frozen
from eval.planning.expected import Expected, Range, expect, right_images, unseen, whole
from eval.planning.rehearsal import rehearse
from eval.planning.shares import known_shares
from eval.planning.timing import measured_speed, timed_batches
from eval.planning.work import Speed, Work, clean_work, total, with_proofs, work_of
from eval.protocols import Protocol
from eval.threat import Threat
from eval.verify import predict

if TYPE_CHECKING:
    from eval.data import Batch, ImageSet
    from eval.planning.shares import Shares

__all__ = ["Plan", "Speed", "StagePlan", "Work", "plan_run"]


class StagePlan(Frozen):
    """What one stage costs: the two ends, and what is expected between them."""

    name: str
    most: Work
    least: Work
    expected: Expected


class Spreading(Frozen):
    """The run on several workers, each as fast as this process was when it was timed."""

    workers: int
    seconds: Range

    @classmethod
    def of(cls, workers: int, whole: Range, begin_seconds: float) -> Self:
        """What every worker does for itself stays; the rest is shared.

        That they have not all the same to do at the end of each stage is left out, and so is the
        start of their processes.
        """
        shared = []
        for seconds in (whole.low, whole.expected, whole.high):
            own = min(begin_seconds, seconds)
            shared.append(own + (seconds - own) / workers)
        return cls(workers=workers, seconds=Range.of(*shared))


class Plan(Frozen):
    """What an evaluation will cost, `sat-zoo/plan@1`."""

    schema_: Literal["sat-zoo/plan@1"] = Field(alias="schema")
    model: str
    parameters: int
    data: str
    n: int
    protocol: str
    fingerprint: str = Field(description="of its stages with every field, as in its Report")
    device: str
    threads: int
    precision: Literal["fp32", "bf16"] = Field(description="of the search")
    batch_size: int
    speed: Speed
    stages: tuple[StagePlan, ...] = Field(description="the clean pass, then the protocol's stages")
    most: Work = Field(description="an upper bound: every image is right and survives all stages")
    least: Work = Field(description="every image is right and falls at the first look")
    expected: Expected = Field(description="of the whole run; its seconds are those of the Report")
    spread: Spreading | None = Field(
        default=None, description="the same on several workers, where they are asked for"
    )
    known_from: tuple[str, ...] = Field(
        description="Reports, by file name, that the shares of falling images are taken from;"
        " none is of this model"
    )
    seconds_per_survivor: float = Field(description="of an image that survives all stages")
    n_looked_at: int = Field(description="images in the timed batches")
    n_right: int = Field(description="of those, classified correctly; only they are attacked")
    peak_memory_bytes: int = Field(
        description="weights, a batch's activations and its searches; the program comes on top"
    )
    warning: str = Field(description="why the fast copy of the model is not used, or empty")

    def to_json(self) -> str:
        """The plan as indented JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def plan_run(
    model: nn.Module,
    data: ImageSet,
    protocol: Protocol,
    threat: Threat,
    *,
    precision: Precision = "auto",
    n: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "cpu",
    name: str = "model",
    known: Shares | None = None,
    workers: int | None = None,
) -> Plan:
    """Time two batches and say what the whole evaluation by our engine would cost.

    The arguments are those of `eval.evaluate`. known: shares of falling images that stand in for
    those of this project's own Reports. workers: say what it takes on so many, too, each of which
    computes as this process does. Nothing that is tried is kept. Raises what `evaluate` would
    raise for a model or images that cannot be evaluated.
    """
    started = time.perf_counter()
    refuse_plan(protocol.stages)
    check_model(model, name)
    data = data if n is None else data.take(n)
    place, digest = usable_device(device), weights_sha256(model)
    known = known_shares() if known is None else known
    with borrowed(model, place), freed_memory_kept():
        probes = probe_images(data, place)
        model, _ = fitted(model, name, probes, needs_gradient=bool(protocol.stages))
        check_labels(data, model.contract.n_classes)
        size = batch_size or auto_batch_size(model, data, place)
        batches = timed_batches(data, size)
        logits = [_checked_logits(model, batch, data.name, name, place) for batch in batches]
        x = batches[0].x.to(place)
        engine = build_engine(model, x, precision)
        engine.fit(size)
        begin_seconds = time.perf_counter() - started
        cost = measure_cost(model, x[:1])
        speed = measured_speed(model, engine, batches, cost, place)
        # After so many, a small set repeats itself.
        n_looked_at = min(sum(map(len, batches)), len(data))
        answers, y = torch.cat(logits)[:n_looked_at], torch.cat([b.y for b in batches])
        is_right = answers.argmax(1) == y[:n_looked_at]
        setting = Setting(
            classifier=model,
            engine=engine,
            n_classes=answers.shape[1],
            data=data,
            threat=threat,
            seed=seed,
            device=place,
            ranking=ranked(answers, y[:n_looked_at]),
        )
        n_right = int(is_right.sum())
        right = right_images(n_right, n_looked_at, len(data))
        positions = is_right.nonzero().squeeze(1).tolist()
        bounds = _bounds(protocol, setting, len(data), speed)
        if positions:
            tried = rehearse(setting, protocol.stages, positions, size, speed.gradient_seconds)
            found = expect(setting, protocol.stages, tried, known, right, size, speed, digest)
        else:
            found = unseen(setting, protocol.stages, right, speed)
        clean = clean_work(len(data), speed)
        expected = whole(clean, begin_seconds, right, found)
        stages = [StagePlan(name="clean", most=clean, least=clean, expected=expected[0])]
        for stage, (most, least), one in zip(protocol.stages, bounds, found, strict=True):
            stages.append(StagePlan(name=stage.name, most=most, least=least, expected=one))
        most = total(stage.most for stage in stages)
        return Plan(
            schema="sat-zoo/plan@1",
            model=name,
            parameters=sum(p.numel() for p in model.parameters()),
            data=data.name,
            n=len(data),
            protocol=protocol.name,
            fingerprint=fingerprint(protocol.stages),
            device=str(place),
            threads=torch.get_num_threads(),
            precision=engine.precision,
            batch_size=size,
            speed=speed,
            stages=tuple(stages),
            most=most,
            least=total(stage.least for stage in stages),
            expected=expected[1],
            spread=Spreading.of(workers, expected[1].seconds, begin_seconds) if workers else None,
            known_from=known.names(protocol.stages, without=digest),
            seconds_per_survivor=most.seconds / len(data),
            n_looked_at=n_looked_at,
            n_right=n_right,
            peak_memory_bytes=_peak_memory(model, x, min(size, len(data)), cost, engine),
            warning=engine.warning,
        )


def _checked_logits(
    model: nn.Module, batch: Batch, data_name: str, name: str, device: torch.device
) -> Tensor:
    logits = predict(model, batch.x.to(device)).cpu()
    check_logits(logits, len(batch), name)
    check_pixels(batch, data_name)
    return logits


def _bounds(protocol: Protocol, setting: Setting, n: int, speed: Speed) -> list[tuple[Work, Work]]:
    """At most, and at least, of each stage."""
    engine, ends = setting.engine, []
    for i, stage in enumerate(protocol.stages):
        attack = build(stage, setting.threat, setting.n_classes)  # one that cannot be is found out
        most = attack.most_passes(attack.polish_steps if engine.precision == "bf16" else 0)
        least = attack.least_passes() if i == 0 else Passes()
        ends.append((with_proofs(work_of(most, n, speed), engine), work_of(least, n, speed)))
    return ends


def _peak_memory(model: nn.Module, x: Tensor, size: int, cost: Cost, engine: Engine) -> int:
    weights = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    is_bf16 = engine.precision == "bf16"  # it casts weights in each pass, and rows wait for polish
    # The fast copy is a second set of weights; on a CPU what `borrowed` keeps is a third.
    copies = 2.0 + 0.5 * is_bf16 + (x.device.type == "cpu")
    state = STATE_IMAGES * x[0].nbytes * (2 if is_bf16 else 1)
    return int(copies * weights) + size * (cost.memory_bytes + state)
