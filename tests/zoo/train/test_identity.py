"""A run goes on with what it was begun with, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from eval.errors import UsageError
from zoo.train.distributed import Ranks
from zoo.train.loop import Training
from zoo.train.recipe import Recipe
from zoo.train.record import checkpoint

Make = Callable[..., Recipe]
MakeRun = Callable[..., Training]


def test_a_changed_recipe_is_refused_with_the_difference(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(recipe(), folder=tmp_path).train()
    with pytest.raises(
        UsageError, match=r"begun otherwise \(lr: 0.05 -> 0.1; flip: False -> True\)"
    ):
        make_run(recipe(lr=0.1, flip=True), folder=tmp_path)
    with pytest.raises(UsageError, match="the training images"):
        make_run(recipe(), folder=tmp_path, data_sha256="other")


def test_another_data_set_with_the_same_ids_is_refused_with_both_names(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(recipe(), folder=tmp_path, data_name="cifar10").train()
    with pytest.raises(
        UsageError, match=r"begun otherwise \(data: cifar10 -> cifar10-jpeg\): undo"
    ):
        make_run(recipe(), folder=tmp_path, data_name="cifar10-jpeg")
    assert make_run(recipe(), folder=tmp_path, data_name="cifar10").position.step == 12


def test_a_checkpoint_from_before_names_and_clean_accuracies_is_resumed(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(recipe(), folder=tmp_path).train()
    path = checkpoint.latest(tmp_path)
    assert path is not None
    state = json.loads((path / "state.json").read_text())
    del state["data_name"], state["format"]
    for entry in state["log"]:
        del entry["train_clean"]
    (path / "state.json").write_text(json.dumps(state))
    (path / "sha256.json").unlink()
    again = make_run(recipe(), folder=tmp_path, data_name="cifar10")
    assert again.position.step == 12
    assert [entry.train_clean for entry in again.log] == [None, None, None]


class Apart(Ranks):
    """The first of two processes; the other one found nothing to go on with."""

    def gather(self, values: torch.Tensor) -> list[torch.Tensor]:
        return [values, torch.zeros_like(values)]


def test_processes_that_would_start_at_different_steps_are_refused(
    recipe: Make, make_run: MakeRun, tmp_path: Path
) -> None:
    assert make_run(recipe(), folder=tmp_path, ranks=Apart()).position.step == 0
    make_run(recipe(), folder=tmp_path, limit_steps=6).train()
    with pytest.raises(
        UsageError,
        match=r"process 0 goes on from step 6, process 1 from step 0: `out` must lie on a disk that"
        r" all nodes share$",
    ):
        make_run(recipe(), folder=tmp_path, ranks=Apart())
