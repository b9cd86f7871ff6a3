"""Losses and weights that are no longer finite end a run and are never saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.optim import Optimizer

from eval.errors import SatZooError
from zoo.train.loop import Training
from zoo.train.recipe import Recipe
from zoo.train.record import checkpoint

Make = Callable[..., Recipe]
MakeRun = Callable[..., Training]


def test_a_loss_that_is_not_finite_names_step_rate_and_checkpoint(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    wild = recipe(lr=1e30, schedule="constant")
    with pytest.raises(SatZooError, match=r"not finite at step \d of 12, at a learning rate of 1e"):
        make_run(wild).train()
    with pytest.raises(SatZooError, match="there is no checkpoint yet; lower lr in the recipe"):
        make_run(wild, folder=tmp_path / "none").train()
    with pytest.raises(SatZooError, match=r"the last good checkpoint is .*step-00000001"):
        make_run(wild, folder=tmp_path, minutes=1e-9).train()
    assert is_finite_on_disk(tmp_path)


def break_weights(run: Training, at_step: int) -> None:
    """Let the update of `at_step` make a weight infinite, though that step's loss is finite."""
    steps = iter(range(1, 1000))

    def after(optimizer: Optimizer, *_: Any) -> None:
        if next(steps) == at_step:
            optimizer.param_groups[0]["params"][0].data.view(-1)[0] = float("inf")

    run.stepper.optimizer.register_step_post_hook(after)


def is_finite_on_disk(folder: Path) -> bool:
    path = checkpoint.latest(folder)
    assert path is not None
    tensors = checkpoint.read(path).tensors.values()
    return all(bool(tensor.isfinite().all()) for tensor in tensors if tensor.is_floating_point())


@pytest.mark.parametrize("more", [{}, {"ema_decay": 0.9}], ids=["plain", "averaged"])
def test_weights_that_an_update_made_infinite_are_never_saved(
    recipe: Make, make_run: MakeRun, tmp_path: Path, more: dict[str, Any]
) -> None:
    run = make_run(recipe(**more), folder=tmp_path, minutes=1e-9)
    break_weights(run, at_step=3)
    with pytest.raises(
        SatZooError,
        match=r"a weight was not finite at step 3 of 12, at a learning rate of 0.0\d+; the last"
        r" good checkpoint is .*step-00000002; lower lr in the recipe",
    ):
        run.train()
    assert is_finite_on_disk(tmp_path)


def test_a_last_update_that_breaks_the_weights_makes_no_result(
    recipe: Make, make_run: MakeRun
) -> None:
    run = make_run(recipe(validation_images=20))
    break_weights(run, at_step=run.n_steps)
    with pytest.raises(SatZooError, match="a weight was not finite at step 9 of 9"):
        run.train()
