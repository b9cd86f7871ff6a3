"""Whole runs over workers that fail in every way: the verdicts are those of one process."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from eval import evaluate
from eval.begin import begun
from eval.data import ImageSet
from eval.errors import SetAside
from eval.executors.base import Broken, Survived
from eval.protocols import Protocol, protocol
from eval.schedule import Anytime, Schedule
from eval.verify import predict
from tests.eval.executors.cluster.fakes import Fake, Faults
from tests.eval.executors.cluster.fleets import (
    ENDS,
    EPS,
    FATES,
    PGD,
    POISON,
    TWO,
    asked,
    known,
    only,
    outcome,
)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("plan", [PGD, ENDS, TWO, protocol("pgd-sat-4")], ids=lambda p: p.name)
def test_the_verdicts_are_those_of_one_process(
    tiny_net: nn.Module, data: ImageSet, plan: Protocol, n: int
) -> None:
    request = asked(data, plan)
    fake = Fake(n, seed=n)
    assert outcome(tiny_net, request, fake) == outcome(tiny_net, request, None)
    assert not fake.messages


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_verdicts_are_the_same_whatever_befalls_workers(
    tiny_net: nn.Module, data: ImageSet, known_alone: tuple[object, ...], fate: str, seed: int
) -> None:
    assert outcome(tiny_net, asked(data), Fake(3, FATES[fate], seed)) == known_alone


@pytest.mark.parametrize(
    ("plan", "schedule"),
    [
        (TWO, Anytime(0, n_at_once=8)),
        (TWO, Anytime(1, n_at_once=8)),
        (protocol("pgd-sat-4"), Anytime(0, n_at_once=8)),
        (ENDS, None),
    ],
    ids=["two drawn", "one on all", "drawn to last iterates", "two to last iterates"],
)
@pytest.mark.parametrize("seed", range(3))
def test_several_stages_of_one_job_and_last_iterates_survive_any_mix_of_faults(
    tiny_net: nn.Module, data: ImageSet, plan: Protocol, schedule: Schedule | None, seed: int
) -> None:
    draw = random.Random(seed)

    def fate(worker: int) -> Faults:
        return Faults(
            dies_at=draw.choice([1, 2, 3, 6])
            if worker < 2
            else None,  # a third may be one too many
            turns=draw.choice([0, 0, 4]),
            is_double=draw.random() < 0.5,
        )

    fake = Fake(3, fate, seed)
    assert outcome(tiny_net, asked(data, plan), fake, schedule) == outcome(
        tiny_net, asked(data, plan), None, schedule
    )


def test_no_image_meets_a_stage_again_that_it_survived_on_a_worker_that_ended(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    fake = Fake(1, lambda worker: Faults(dies_at=3 if worker < 2 else None))
    outcome(tiny_net, asked(data, TWO), fake, Anytime(0))
    assert fake.transport.n_dead == 2
    survived = [
        (one.stage, one.position)
        for packet in fake.packets
        for one in packet.told
        if isinstance(one, Survived)
    ]
    assert len(survived) == len(set(survived))


@pytest.mark.usefixtures("short_autoattack")
def test_a_run_that_may_end_early_ends_where_one_process_ends(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    def found(executor: Fake | None) -> tuple[object, ...]:
        report = evaluate(
            tiny_net,
            data,
            attack="autoattack",
            eps="1/40",
            until=20,
            batch_size=4,
            precision="fp32",
            executor=executor,
        )
        assert report.estimate is not None
        return report.images, report.estimate

    assert found(Fake(2, only(0, dies_at=3))) == found(None)


def test_a_fleet_that_was_left_in_the_middle_of_a_wave_goes_on_with_the_next(
    tiny_net: nn.Module, data: ImageSet, known_alone: tuple[object, ...]
) -> None:
    fake = Fake(2, only(0, turns=10))
    with begun(tiny_net, asked(data), executor=fake) as run:
        events = run.executor.run([run.job_of(PGD.stages[0])])
        for _ in range(3):
            next(events)
        events.close()  # type: ignore[attr-defined]
        run.attack()
        assert known(run) == known_alone


def test_the_images_that_are_kept_are_adversarial(tiny_net: nn.Module, data: ImageSet) -> None:
    fake = Fake(3, only(1, dies_at=2))
    with begun(tiny_net, asked(data, TWO, keeps_images=True), executor=fake) as run:
        run.attack()
        broken = {i for i, verdict in enumerate(run.verdicts) if verdict not in {"clean", "robust"}}
        assert run.images is not None
        assert run.images.keys() == broken != set()
        for position, x_adv in run.images.items():
            x, label = data.batch([position]).x[0], int(data.labels[position])
            assert float((x_adv - x).abs().max()) <= EPS.eps + 1e-7
            assert int(predict(run.setting.classifier, x_adv[None]).argmax()) != label
            assert x_adv.untyped_storage().nbytes() == x_adv.nbytes


def test_no_adversarial_image_travels_where_none_is_wanted(
    tiny_net: nn.Module, data: ImageSet
) -> None:
    fake = Fake(2)
    outcome(tiny_net, asked(data), fake)
    broken = [one for p in fake.packets for one in p.told if isinstance(one, Broken)]
    assert broken
    assert all(one.x_adv is None for one in broken)


@pytest.mark.parametrize("plan", [PGD, TWO], ids=lambda p: p.name)
def test_an_image_that_ends_every_worker_is_named_and_all_others_are_known_to_the_next_run(
    tiny_net: nn.Module, data: ImageSet, plan: Protocol, tmp_path: Path
) -> None:
    request = asked(data, plan, journal=tmp_path / "journal.sqlite")
    fake = Fake(2, lambda _: Faults(dies_over=frozenset({POISON})))
    with (
        pytest.raises(SetAside, match=f"set aside.*{data.ids[POISON]!r}.*process was killed") as e,
        begun(tiny_net, request, executor=fake) as run,
    ):
        run.attack()
    assert fake.transport.n_dead == 3
    assert POISON in e.value.ids
    assert len(e.value.ids) <= 2
    wanted = outcome(tiny_net, asked(data, plan), None)
    with begun(tiny_net, request, executor=Fake(2)) as run:
        for i, verdict in enumerate(run.verdicts):
            assert verdict == ("open" if i in e.value.ids else wanted[0][i])  # type: ignore[index]
        n_taken = run.ledger.n_taken
        run.attack()
        assert 0 < run.ledger.n_taken - n_taken <= len(e.value.ids) * len(plan.stages)
        assert run.verdicts == wanted[0]


def test_an_image_that_is_set_aside_does_not_keep_a_drawn_order_from_being_attacked(
    tiny_net: nn.Module, data: ImageSet, tmp_path: Path
) -> None:
    request = asked(data, TWO, journal=tmp_path / "journal.sqlite")
    for schedule in (Anytime(1, n_at_once=6), Anytime(0, n_at_once=6)):
        fake = Fake(2, lambda _: Faults(dies_over=frozenset({POISON})))
        with (
            pytest.raises(SetAside, match=repr(data.ids[POISON])),
            begun(tiny_net, replace(request, fresh=True), executor=fake) as run,
        ):
            run.attack(schedule)
    with begun(tiny_net, request, executor=None) as run:
        assert run.verdicts.count("open") <= 2
        run.attack()
        assert run.verdicts == outcome(tiny_net, asked(data, TWO), None)[0]


def test_several_images_that_end_workers_are_all_named(tiny_net: nn.Module, data: ImageSet) -> None:
    right = outcome(tiny_net, asked(data), None)[0]
    poison = [i for i, verdict in enumerate(right) if verdict != "clean"][::9]  # type: ignore[arg-type]
    fake = Fake(3, lambda _: Faults(dies_over=frozenset(poison)))
    with pytest.raises(SetAside) as e:
        outcome(tiny_net, asked(data), fake)
    assert set(poison) <= e.value.ids.keys()
    assert all(repr(data.ids[p]) in str(e.value) for p in poison)


def test_a_clean_pass_alone_is_spread_too(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    fake = Fake(3)
    report = evaluate(tiny_net, tiny_data, attack="clean", executor=fake)
    assert report.clean == evaluate(tiny_net, tiny_data, attack="clean").clean
    assert len(fake.packets) >= 3
