"""What a run will cost, found out by timing two batches, before anything long starts.

Passes are counted from the protocol; time is passes at the measured speed. They are bounds: `most`,
every image is right and survives every stage; `least`, every image is right and falls to the first
point that the first stage looks at. For a robust model a run comes near n_right / n_looked_at of
`most`, and PGD near half of that, which may need a second gradient in each step (`PGD`).
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from eval.attacks import build
from eval.attacks.attack import Passes
from eval.attacks.losses import cross_entropy
from eval.checks import check_labels, check_logits, check_model, check_pixels, usable_device
from eval.engine.batching import STATE_IMAGES, auto_batch_size
from eval.engine.borrowed import borrowed
from eval.engine.contract import fitted, probe_images
from eval.engine.cost import Cost, measure_cost
from eval.engine.engine import PROOF_SHARE, Engine, Precision, build_engine
from eval.frozen import Frozen
from eval.protocols import Protocol
from eval.threat import Threat
from eval.verify import predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.data import Batch, ImageSet

N_TIMED = 2
"""Batches that are timed."""


class Work(Frozen):
    """Passes, and what they take."""

    forwards: int = Field(description="images through the network forward")
    backwards: int = Field(description="images through the network backward")
    multiply_adds: int
    seconds: float = Field(description="of the network; the attacks' arithmetic is not in it")


class StagePlan(Frozen):
    """The two ends of one stage."""

    name: str
    most: Work
    least: Work


class Speed(Frozen):
    """What one image takes in a full batch, the faster of two: seconds, multiply-adds."""

    clean_seconds: float = Field(description="the untouched model, forward")
    forward_seconds: float
    gradient_seconds: float = Field(description="forward and backward to the image")
    exact_forward_seconds: float = Field(description="of the fp32 network that polishes")
    exact_gradient_seconds: float
    forward_multiply_adds: int
    backward_multiply_adds: int


class Plan(Frozen):
    """What an evaluation will cost, `sat-zoo/plan@1`."""

    schema_: Literal["sat-zoo/plan@1"] = Field(alias="schema")
    model: str
    parameters: int
    data: str
    n: int
    protocol: str
    device: str
    threads: int
    precision: Literal["fp32", "bf16"] = Field(description="of the search")
    batch_size: int
    speed: Speed
    stages: tuple[StagePlan, ...] = Field(description="the clean pass, then the protocol's stages")
    most: Work = Field(description="an upper bound: every image is right and survives all stages")
    least: Work = Field(description="every image is right and falls at the first look")
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
    batch_size: int | None = None,
    device: str = "cpu",
    name: str = "model",
) -> Plan:
    """Time two batches and say what the whole evaluation by our engine would cost.

    The arguments are those of `eval.evaluate`. Raises what it would raise for a model or images
    that cannot be evaluated.
    """
    check_model(model, name)
    data = data if n is None else data.take(n)
    place = usable_device(device)
    with borrowed(model, place):
        probes = probe_images(data, place)
        model, _ = fitted(model, name, probes, needs_gradient=bool(protocol.stages))
        check_labels(data, model.contract.n_classes)
        size = batch_size or auto_batch_size(model, data, place)
        batches = _timed_batches(data, size)
        logits = [_checked_logits(model, batch, data.name, name, place) for batch in batches]
        x = batches[0].x.to(place)
        engine = build_engine(model, x, precision)
        engine.fit(size)
        cost = measure_cost(model, x[:1])
        speed = _speed(model, engine, batches, cost, place)
        n_classes = logits[0].shape[1]
        is_right = torch.cat([z.argmax(1) == b.y for z, b in zip(logits, batches, strict=True)])
        n_looked_at = min(len(is_right), len(data))  # after those, a small set repeats itself
        stages = _stages(protocol, threat, n_classes, engine, len(data), speed)
        most, least = _total([s.most for s in stages]), _total([s.least for s in stages])
        return Plan(
            schema="sat-zoo/plan@1",
            model=name,
            parameters=sum(p.numel() for p in model.parameters()),
            data=data.name,
            n=len(data),
            protocol=protocol.name,
            device=str(place),
            threads=torch.get_num_threads(),
            precision=engine.precision,
            batch_size=size,
            speed=speed,
            stages=tuple(stages),
            most=most,
            least=least,
            seconds_per_survivor=most.seconds / len(data),
            n_looked_at=n_looked_at,
            n_right=int(is_right[:n_looked_at].sum()),
            peak_memory_bytes=_peak_memory(model, x, min(size, len(data)), cost, engine),
            warning=engine.warning,
        )


def _timed_batches(data: ImageSet, size: int) -> list[Batch]:
    size = min(size, len(data))
    # A set smaller than two batches is read round and round.
    return [
        data.batch([(start + i) % len(data) for i in range(size)])
        for start in range(0, N_TIMED * size, size)
    ]


def _checked_logits(
    model: nn.Module, batch: Batch, data_name: str, name: str, device: torch.device
) -> Tensor:
    logits = predict(model, batch.x.to(device)).cpu()
    check_logits(logits, len(batch), name)
    check_pixels(batch, data_name)
    return logits


def _speed(
    model: nn.Module, engine: Engine, batches: list[Batch], cost: Cost, device: torch.device
) -> Speed:
    pairs = [(batch.x.to(device), batch.y.to(device)) for batch in batches]

    def best(work: Callable[[Tensor, Tensor], object]) -> float:
        return min(_seconds(partial(work, x, y), device) / len(x) for x, y in pairs)

    forward = best(lambda x, _: engine.search.logits(x))
    gradient = best(lambda x, y: engine.search.gradient(x, lambda z: cross_entropy(z, y)))
    exact_forward, exact_gradient = forward, gradient
    if engine.exact is not engine.search:
        exact_forward = best(lambda x, _: engine.exact.logits(x))
        exact_gradient = best(lambda x, y: engine.exact.gradient(x, lambda z: cross_entropy(z, y)))
    return Speed(
        clean_seconds=best(lambda x, _: predict(model, x)),
        forward_seconds=forward,
        gradient_seconds=gradient,
        exact_forward_seconds=exact_forward,
        exact_gradient_seconds=exact_gradient,
        forward_multiply_adds=cost.forward,
        backward_multiply_adds=cost.backward,
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _stages(
    protocol: Protocol,
    threat: Threat,
    n_classes: int,
    engine: Engine,
    n: int,
    speed: Speed,
) -> list[StagePlan]:
    clean = _clean_work(n, speed)
    plans = [StagePlan(name="clean", most=clean, least=clean)]
    for i, stage in enumerate(protocol.stages):
        attack = build(stage, threat, n_classes)  # a stage that cannot be is found out now
        most = attack.most_passes(attack.polish_steps if engine.precision == "bf16" else 0)
        least = attack.least_passes() if i == 0 else Passes()
        plans.append(
            StagePlan(
                name=stage.name,
                most=_with_proofs(_work(most, n, speed), engine),
                least=_work(least, n, speed),
            )
        )
    return plans


def _with_proofs(work: Work, engine: Engine) -> Work:
    """`work` and the proofs of the fast copy that it takes."""
    forwards, backwards = engine.proof_passes
    if not forwards:
        return work
    passes = work.forwards + work.backwards
    n_proofs = 1 + int(PROOF_SHARE * passes / (forwards + backwards))
    share = 1 + n_proofs * (forwards + backwards) / passes
    return Work(
        forwards=work.forwards + n_proofs * forwards,
        backwards=work.backwards + n_proofs * backwards,
        multiply_adds=int(work.multiply_adds * share),
        seconds=work.seconds * share,
    )


def _clean_work(n: int, speed: Speed) -> Work:
    return Work(
        forwards=n,
        backwards=0,
        multiply_adds=n * speed.forward_multiply_adds,
        seconds=n * speed.clean_seconds,
    )


def _work(passes: Passes, n: int, speed: Speed) -> Work:
    gradients = passes.gradients + passes.exact_gradients
    forwards = passes.forwards + passes.exact_forwards + gradients
    return Work(
        forwards=n * forwards,
        backwards=n * gradients,
        multiply_adds=n
        * (forwards * speed.forward_multiply_adds + gradients * speed.backward_multiply_adds),
        seconds=n
        * (
            passes.forwards * speed.forward_seconds
            + passes.gradients * speed.gradient_seconds
            + passes.exact_forwards * speed.exact_forward_seconds
            + passes.exact_gradients * speed.exact_gradient_seconds
        ),
    )


def _total(works: list[Work]) -> Work:
    return Work(
        forwards=sum(w.forwards for w in works),
        backwards=sum(w.backwards for w in works),
        multiply_adds=sum(w.multiply_adds for w in works),
        seconds=sum(w.seconds for w in works),
    )


def _peak_memory(model: nn.Module, x: Tensor, size: int, cost: Cost, engine: Engine) -> int:
    weights = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    is_bf16 = engine.precision == "bf16"  # it casts weights in each pass, and rows wait for polish
    # The fast copy is a second set of weights; on a CPU what `borrowed` keeps is a third.
    copies = 2.0 + 0.5 * is_bf16 + (x.device.type == "cpu")
    state = STATE_IMAGES * x[0].nbytes * (2 if is_bf16 else 1)
    return int(copies * weights) + size * (cost.memory_bytes + state)
