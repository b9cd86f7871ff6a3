import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from eval.errors import UsageError
from zoo.train.curves import draw
from zoo.train.events import EpochResult, Outcome
from zoo.train.progress import Progress, duration, epoch_line
from zoo.train.recipe import Recipe, check_recipe
from zoo.train.result import append_metrics, make_folder, save, source_revision
from zoo.train.start import set_aside


def entry(epoch: int, robust: float | None = None) -> EpochResult:
    clean = None if robust is None else 2 * robust
    return EpochResult(epoch, 10 * epoch, 2.0 / epoch, 0.1 * epoch, 0.05, 640.0, clean, robust)


LOG = [entry(1, 0.2), entry(2), entry(3, 0.3)]


@pytest.fixture
def chosen() -> Recipe:
    fields = {"epochs": 3, "batch_size": 4, "lr": 0.1, "weight_decay": 0, "attack_steps": 1}
    return check_recipe(fields | {"attack_eps": "8/255", "attack_step_size": "eps"}, "test")


def test_the_folder_holds_what_it_takes_to_publish_and_to_repeat(
    tmp_path: Path, chosen: Recipe
) -> None:
    outcome = Outcome({"w": torch.arange(3.0)}, LOG, chosen_epoch=3, is_complete=True)
    path, sha256 = save(tmp_path, outcome, chosen, {"model": "tiny", "command": "sat-zoo train"})
    assert torch.equal(load_file(path)["w"], torch.arange(3.0))
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["weights_sha256"] == sha256
    assert about["chosen"]["valid_robust"] == 0.3
    assert {"torch", "timm", "sat-zoo", "threads"} <= set(about["versions"])
    fields = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    assert check_recipe(fields, "written") == chosen
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_a_resumed_run_drops_the_lines_it_writes_again(tmp_path: Path) -> None:
    for one in (entry(1), entry(2), entry(3), entry(2, 0.25)):
        append_metrics(tmp_path, one)
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(x["epoch"], x["valid_robust"]) for x in lines] == [(1, None), (2, 0.25)]


def test_the_picture_is_well_formed_and_has_a_line_for_each_series() -> None:
    for log in (LOG, [entry(1)], [entry(1), entry(2)]):
        root = ET.fromstring(draw(log, "a & b"))
        lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
        assert len(lines) == (4 if log is LOG else 2)


def test_an_earlier_run_is_set_aside_and_never_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    told: list[str] = []
    for number in (1, 2):
        make_folder(folder)
        (folder / "file").write_text(str(number))
        set_aside(folder, told.append)
    assert [(tmp_path / f"run.{n}" / "file").read_text() for n in (1, 2)] == ["1", "2"]
    assert list(folder.iterdir()) == []
    set_aside(folder, told.append)
    assert len(told) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--out .*file/run cannot be made"):
        make_folder(tmp_path / "file" / "run")


def test_the_revision_is_a_commit_or_nothing() -> None:
    found = source_revision()
    assert found is None or len(found.removesuffix("+changes")) == 40


def test_times_are_written_for_people() -> None:
    assert [duration(s) for s in (0.4, 59, 185, 7_800)] == [
        "0 s",
        "59 s",
        "3 min 05 s",
        "2 h 10 min",
    ]


def test_the_line_of_an_epoch_has_accuracies_rate_and_time_left() -> None:
    assert epoch_line(LOG[2], 5, 61.0) == (
        "epoch   3/5  loss 0.667  train robust 30.0 %  held out clean 60.0 % robust 30.0 %"
        "  lr 0.0500  640 images/s  1 min 01 s left"
    )
    assert "held out" not in epoch_line(LOG[1], 5, None)


def test_the_time_left_is_unknown_before_there_is_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, 130.0])
    monkeypatch.setattr("zoo.train.progress.time.monotonic", lambda: next(clock))
    progress = Progress(3, lambda _: None)
    assert progress.left_s() is None
    progress.on_step(50, 100, 1.0, 1.0)  # a resumed run: the first 50 steps were not its own
    assert progress.left_s() is None
    progress._step = 60
    assert progress.left_s() == pytest.approx(120.0)
