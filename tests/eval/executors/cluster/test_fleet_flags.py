"""What a Report says of a run by workers beside what it says of one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
import pytest
import torch
from torch import Tensor, nn

from eval.begin import begun
from eval.data import ImageSet
from eval.engine.classifier import Classifier
from eval.executors.base import Spent
from eval.executors.cluster.admission import Admission
from eval.executors.cluster.crew import RemoteCrew
from eval.executors.cluster.fleet import Fleet
from eval.executors.cluster.wire import Opened, Packet
from eval.request import Request
from tests.eval.executors.cluster.fakes import Fake, Faults, InProcess
from tests.eval.executors.cluster.fleets import asked, known, only, outcome


class Odd(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Any:
        return self.net(x)


class Random(Odd):
    def forward(self, x: Tensor) -> Any:
        return self.net(x + 0.01 * torch.randn_like(x))


class Adapting(Odd):
    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        return self.net(x)


class Interacting(Odd):
    def forward(self, x: Tensor) -> Any:
        return self.net(x - 0.1 * x.mean(0, keepdim=True))


class Stepped(Odd):
    def forward(self, x: Tensor) -> Any:
        return self.net((x * 16).round() / 16 + 0 * x)


class Uncopied(Odd):
    def __deepcopy__(self, _: object) -> Any:
        raise RuntimeError("it is one of its kind")


class Probabilities(Odd):
    def forward(self, x: Tensor) -> Any:
        return self.net(x).softmax(1)


ODD = [Random, Adapting, Interacting, Stepped, Uncopied, Probabilities]


def codes(net: nn.Module, request: Request, executor: Fake | None) -> list[str]:
    with begun(net, request, executor=executor) as run:
        run.attack()
        return [flag.code for flag in run.flags]


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("kind", ODD)
def test_each_thing_is_said_once_however_many_workers_see_it(
    tiny_net: nn.Module, data: ImageSet, kind: type[Odd], n: int
) -> None:
    request = asked(data, allow_probabilities=True)
    expected = codes(kind(tiny_net).eval(), request, None)
    assert expected
    assert codes(kind(tiny_net).eval(), request, Fake(n)) == expected


@pytest.mark.parametrize("seed", range(4))
def test_workers_that_end_when_they_are_asked_at_the_end_are_passed_over(
    tiny_net: nn.Module, data: ImageSet, seed: int
) -> None:
    def end(method: str, value: Any) -> Any:
        if method == "weights":
            raise RuntimeError("CUDA error")
        return value

    fake = Fake(4, lambda worker: Faults(alters=end) if worker in {1, 3} else Faults(), seed)
    assert "model-changed" in codes(Adapting(tiny_net).eval(), asked(data), fake)


def test_a_worker_that_is_left_out_makes_no_second_of_the_others_shorter(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    def alter(is_other: bool) -> Callable[[str, Any], Any]:
        def altered(_: str, value: Any) -> Any:
            if isinstance(value, Opened) and is_other:
                return replace(value, logits=value.logits + 1)
            if isinstance(value, Packet):
                told = [
                    replace(one, seconds=1e-6) if isinstance(one, Spent) else one
                    for one in value.told
                ]
                return replace(value, told=tuple(told))
            return value

        return altered

    fake = Fake(3, lambda worker: Faults(alters=alter(worker > 0), turns=9 * (worker == 0)))
    with begun(tiny_net, asked(data), executor=fake) as run:
        run.attack()
        (stage,) = run.stage_results
    n_told = sum(isinstance(one, Spent) for packet in fake.packets for one in packet.told)
    assert stage.seconds == pytest.approx(1e-6 * n_told)


def test_a_worker_that_never_comes_makes_no_second_of_the_others_shorter(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    def slow(_: str, value: Any) -> Any:
        if not isinstance(value, Packet):
            return value
        told = [replace(one, seconds=1e-6) if isinstance(one, Spent) else one for one in value.told]
        return replace(value, told=tuple(told))

    fake = Fake(3, lambda worker: Faults(alters=slow, turns=10**6 * (worker > 0)))
    with begun(tiny_net, asked(data), executor=fake) as run:
        run.attack()
        (stage,) = run.stage_results
    n_told = sum(isinstance(one, Spent) for packet in fake.packets for one in packet.told)
    assert stage.seconds == pytest.approx(1e-6 * n_told)


INTERACTS = [True]


class Seldom(Odd):
    def forward(self, x: Tensor) -> Any:
        return self.net(x - INTERACTS[0] * 1e-4 * x.mean(0, keepdim=True))


def test_images_that_interact_for_the_driver_alone_are_computed_alone_on_workers(
    tiny_net: nn.Module, data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(net: nn.Module) -> nn.Module:
        INTERACTS[0] = False
        return net

    monkeypatch.setattr(f"{__name__}.INTERACTS", INTERACTS[:])
    fake = Fake(2, lambda _: Faults(spoils=unseen))
    with begun(Seldom(tiny_net).eval(), asked(data), executor=fake) as run:
        places = fake.transport._places.values()
        assert all(place.worker._classifier.contract.interacts for place in places)
        assert "images-interact" in [flag.code for flag in run.first_flags]


@dataclass(eq=False)
class Kept(Fake):
    """With the same workers from run to run, as a `RayExecutor` whose block has not ended."""

    def __post_init__(self) -> None:
        self.transport = InProcess(self.faults, self.seed)
        self.fleet = Fleet(self.transport, self.n, "cpu", self.messages.append)

    @contextmanager
    def crew(self, model: Classifier, request: Request) -> Iterator[RemoteCrew]:
        admission = Admission.of(model, request, "cpu", cloudpickle.dumps, self.transport.put)
        self.fleet.assign(admission)
        yield RemoteCrew(self.fleet, model, request)


def test_what_was_wrong_in_one_run_is_not_said_of_the_next(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    kept = Kept(2)
    for kind in (Random, Adapting, Uncopied, Probabilities, Odd):
        request = asked(data, allow_probabilities=True)
        expected = codes(kind(tiny_net).eval(), request, None)
        assert codes(kind(tiny_net).eval(), request, kept) == expected
    for some in (data.take(20), data.take(9)):
        assert outcome(tiny_net, asked(some), kept) == outcome(tiny_net, asked(some), None)


def test_workers_that_were_left_out_of_one_run_are_asked_again_for_the_next(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    other = lambda method, value: (  # noqa: E731
        replace(value, logits=value.logits + 1) if isinstance(value, Opened) else value
    )
    kept = Kept(3, only(1, alters=other))
    first = outcome(tiny_net, asked(data), kept)
    (message,) = kept.messages
    assert "is left out" in message
    with begun(tiny_net, asked(data), executor=kept) as run:
        run.attack()
        assert known(run) == first
        assert {hand.place for hand in kept.fleet.hands.values()} == {0, 1, 2}
    assert kept.messages == [message]


def test_warnings_of_a_worker_are_said_with_its_name(tiny_net: nn.Module, data: ImageSet) -> None:
    def alters(method: str, answer: Any) -> Any:
        is_packet = isinstance(answer, Packet)
        return replace(answer, remarks=("memory runs low",)) if is_packet else answer

    fake = Fake(1, only(0, alters=alters))
    outcome(tiny_net, asked(data), fake)
    assert any(f"(process {os.getpid()}): memory runs low" in one for one in fake.messages)
