"""The clean accuracy on training images: measured beside training, which does not notice."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from eval.data import ImageSet
from zoo.cards import ModelCard
from zoo.train import validate
from zoo.train.data.feed import Feed, MemoryFeed, memory_feed
from zoo.train.distributed import Ranks
from zoo.train.loop import Training
from zoo.train.recipe import Recipe
from zoo.train.record.curves import draw
from zoo.train.record.events import EpochResult, Hooks
from zoo.train.record.progress import epoch_line

Make = Callable[..., Recipe]
MakeRun = Callable[..., Training]

LINE = 'aria-roledescription="line mark"'
ENTRY = EpochResult(1, 4, 2.0, 0.3, 0.05, 640.0, 0.6, 0.2, train_clean=0.7)


@pytest.mark.parametrize("held_out", [0, 20])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_it_is_that_of_the_averaged_weights_on_as_many_images_as_are_held_out(
    recipe: Make, make_run: MakeRun, held_out: int, ema: float
) -> None:
    run = make_run(recipe(epochs=2, ema_decay=ema, validation_images=held_out))
    assert isinstance(run.feed, MemoryFeed)
    positions = validate.sample(run.feed, run.held_out)
    assert len(positions) == (held_out or 60)
    x, y = run.feed.as_float(run.feed.images[positions]), run.feed.y[positions]
    told: list[tuple[float | None, float]] = []

    def measure(entry: EpochResult) -> None:
        model = run.stepper.averaged
        was_training = model.training
        with torch.no_grad():
            right = model.eval()(x).argmax(1) == y
        model.train(was_training)
        told.append((entry.train_clean, float(right.double().mean())))

    run.hooks = Hooks(on_epoch=measure)
    run.train()
    assert len(told) == 2
    assert all(measured == expected for measured, expected in told)


def test_training_is_bit_identical_without_it(
    recipe: Make, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe(shift_pixels=1, flip=True, validation_images=10)
    first = make_run(chosen).train()
    assert all(entry.train_clean is not None for entry in first.log)
    run = make_run(chosen)
    monkeypatch.setattr(run, "_train_clean", lambda: None)
    again = run.train()
    assert all(torch.equal(t, again.tensors[name]) for name, t in first.tensors.items())
    for one, other in zip(first.log, again.log, strict=True):
        speed = one.images_per_second
        assert replace(one, train_clean=None) == replace(other, images_per_second=speed)


def test_it_is_looked_at_when_held_out_images_are(recipe: Make, make_run: MakeRun) -> None:
    log = make_run(recipe(validation_images=10, validation_every=2)).train().log
    assert [entry.train_clean is None for entry in log] == [True, False, False]


def test_a_feed_that_is_not_in_memory_has_none(recipe: Make, make_run: MakeRun) -> None:
    class Files:
        def __init__(self, feed: Feed) -> None:
            self.batches, self.__len = feed.batches, len(feed)

        def __len__(self) -> int:
            return self.__len

    run = make_run(recipe(epochs=1))
    run.feed = Files(run.feed)
    assert run.train().log[0].train_clean is None


def test_the_images_are_the_same_each_time_all_different_and_at_most_a_thousand(
    tiny_card: ModelCard, pictures: ImageSet, recipe: Make
) -> None:
    memory = memory_feed(pictures, tiny_card, recipe(), torch.device("cpu"))
    many = replace(memory, images=memory.images.repeat(20, 1, 1, 1), y=memory.y.repeat(20))
    before = torch.get_rng_state()
    found = [validate.sample(many, None) for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one, other) for one, other in pairwise(found))
    assert len(set(found[0].tolist())) == 1000
    assert len(validate.sample(many, memory)) == 60


def test_it_stands_in_the_epochs_line() -> None:
    assert epoch_line(ENTRY, 5, None) == (
        "epoch   1/5  loss 2.000  train clean 70.0 % robust 30.0 %  held out clean 60.0 % robust"
        " 20.0 %  lr 0.0500  640 images/s"
    )
    assert "  train robust 30.0 %  " in epoch_line(replace(ENTRY, train_clean=None), 5, None)


def test_it_stands_in_the_curves() -> None:
    log = [ENTRY, replace(ENTRY, epoch=2)]
    picture = draw(log, "title")
    assert picture.count(LINE) == 5
    assert ">training, clean</text>" in picture
    old = draw([replace(entry, train_clean=None) for entry in log], "title")
    assert old.count(LINE) == 4
    assert "training, clean" not in old


class Half(Ranks):
    """One of two processes that keeps its sums to itself."""

    def total(self, values: torch.Tensor) -> torch.Tensor:
        return values


def test_processes_share_the_images(recipe: Make, make_run: MakeRun) -> None:
    run = make_run(recipe())
    assert isinstance(run.feed, MemoryFeed)
    whole, first, second = (
        validate.clean_accuracy(
            run.stepper.averaged, run.feed, torch.arange(59), run.recipe, ranks, batch_size=7
        )
        for ranks in (Ranks(), Half(0, 2), Half(1, 2))
    )
    assert 0 < whole == pytest.approx(first + second)
