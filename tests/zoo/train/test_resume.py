"""A run goes on from the newest checkpoint that it can have left itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval.files.writing import sha256_of
from zoo.train.loop import Training
from zoo.train.recipe import Recipe
from zoo.train.record.checkpoint import CheckpointError, DamagedCheckpoint, newest_first
from zoo.train.record.events import Hooks

Make = Callable[..., Recipe]
MakeRun = Callable[..., Training]
Tensors = dict[str, torch.Tensor]
MORE = {"optimizer": "adamw", "ema_decay": 0.9, "validation_images": 20}


@pytest.fixture
def begun(recipe: Make, make_run: MakeRun, tmp_path: Path) -> tuple[Callable[..., Training], Path]:
    """What goes on with a run that has left checkpoints of steps 5 and 6; and its folder."""
    for steps in (5, 6):
        make_run(recipe(**MORE), folder=tmp_path, limit_steps=steps).train()
    return lambda **more: make_run(recipe(**MORE), folder=tmp_path, **more), tmp_path


Begun = tuple[Callable[..., Training], Path]


def changed(
    path: Path,
    state: Callable[[dict[str, Any]], None] = lambda _: None,
    tensors: Callable[[Tensors], None] = lambda _: None,
    *,
    is_sealed: bool = True,
) -> None:
    """Change a checkpoint; its digests are made anew, or it is one from before there were any."""
    said, found = (
        json.loads((path / "state.json").read_text()),
        load_file(path / "tensors.safetensors"),
    )
    state(said)
    tensors(found)
    save_file(found, path / "tensors.safetensors")
    if not is_sealed:
        del said["format"]
        (path / "sha256.json").unlink()
    (path / "state.json").write_text(json.dumps(said))
    if is_sealed:
        names = ("state.json", "tensors.safetensors")
        digests = {name: sha256_of(path / name) for name in names}
        (path / "sha256.json").write_text(json.dumps(digests))


def test_a_damaged_checkpoint_is_passed_over_and_the_one_before_it_is_named(begun: Begun) -> None:
    again, folder = begun
    newest, before = newest_first(folder)
    content = bytearray((newest / "tensors.safetensors").read_bytes())
    content[-1] ^= 1
    (newest / "tensors.safetensors").write_bytes(content)
    told: list[str] = []
    run = again(hooks=Hooks(say=told.append))
    assert told == [
        f"passing over the checkpoint {newest}, which is damaged: tensors.safetensors is not what"
        " was written",
        f"going on from step 5 of {run.n_steps}, {before}",
    ]
    assert run.position.step == 5
    run.train()
    assert again().position.step == run.n_steps
    assert newest not in newest_first(folder)


def test_the_good_one_stays_until_another_is_written_after_it(begun: Begun) -> None:
    again, folder = begun
    newest, before = newest_first(folder)
    (newest / "state.json").write_text("{")
    run = again()
    run._save("now", must=True)  # of step 5, which is older than the damaged one
    assert [path.name for path in newest_first(folder)] == ["step-00000005.2", before.name]


def test_when_all_are_damaged_one_sentence_says_how(begun: Begun) -> None:
    again, folder = begun
    for path in newest_first(folder):
        (path / "state.json").write_text("{")
    with pytest.raises(
        CheckpointError,
        match=r"^no checkpoint in \S+ can be read \(step-00000006: state.json is not what was"
        r" written; step-00000005: state.json is .*\): start again with `fresh=True`$",
    ):
        again()


def test_a_run_that_was_damaged_ends_like_an_undisturbed_one(
    begun: Begun, recipe: Make, make_run: MakeRun
) -> None:
    again, folder = begun
    (newest_first(folder)[0] / "tensors.safetensors").write_bytes(b"x")
    mine, wanted = again().train(), make_run(recipe(**MORE)).train()
    assert mine.tensors.keys() == wanted.tensors.keys()
    assert all(torch.equal(mine.tensors[name], wanted.tensors[name]) for name in wanted.tensors)


def setting(place: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets, or with ... deletes, what lies at the place, such as "best.epoch"."""

    def change(state: dict[str, Any]) -> None:
        *way, last = place.split(".")
        inner: Any = state
        for key in way:
            inner = inner[int(key) if isinstance(inner, list) else key]
        if value is ...:
            del inner[last]
        else:
            inner[int(last) if isinstance(inner, list) else last] = value

    return change


STATES = [
    *[(name, ...) for name in ("epoch", "batch", "seconds", "best", "log", "optimizer")],
    *[(name, ...) for name in ("schedule", "model", "data", "recipe", "best.robust")],
    ("epoch", "2"), ("epoch", 0), ("epoch", True), ("batch", -1), ("batch", 1.5),
    ("seconds", None), ("seconds", -1.0), ("best", []), ("best.robust", 2.0), ("best.more", 1),
    ("best.epoch", -1), ("log", {}), ("log.0", {}), ("log.0.loss", "x"), ("log.0.more", 1),
    ("log.0.train_robust", 1.5), ("model", 3), ("data", None), ("more", 1),
    ("optimizer.state", {"x": {}}), ("optimizer.state", {"99999": {}}),
    ("optimizer.param_groups", []), ("optimizer.param_groups.0", {}),
    ("optimizer.param_groups.0.lr", "x"), ("optimizer.param_groups.0.params", [5]),
    ("optimizer.param_groups.0.betas", [0.9]), ("optimizer.param_groups.0.more", 1),
    ("schedule.last_epoch", 7), ("schedule.last_epoch", "6"), ("schedule._schedulers", []),
    ("schedule._schedulers.0", 3), ("schedule.step", 1), ("recipe", []), ("recipe", {}),
    ("recipe.lr", "fast"), ("recipe.more", 1),
]  # fmt: skip


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_state_that_no_run_has_left_is_passed_over(begun: Begun, is_sealed: bool) -> None:
    again, folder = begun
    newest, _ = newest_first(folder)
    files = {file: file.read_bytes() for file in newest.iterdir()}
    for place, value in STATES:
        for file, content in files.items():
            file.write_bytes(content)
        changed(newest, setting(place, value), is_sealed=is_sealed)
        told: list[str] = []
        assert again(hooks=Hooks(say=told.append)).position.step == 5, (place, value)
        assert told[0].startswith(f"passing over the checkpoint {newest}, which is damaged: ")
        assert told[0].isprintable()
        assert len(told[0]) < 600


def test_numbers_that_are_none_are_found(begun: Begun) -> None:
    again, folder = begun
    newest, _ = newest_first(folder)
    for text in ("NaN", "Infinity", "1e999", "-1e999", "1" * 400):
        said = json.loads((newest / "state.json").read_text())
        said["seconds"] = "HERE"
        (newest / "state.json").write_text(json.dumps(said).replace('"HERE"', text))
        (newest / "sha256.json").unlink(missing_ok=True)
        digests = {file.name: sha256_of(file) for file in newest.iterdir()}
        (newest / "sha256.json").write_text(json.dumps(digests))
        assert again().position.step == 5
        (newest / "state.json").write_text(json.dumps(said))


def put(name: str, value: torch.Tensor | None) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value

    return change


TENSORS = [
    ("model.net.fc.weight", None),
    ("model.net.fc.weight", torch.zeros(3)),
    ("model.net.fc.weight", torch.zeros(10, 16, dtype=torch.float64)),
    ("model.net.fc.bias", torch.full((10,), float("nan"))),
    ("ema.net.fc.bias", torch.full((10,), float("inf"))),
    ("ema.net.fc.bias", None),
    ("best.fc.bias", None),
    ("best.fc.bias", torch.full((10,), float("nan"))),
    ("best.more", torch.zeros(1)),
    ("model.more", torch.zeros(1)),
    ("more", torch.zeros(1)),
    ("optimizer.0.exp_avg", torch.zeros(1)),
    ("optimizer.99999.exp_avg", torch.zeros(1)),
    ("optimizer.x.exp_avg", torch.zeros(1)),
    ("optimizer.0.step", torch.zeros(7)),
    ("order", None),
    ("order", torch.zeros(40, dtype=torch.int64)),
    ("order", torch.arange(41)),
    ("order", torch.arange(40).float()),
    ("stream.0", torch.zeros(16, dtype=torch.uint8)),
    ("stream.0", torch.zeros(5056)),
    ("sums.0", torch.zeros(2, dtype=torch.float64)),
    ("sums.0", torch.zeros(3)),
]


@pytest.mark.parametrize("is_sealed", [True, False])
def test_tensors_that_are_not_of_the_run_are_passed_over(begun: Begun, is_sealed: bool) -> None:
    again, folder = begun
    newest, _ = newest_first(folder)
    files = {file: file.read_bytes() for file in newest.iterdir()}
    for name, value in TENSORS:
        for file, content in files.items():
            file.write_bytes(content)
        changed(newest, tensors=put(name, value), is_sealed=is_sealed)
        told: list[str] = []
        assert again(hooks=Hooks(say=told.append)).position.step == 5, (name, value)
        assert told[0].startswith(f"passing over the checkpoint {newest}, which is damaged: ")


def test_one_from_before_there_were_digests_is_read_and_said(begun: Begun) -> None:
    again, folder = begun
    newest, _ = newest_first(folder)
    changed(newest, is_sealed=False)
    told: list[str] = []
    assert again(hooks=Hooks(say=told.append)).position.step == 6
    said = f"{newest} is of an earlier version, without digests: only its form can be checked"
    assert told[0] == said
    nan = torch.full((4, 1, 3, 3), float("nan"))
    tensors = load_file(newest / "tensors.safetensors")
    (name,) = [n for n, t in tensors.items() if n.endswith("exp_avg") and t.shape == nan.shape]
    tensors[name] = nan
    save_file(tensors, newest / "tensors.safetensors")
    assert again().position.step == 5  # of those, all numbers must be finite


def test_a_checkpoint_under_the_name_of_another_step_is_found(begun: Begun) -> None:
    again, folder = begun
    newest, before = newest_first(folder)
    newest.rename(folder / "step-00000011")
    assert again().position.step == 5
    before.rename(folder / "step-00000010")
    with pytest.raises(CheckpointError, match=r"its name and state.json speak of different steps"):
        again()


def test_a_single_damaged_checkpoint_is_one_sentence(begun: Begun) -> None:
    again, folder = begun
    newest, before = newest_first(folder)
    before.rename(folder / "elsewhere")
    (newest / "sha256.json").write_text("{}")
    with pytest.raises(DamagedCheckpoint, match=r"cannot be read \(state.json is not what was"):
        again()
