import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from eval.errors import UsageError
from eval.report.duration import duration
from zoo.cards import ModelCard
from zoo.train.recipe import Recipe, check_recipe
from zoo.train.record.curves import draw
from zoo.train.record.events import EpochResult, FinishedRun
from zoo.train.record.progress import ProgressLine, epoch_line
from zoo.train.record.result import append_metrics, make_folder, save, source_revision
from zoo.train.start import Options, run_folder, set_aside


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
    outcome = FinishedRun({"w": torch.arange(3.0)}, LOG, chosen_epoch=3, is_complete=True)
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
        lines = root.findall(".//*[@aria-roledescription='line mark']")
        assert len(lines) == (4 if log is LOG else 2)
        texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"a & b", "training loss", "accuracy, %", "epoch", "training, robust"} <= texts
        assert ("held out, clean" in texts) == (log is LOG)


def test_the_picture_shows_the_numbers_of_the_log() -> None:
    root = ET.fromstring(draw(LOG, "title"))
    points = root.findall(".//*[@aria-roledescription='point']")
    said = [point.attrib["aria-label"] for point in points]
    assert said[:3] == [
        "epoch: 1; training loss: 2",
        "epoch: 2; training loss: 1",
        "epoch: 3; training loss: 0.666666666667",
    ]
    assert "epoch: 3; accuracy, %: 60; series: held out, clean" in said
    assert len(said) == 3 + 3 + 2 + 2


def test_the_same_log_gives_the_same_bytes_whatever_was_drawn_before() -> None:
    program = (
        "from tests.zoo.train.record.test_result import LOG\n"
        "from zoo.train.record.curves import draw\n"
        "print(draw(LOG, 'title'), end='')"
    )
    first = draw(LOG, "title")
    assert draw(LOG[:1], "other") != first
    assert draw(LOG, "title") == first
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode() == first
    assert " id=" not in first


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_run_that_diverged_has_its_picture_too(loss: float) -> None:
    log = [*LOG, replace(entry(4), loss=loss), replace(entry(5), train_robust=loss)]
    root = ET.fromstring(draw(log, "title"))
    assert len(root.findall(".//*[@aria-roledescription='point']")) == 4 + 4 + 2 + 2
    draw([replace(entry(1), loss=loss)], "title")
    draw([], "title")


def test_nothing_is_drawn_with_before_a_run_has_ended() -> None:
    program = (
        "import sys, zoo.train.loop, zoo.train.record.result; assert 'altair' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


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


def test_setting_aside_does_not_mind_who_makes_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    make_folder(folder)
    (folder / "file").write_text("")
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        moved = real(path, target)
        path.mkdir()  # another process is quicker
        return moved

    monkeypatch.setattr(Path, "rename", rename)
    set_aside(folder, lambda _: None)
    assert (tmp_path / "run.1" / "file").exists()
    assert folder.is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"`out` .*file/run cannot be made"):
        make_folder(tmp_path / "file" / "run")


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs git in a new repository, with nobody's settings."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    settings = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]

    def run(*args: str) -> str:
        command = ["git", *settings, "-C", str(tmp_path), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("init")
    return run


def test_the_revision_is_that_of_the_repository_which_tracks_the_source(
    tmp_path: Path, git: Callable[..., str]
) -> None:
    source = tmp_path / "zoo" / "result.py"
    source.parent.mkdir()
    source.write_text("")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert source_revision(source) == commit
    source.write_text("edited")
    assert source_revision(source) == f"{commit}+changes"


@pytest.mark.parametrize("ignored", [True, False])
def test_a_repository_around_the_environment_is_not_the_source(
    tmp_path: Path, git: Callable[..., str], ignored: bool
) -> None:
    (tmp_path / ".gitignore").write_text("venv\n" if ignored else "")
    git("add", ".")
    git("commit", "-m", "somebody's own project")
    installed = tmp_path / "venv" / "site-packages" / "result.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    assert source_revision(installed) is None


def test_there_is_no_revision_without_a_repository(tmp_path: Path) -> None:
    assert source_revision(tmp_path / "result.py") is None


def test_a_repeated_end_keeps_the_record_of_the_run(tmp_path: Path, chosen: Recipe) -> None:
    def record(created: str, *, weights: float = 1.0, whole: bool = True, model: str = "a") -> str:
        outcome = FinishedRun({"w": torch.full((2,), weights)}, LOG, 3, is_complete=whole)
        save(tmp_path, outcome, chosen, {"model": model, "created": created})
        found: str = json.loads((tmp_path / "run.json").read_text())["created"]
        return found

    assert record("first") == "first"
    before = (tmp_path / "run.json").read_bytes()
    assert record("again") == "first"
    assert record("again, as if it were shorter", whole=False) == "first"
    assert (tmp_path / "run.json").read_bytes() == before
    assert record("other weights", weights=2.0) == "other weights"
    assert record("other model", weights=2.0, model="b") == "other model"
    assert record("ended early", weights=3.0, whole=False) == "ended early"
    assert record("to the end", weights=3.0) == "to the end"
    for text in ("half of it {", "[]"):
        (tmp_path / "run.json").write_text(text)
        assert record("after damage", weights=3.0) == "after damage"


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


def test_the_time_left_is_unknown_before_there_is_a_pace() -> None:
    clock = iter([0.0, 100.0, 130.0])
    progress = ProgressLine(3, lambda _: None, clock=lambda: next(clock))
    assert progress.left_s() is None
    progress.on_step(50, 100, 1.0, 1.0)  # a resumed run: the first 50 steps were not its own
    assert progress.left_s() is None
    progress._step = 60
    assert progress.left_s() == pytest.approx(120.0)


def test_without_a_terminal_a_line_comes_every_30_seconds_and_not_before() -> None:
    now, said = [0.0], list[str]()
    progress = ProgressLine(3, lambda _: None, said.append, clock=lambda: now[0])
    for step, now[0] in enumerate((0.0, 10.0, 29.0, 31.0, 40.0, 62.0), start=1):
        progress.on_step(step, 100, 2.5, 130.0)
    assert said == [
        "step 4/100  loss 2.500  130 images/s  16 min 32 s left",
        "step 6/100  loss 2.500  130 images/s  19 min 26 s left",
    ]
    progress.on_epoch(LOG[0])  # whose line says where it stands
    now[0] = 91.0
    progress.on_step(7, 100, 2.5, 130.0)
    assert len(said) == 2


def test_of_a_link_to_a_run_its_folder_is_set_aside(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "model.safetensors").touch()
    link.symlink_to(real)
    set_aside(link, lambda _: None)
    assert (tmp_path / "real.1" / "model.safetensors").exists()
    assert list(link.iterdir()) == []
    assert link.is_symlink()


@pytest.mark.parametrize("kind", ["device", "fifo"])
def test_a_run_folder_is_never_what_is_no_folder(
    tmp_path: Path, tiny_card: ModelCard, kind: str
) -> None:
    path = Path("/dev/full")
    if kind == "fifo":
        path = tmp_path / "fifo"
        os.mkfifo(path)
    with pytest.raises(UsageError, match="is a file: name a folder"):
        run_folder(tiny_card, Options(out=path))
