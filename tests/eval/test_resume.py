import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from eval import Report, evaluate, evaluation, protocol
from eval.data import ImageSet, from_tensors
from eval.engine import engine
from eval.errors import JournalError, UsageError
from eval.executors import judged
from eval.run import Progress

PGD = {"attack": "pgd-5", "eps": "1/20", "batch_size": 16, "last_iterate": True}
AUTOATTACK = {"attack": "autoattack", "eps": "1/30", "n": 12, "batch_size": 5}


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoAttack with all of its stages and few of its steps."""
    steps = {"apgd-ce": 12, "apgd-t": 8, "fab-t": 4, "square": 40}
    whole = protocol("autoattack")
    stages = [
        s.model_copy(update={"steps": steps[s.name], "targets": s.targets and 2})
        for s in whole.stages
    ]
    short = whole.model_copy(update={"stages": tuple(stages)})
    monkeypatch.setattr(evaluation, "protocol", lambda *_, **__: short)


def interrupt_after(n_calls: int) -> Callable[[Progress], None]:
    """Ctrl-C at the n-th sign of progress."""
    calls = iter(range(n_calls))

    def interrupt(_: Progress) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return interrupt


def evaluated_with_interruptions(
    net: nn.Module, data: ImageSet, moments: list[int], **options: Any
) -> Report:
    for n_calls in moments:
        try:
            return evaluate(net, data, on_progress=interrupt_after(n_calls), **options)
        except KeyboardInterrupt:
            pass
    return evaluate(net, data, **options)


def same_findings(one: Report, other: Report) -> bool:
    return (
        one.images == other.images
        and one.survive_8bit == other.survive_8bit
        and [s.last_iterate_accuracy for s in one.stages]
        == [s.last_iterate_accuracy for s in other.stages]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_interrupted_run_ends_like_an_undisturbed_one(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, seed: int, precision: str
) -> None:
    options = {**PGD, "precision": precision}
    moments = random.Random(seed).choices(range(5, 50), k=4)
    undisturbed = evaluate(tiny_net, tiny_data, **options)
    resumed = evaluated_with_interruptions(
        tiny_net, tiny_data, moments, journal=tmp_path / "j", **options
    )
    assert same_findings(resumed, undisturbed)
    assert resumed.stages[0].forwards >= undisturbed.stages[0].forwards
    assert resumed.stages[0].attacked == undisturbed.stages[0].attacked


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("engine_name", ["fast", "reference"])
def test_an_interrupted_autoattack_ends_like_an_undisturbed_one(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, engine_name: str
) -> None:
    # The reference draws a batch at a time, so its batches must be the same again.
    options = {**AUTOATTACK, "engine": engine_name, "precision": "fp32"}
    undisturbed = evaluate(tiny_net, tiny_data, **options)
    n_signs = 3 + sum(1 + stage.attacked for stage in undisturbed.stages)
    moments = random.Random(1).choices(range(6, n_signs), k=4)
    resumed = evaluated_with_interruptions(
        tiny_net, tiny_data, moments, journal=tmp_path / "j", **options
    )
    assert same_findings(resumed, undisturbed)


@pytest.mark.usefixtures("few_steps")
def test_the_reference_goes_on_with_the_batches_it_began_with(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    verified = judged.verify
    monkeypatch.setattr(
        judged,
        "verify",
        lambda model, x, *rest: sizes.append(len(x)) or verified(model, x, *rest),
    )
    options = {**AUTOATTACK, "engine": "reference", "journal": tmp_path / "j"}
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_net, tiny_data, on_progress=interrupt_after(6), **options)
    evaluate(tiny_net, tiny_data, **{**options, "batch_size": 9})
    # 9 images are right: a batch of 5, in which Ctrl-C fell, again whole, and the rest.
    assert sizes[:3] == [5, 5, 4]


def test_a_finished_journal_spares_the_attack_and_says_so(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    first = evaluate(tiny_net, tiny_data, journal=tmp_path / "j", on_message=said.append, **PGD)
    assert said == []

    def attacks(*_: object, **__: object) -> None:
        raise AssertionError("attacked again")

    monkeypatch.setattr("eval.attacks.pgd.PGD.step", attacks)
    again = evaluate(tiny_net, tiny_data, journal=tmp_path / "j", on_message=said.append, **PGD)
    assert same_findings(first, again)
    assert first.stages[0].model_copy(update={"seconds": 0}) == again.stages[0].model_copy(
        update={"seconds": 0}
    )
    assert said == [f"all 60 verdicts known from {tmp_path}/j (`fresh=True` attacks again)"]


def test_the_message_counts_wrong_broken_and_surviving_images(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    said: list[str] = []
    journal = tmp_path / "j"
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            tiny_net,
            tiny_data,
            journal=journal,
            on_progress=interrupt_after(4 + 1 + 20),  # clean batches, start, images
            on_message=said.append,
            **PGD,
        )
    assert said == [f"the verdicts so far are in {journal}: the same command goes on from there"]
    evaluate(tiny_net, tiny_data, journal=journal, on_message=said.append, **PGD)
    assert said[1:] == [f"resuming: {15 + 21} of 60 verdicts known from {journal}"]


def test_the_precision_that_auto_chose_is_kept(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for speedup in (9.0, 0.1):
        monkeypatch.setattr(engine, "bf16_speedup", lambda *_, s=speedup: s)
        report = evaluate(tiny_net, tiny_data, journal=tmp_path / "j", **PGD)
        assert report.engine.precision == "bf16"
    assert evaluate(tiny_net, tiny_data, **PGD).engine.precision == "fp32"


def test_a_run_that_goes_on_elsewhere_is_flagged(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**PGD, "journal": tmp_path / "j", "precision": "fp32"}
    monkeypatch.setattr("eval.begin.version", lambda _: "0.0.7")
    evaluate(tiny_net, tiny_data, **options)
    monkeypatch.undo()
    (flag,) = evaluate(tiny_net, tiny_data, **options).flags
    assert flag.code == "mixed-sessions"
    assert f"fp32 on cpu by sat-zoo 0.0.7, torch {torch.__version__}" in flag.detail


def test_other_pixels_under_the_same_ids_are_another_run(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    evaluate(tiny_net, tiny_data, journal=tmp_path / "j", **PGD)
    batch = tiny_data.batch(range(60))
    other = from_tensors(1 - batch.x, batch.y)
    with pytest.raises(JournalError, match=r"run \(pixels: .{12} there, .{12} here\): name"):
        evaluate(tiny_net, other, journal=tmp_path / "j", **PGD)


def test_other_weights_are_another_run(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    evaluate(tiny_net, tiny_data, journal=tmp_path / "j", **PGD)
    other = copy.deepcopy(tiny_net)
    next(other.parameters()).data.mul_(1.1)
    with pytest.raises(JournalError, match=r"run \(weights: .{12} there, .{12} here\): name"):
        evaluate(other, tiny_data, journal=tmp_path / "j", **PGD)
    evaluate(other, tiny_data, journal=tmp_path / "j", fresh=True, **PGD)


def test_the_clean_protocol_has_no_use_for_a_journal(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match="attack 'clean' attacks nothing, so there are no verdicts"
    ):
        evaluate(tiny_net, tiny_data, attack="clean", journal=tmp_path / "j")
    assert not (tmp_path / "j").exists()
