import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from eval.data import ImageSet
from eval.errors import UsageError
from zoo.cards import ModelCard
from zoo.train import loop
from zoo.train.data.feed import MemoryFeed
from zoo.train.loop import Training
from zoo.train.recipe import Recipe
from zoo.train.record import checkpoint
from zoo.train.record.checkpoint import CheckpointError
from zoo.train.record.events import EpochResult, FinishedRun, Hooks, Stopped
from zoo.train.state import result_tensors

Make = Callable[..., Recipe]
MakeRun = Callable[..., Training]

EVERYTHING: dict[str, Any] = {
    "ema_decay": 0.9,
    "ema_warmup": True,
    "shift_pixels": 1,
    "flip": True,
    "mixup_alpha": 0.5,
    "validation_images": 10,
    "attack_clean_start": 0.3,
    "warmup_epochs": 1,
    "randaugment_ops": 1,
    "accumulate": 2,
    "clip_grad_norm": 1.0,
    "awp_gamma": 0.005,
}
VARIANTS: list[dict[str, Any]] = [
    {},
    EVERYTHING,
    {"loss": "trades", "optimizer": "adamw", "schedule": "one-cycle", "channels_last": True},
    {"loss": "mart", "schedule": "step", "milestones": [1, 2], "gamma": 0.1},
    {
        "precision": "bf16",
        "schedule": "decay",
        "decay_epochs": 1,
        "gamma": 0.9,
        "attack_norm": "L2",
    },
    {
        "free_replays": 3,
        "attack_steps": 1,
        "attack_start": "image",
        "ema_decay": 0.9,
        "ema_warmup": True,
    },
]


def stop_after(n: int) -> Hooks:
    """Hooks that ask to stop at the n-th look."""
    looks = iter(range(n))
    return Hooks(should_stop=lambda: next(looks, None) is None)


def same(one: FinishedRun, other: FinishedRun) -> bool:
    return one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


@pytest.mark.parametrize("more", VARIANTS, ids=["plain", "all", "trades", "mart", "bf16", "free"])
def test_a_run_resumed_anywhere_ends_bit_identical(
    recipe: Make, make_run: MakeRun, tmp_path: Path, more: dict[str, Any]
) -> None:
    chosen = recipe(**more)
    undisturbed = make_run(chosen).train()
    for n in (1, 2, 4):  # inside an epoch, at the last step of one, inside the next
        with pytest.raises(Stopped, match=r"stopped at step \d+ of 1[12]; the checkpoint"):
            make_run(chosen, folder=tmp_path, hooks=stop_after(n)).train()
    resumed = make_run(chosen, folder=tmp_path).train()
    assert same(resumed, undisturbed)
    for before, after in zip(undisturbed.log, resumed.log, strict=True):
        assert replace(after, images_per_second=before.images_per_second) == before


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    recipe: Make, make_run: MakeRun
) -> None:
    first, again = make_run(recipe()).train(), make_run(recipe()).train()
    assert same(first, again)
    assert not same(first, make_run(recipe(seed=1)).train())


def test_training_learns_and_leaves_the_callers_random_stream_alone(
    recipe: Make, make_run: MakeRun
) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    log = make_run(recipe(epochs=12, attack_eps="1/50")).train().log
    assert torch.equal(torch.get_rng_state(), before)
    assert log[-1].loss < 0.8 * log[0].loss
    assert log[-1].train_robust > log[0].train_robust


def test_a_finished_run_is_not_trained_again(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    finished = make_run(recipe(), folder=tmp_path).train()
    again = make_run(recipe(), folder=tmp_path)
    assert again.position.step == 12
    assert same(again.train(), finished)


def test_a_limited_run_is_marked_and_goes_on_inside_its_epoch(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    limited = make_run(recipe(), folder=tmp_path, limit_steps=6).train()
    assert not limited.is_complete
    assert [entry.step for entry in limited.log] == [4, 6]
    whole = make_run(recipe(), folder=tmp_path).train()
    assert whole.is_complete
    assert same(whole, make_run(recipe()).train())


def test_a_full_disk_does_not_end_the_run_before_its_end(
    recipe: Make, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def full(folder: Path, found: checkpoint.Checkpoint, **_: object) -> Path:
        raise CheckpointError(f"step {found.step}: the disk is full")

    monkeypatch.setattr(checkpoint, "save", full)
    run = make_run(recipe(), folder=tmp_path, minutes=1e-9, hooks=Hooks(say=told.append))
    with pytest.raises(CheckpointError, match="step 12: the disk is full"):
        run.train()
    assert told[0] == (
        "step 1: the disk is full; training goes on without (this was the one every few minutes)"
    )


def test_held_out_images_choose_the_epoch_and_are_never_trained_on(
    recipe: Make, make_run: MakeRun, pictures: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([(0.5, 0.2), (0.6, 0.4), (0.7, 0.3)])
    monkeypatch.setattr(loop, "validate", lambda *args: next(scores))
    run = make_run(recipe(validation_images=20))
    assert (len(run.feed), len(run.held_out or [])) == (40, 20)
    kept: list[dict[str, torch.Tensor]] = []
    hooks = Hooks(on_epoch=lambda _: kept.append(result_tensors(run.stepper.averaged)))
    run.hooks = hooks
    outcome = run.train()
    assert outcome.chosen_epoch == 2
    assert torch.equal(outcome.tensors["fc.weight"], kept[1]["fc.weight"])
    assert [entry.valid_robust for entry in outcome.log] == [0.2, 0.4, 0.3]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"patience": 2}, "no better robust validation accuracy for 2 validations: stopping"),
        ({"overfitting_drop": 0.05}, "validation fell from 50.0 % (epoch 1) to 40.0 %; stop"),
    ],
)
def test_training_stops_where_the_held_out_images_say_so(
    recipe: Make,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    more: dict[str, Any],
    message: str,
) -> None:
    scores = iter([(0.5, 0.5), (0.6, 0.46), (0.7, 0.4), (0.7, 0.9)])
    monkeypatch.setattr(loop, "validate", lambda *args: next(scores))
    told: list[str] = []
    chosen = recipe(epochs=6, validation_images=10, **more)
    outcome = make_run(chosen, folder=tmp_path, hooks=Hooks(say=told.append)).train()
    assert (len(outcome.log), outcome.chosen_epoch) == (3, 1)
    assert message in told[-1]
    again = make_run(chosen, folder=tmp_path).train()
    assert len(again.log) == 3


def test_every_epoch_is_told_with_what_people_ask_for(recipe: Make, make_run: MakeRun) -> None:
    told: list[EpochResult] = []
    chosen = recipe(validation_images=10, validation_every=2)
    make_run(chosen, hooks=Hooks(on_epoch=told.append)).train()
    assert [entry.epoch for entry in told] == [1, 2, 3]
    assert [entry.valid_robust is None for entry in told] == [True, False, False]
    assert all(entry.images_per_second > 0 for entry in told)


def test_images_per_second_counts_the_wait_for_data_and_not_validation(
    recipe: Make, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now[0], monotonic=float))

    class Slow(MemoryFeed):
        def batches(self, *args: Any, **more: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for batch in super().batches(*args, **more):
                now[0] += 2.0
                yield batch

    def slow_validate(*_: Any) -> tuple[float, float]:
        now[0] += 100.0
        return 0.5, 0.5

    monkeypatch.setattr(loop, "validate", slow_validate)
    run = make_run(recipe(validation_images=20))
    assert isinstance(run.feed, MemoryFeed)
    run.feed = Slow(run.feed.images, run.feed.scale, run.feed.y, run.feed.recipe)
    told: list[float] = []
    run.hooks = Hooks(on_step=lambda _, __, ___, rate: told.append(rate))
    log = run.train().log
    assert [entry.images_per_second for entry in log] == [40 / 6] * 3  # three batches of 40 images
    assert told[0] == 16 / 2


def test_more_parts_than_images_are_refused(recipe: Make, make_run: MakeRun) -> None:
    with pytest.raises(UsageError, match="batch_size: 100 of 60 training images cannot be shared"):
        make_run(recipe(batch_size=100, accumulate=61))


def test_the_checkpoint_is_plain_data(recipe: Make, make_run: MakeRun, tmp_path: Path) -> None:
    make_run(recipe(optimizer="adamw"), folder=tmp_path).train()
    path = checkpoint.latest(tmp_path)
    assert path is not None
    state = json.loads((path / "state.json").read_text())
    assert state["model"] == "tiny-silu-sat"
    assert state["recipe"]["optimizer"] == "adamw"


def test_a_card_of_another_size_is_refused(
    recipe: Make, tiny_card: ModelCard, pictures: ImageSet
) -> None:
    from eval.errors import DataError
    from zoo.train.data.feed import memory_feed, split

    wide = tiny_card.model_copy(update={"input": tiny_card.input.model_copy(update={"size": 32})})
    with pytest.raises(DataError, match=r"shape \(1, 8, 8\), tiny-silu-sat takes \(1, 32, 32\)"):
        memory_feed(pictures, wide, recipe(), torch.device("cpu"))
    few = tiny_card.model_copy(update={"classes": 4})
    with pytest.raises(DataError, match="has the label 9, tiny-silu-sat has 4 classes"):
        memory_feed(pictures, few, recipe(), torch.device("cpu"))
    with pytest.raises(DataError, match="validation_images: 60 leaves nothing of the 60"):
        split(pictures, recipe(validation_images=60))


def test_held_out_images_do_not_depend_on_the_seed_and_are_balanced(
    recipe: Make, pictures: ImageSet
) -> None:
    from zoo.train.data.feed import split

    first = split(pictures, recipe(validation_images=20))
    other = split(pictures, recipe(validation_images=20, seed=7))
    assert first.validation is not None
    assert other.validation is not None
    assert first.validation.ids == other.validation.ids
    assert sorted(first.validation.labels.tolist()) == sorted(list(range(10)) * 2)
    assert not set(first.validation.ids) & set(first.training.ids)
