"""Workers that disagree, end or are interrupted: what is said of them, and what holds then."""

from __future__ import annotations

import pickle
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.begin import begun
from eval.data import ImageSet, from_tensors
from eval.errors import SatZooError, SetAside
from eval.executors.base import Broken, Pace, Spent, Survived, UnderWay
from eval.executors.cluster.wire import Opened, Packet, Prepared, WorkerProfile
from eval.report.report import Flag
from eval.run import Progress
from tests.eval.executors.cluster.fakes import Fake, Faults
from tests.eval.executors.cluster.fleets import (
    FATES,
    TWO,
    asked,
    known,
    only,
    outcome,
)


def of_host(worker: int, **changes: str) -> Callable[[str, Any], Any]:
    """Alters who a worker says it is."""

    def alter(method: str, value: Any) -> Any:
        if isinstance(value, WorkerProfile):
            return replace(value, host=f"host-{worker}", pid=worker, **changes)
        return value

    return alter


def test_where_every_worker_is_left_out_the_sentence_names_each(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    changes = [{"python": "2.7"}, {"version": "0.0"}, {"code_sha256": "0" * 64}]
    fake = Fake(3, lambda worker: Faults(alters=of_host(worker, **changes[worker])))
    with pytest.raises(SatZooError, match="no worker is left") as e:
        outcome(tiny_net, asked(data), fake)
    for worker, why in enumerate(["Python 2.7", "sat-zoo 0.0", "other source files"]):
        assert f"host-{worker} (process {worker})" in str(e.value)
        assert why in str(e.value)
    assert len(fake.messages) == 3


def test_where_every_worker_ends_again_and_again_nothing_that_was_known_is_lost(
    tiny_net: nn.Module, data: ImageSet, tmp_path: Path
) -> None:
    request = asked(data, journal=tmp_path / "journal.sqlite")
    fake = Fake(2, lambda worker: Faults(dies_at=3 if worker < 2 else 1))
    with pytest.raises(SatZooError, match="no worker is left"):
        outcome(tiny_net, request, fake)
    with begun(tiny_net, request) as run:
        n_known = run.ledger.n_known("pgd-5")
        assert 0 < n_known < len(data) * 3 // 4
        run.attack()
        assert run.ledger.n_taken == run.ledger.n_known("pgd-5") - n_known
        assert run.verdicts == outcome(tiny_net, asked(data), None)[0]


def hooked(change: Callable[[Tensor], Tensor]) -> Callable[[nn.Module], nn.Module]:
    """The same weights, and other logits."""

    def spoil(net: nn.Module) -> nn.Module:
        net.register_forward_hook(lambda *args: change(args[-1]))
        return net

    return spoil


def other_weights(net: nn.Module) -> nn.Module:
    next(net.parameters()).data.mul_(1.01)
    return net


def when(kind: type, change: Callable[[Any], Any]) -> Callable[[str, Any], Any]:
    return lambda _, value: change(value) if isinstance(value, kind) else value


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "non-finite logits": (
        {"spoils": hooked(lambda out: out * float("nan"))},
        "other code or settings",
    ),
    "logits that became non-finite on the way": (
        {"alters": when(Opened, lambda o: replace(o, logits=o.logits * float("nan")))},
        "its logits differ",
    ),
    "other logits": (
        {"alters": when(Opened, lambda o: replace(o, logits=o.logits * 1.1))},
        "its logits differ",
    ),
    "another number of classes": (
        {"alters": when(Opened, lambda o: replace(o, logits=o.logits[:, :-1]))},
        "its logits have shape",
    ),
    "other weights": ({"spoils": other_weights}, "the weights have the digest"),
    "another precision": (
        {"alters": when(Prepared, lambda ready: replace(ready, precision="bf16")), "turns": 2},
        "bf16",
    ),
    "other sources": ({"alters": of_host(1, code_sha256="f" * 64)}, "other source files"),
    "another version": ({"alters": of_host(1, version="9.9")}, "sat-zoo 9.9"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_worker_that_disagrees_is_left_out_by_name_and_the_others_go_on(
    tiny_net: nn.Module, data: ImageSet, known_alone: tuple[object, ...], misfit: str
) -> None:
    faults, why = MISFITS[misfit]
    fake = Fake(3, only(1, **faults))
    with begun(tiny_net, asked(data), executor=fake) as run:
        run.attack()
        assert known(run) == known_alone
    (message,) = fake.messages
    assert "is left out" in message
    assert re.search(why, message)


def test_other_pixels_are_found_by_the_worker_that_reads_them(
    tiny_net: nn.Module, data: ImageSet, known_alone: tuple[object, ...]
) -> None:
    fake = Fake(2)

    def change(now: Progress) -> None:
        if now.done == now.total and now.stage == "clean":
            source = fake.transport._places[1].worker._images.source
            source._kept.clear()  # type: ignore[attr-defined]
            source.inner.images.source.images[:] *= 0.5  # type: ignore[attr-defined]

    assert outcome(tiny_net, asked(data), fake, on_progress=change) == known_alone
    (message,) = fake.messages
    assert "the pixels of" in message


def test_workers_of_two_kinds_are_a_flag_and_of_one_kind_none(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    def flags(change: Callable[[int], str]) -> list[Flag]:
        def fate(worker: int) -> Faults:
            return Faults(alters=of_host(worker, device=change(worker)))

        with begun(tiny_net, asked(data), executor=Fake(2, fate)) as run:
            run.attack()
            return [flag for flag in run.flags if flag.code == "mixed-workers"]

    assert not flags(lambda _: "NVIDIA H100")
    (flag,) = flags(lambda worker: ["NVIDIA H100", "AMD EPYC"][worker])
    assert all(one in flag.detail for one in ("NVIDIA H100", "AMD EPYC", "host-0", "host-1"))


def test_a_fault_of_one_workers_engine_reaches_the_report(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    fault = Flag(code="engine-fault", detail="its copy went wrong")
    alters = when(Packet, lambda packet: replace(packet, flags=(fault,)))
    report = evaluate(
        tiny_net,
        data,
        attack="pgd-5",
        eps="1/40",
        batch_size=4,
        executor=Fake(2, only(1, alters=alters)),
    )
    assert list(report.flags).count(fault) == 1


@pytest.mark.parametrize("fate", ["many die now and then", "each tells twice", "one is slow"])
def test_progress_never_goes_back_nor_beyond_the_total(
    tiny_net: nn.Module, data: ImageSet, fate: str
) -> None:
    seen = list[Progress]()
    outcome(tiny_net, asked(data, TWO), Fake(3, FATES[fate]), on_progress=seen.append)
    for stage in ("clean", *(one.name for one in TWO.stages)):
        mine = [now for now in seen if now.stage == stage]
        done = [now.done for now in mine]
        assert done == sorted(done)
        assert all(0 <= now.done <= now.total for now in mine)
        assert all(0 <= now.done + now.under_way <= now.total + 1e-9 for now in mine)
        assert mine[-1].done == mine[-1].total
        assert mine[-1].under_way == 0


def test_how_far_workers_are_is_told_for_all_of_them_together_at_a_pace(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    def under_way(every_s: float) -> list[float]:
        seen = list[Progress]()
        far = when(Packet, lambda packet: replace(packet, under_way=_half(packet)))
        fake = Fake(2, lambda _: Faults(alters=far))
        with begun(tiny_net, asked(data), executor=fake, on_progress=seen.append) as run:
            fake.fleet.pace = Pace(every_s)
            run.attack()
        assert all(now.done + now.under_way <= now.total + 1e-9 for now in seen)
        assert seen[-1].under_way == 0
        return [now.under_way for now in seen if now.stage == "pgd-5"]

    told = under_way(0.0)
    assert 0 < max(told) <= len(HALF) / 2
    assert set(under_way(1e9)) == {0.0}


HALF = (1, 2, 3, 5)
"""Images that are said to be half done, by whichever worker speaks; none is wrong from the start.
"""


def _half(packet: Packet) -> dict[str, UnderWay]:
    told = {one.stage for one in packet.told if isinstance(one, Survived | Broken)}
    return {stage: UnderWay(stage, dict.fromkeys(HALF, 0.5)) for stage in told}


def test_stages_take_no_longer_than_the_run_however_many_workers_work_at_once(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    def busy(packet: Packet) -> Packet:
        told = tuple(
            replace(one, seconds=2.0) if isinstance(one, Spent) else one for one in packet.told
        )
        return replace(packet, told=told)

    fake = Fake(4, lambda _: Faults(alters=when(Packet, busy)))
    with begun(tiny_net, asked(data), executor=fake) as run:
        run.attack()
        (stage,) = run.stage_results
        n_told = len([0 for p in fake.packets for one in p.told if isinstance(one, Spent)])
        assert 0 < stage.seconds <= 2.0 * n_told / 4


def test_images_that_end_workers_in_the_clean_pass_are_named(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    fake = Fake(2, lambda worker: Faults(unable=RuntimeError("segfault") if worker < 7 else None))
    with pytest.raises(SetAside, match="nothing is attacked before all are classified") as e:
        outcome(tiny_net, asked(data), fake)
    assert "RuntimeError: segfault" in str(e.value)
    assert all(repr(one) in str(e.value) for one in [*e.value.ids.values()][:10])
    again = pickle.loads(pickle.dumps(e.value))
    assert (str(again), again.ids) == (str(e.value), e.value.ids)


def test_workers_that_can_classify_nothing_are_none(tiny_net: nn.Module, data: ImageSet) -> None:
    fake = Fake(2, lambda _: Faults(unable=RuntimeError("segfault")))
    with pytest.raises(SatZooError, match="segfault"):
        outcome(tiny_net, asked(data), fake)


def test_ctrl_c_ends_all_workers_and_what_is_known_is_kept(
    tiny_net: nn.Module, data: ImageSet, tmp_path: Path
) -> None:
    request = asked(data, journal=tmp_path / "journal.sqlite")
    fake, asked_to_stop = Fake(2), list[Progress]()

    def stop(now: Progress) -> None:
        if now.stage != "clean" and now.done >= 5 and not asked_to_stop:
            asked_to_stop.append(now)
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job's is ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            outcome(tiny_net, request, fake, on_progress=stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not fake.transport._places
    with begun(tiny_net, request) as run:
        assert run.ledger.n_known("pgd-5") >= 5


def test_a_model_that_cannot_travel_is_refused_before_any_work(data: ImageSet) -> None:
    class Local(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(5, 192))
            self.handle = (one for one in ())  # a generator cannot be pickled

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ self.weight.T

    net = Local().eval()
    x, _ = data.tensors()
    with pytest.raises(SatZooError, match="cannot travel"):
        outcome(net, asked(from_tensors(x, net(x).argmax(1))), Fake(1))
