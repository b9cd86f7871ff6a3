import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from eval.errors import ReportError
from eval.files.writing import write_atomically

DIGITS = "resnet8-silu-sat-digits"
SHORT = ("train", DIGITS, "--limit-steps", "2", "--device", "cpu")
Run = Callable[..., tuple[int, str, str]]


def test_a_short_run_leaves_a_folder_with_everything(sat_zoo: Run, tmp_path: Path) -> None:
    code, out, _ = sat_zoo(*SHORT, "--out", str(tmp_path / "run"))
    assert code == 0
    assert "training resnet8-silu-sat-digits on 1437 images of digits, for 40 epochs" in out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints",
        "curves.svg",
        "metrics.jsonl",
        "model.safetensors",
        "recipe.yaml",
        "run.json",
    ]
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert not about["is_complete"]
    data = about["data"]
    assert (data["asked"], data["name"], data["layout"]) == (
        "digits",
        "digits",
        "bundled with scikit-learn",
    )
    assert load_file(tmp_path / "run" / "model.safetensors")


def test_running_a_finished_run_again_changes_nothing(sat_zoo: Run, tmp_path: Path) -> None:
    brief = ("epochs=1", "warmup_epochs=0", "attack_steps=1")
    whole = [*SHORT[:2], *(part for one in brief for part in ("--set", one)), *SHORT[4:]]
    names = ["run.json", "metrics.jsonl", "recipe.yaml", "model.safetensors", "curves.svg"]

    def content() -> list[bytes]:
        return [(tmp_path / "run" / name).read_bytes() for name in names]

    assert sat_zoo(*whole, "--out", tmp_path / "run")[0] == 0
    before = content()
    assert json.loads(before[0])["is_complete"]
    code, out, _ = sat_zoo(*whole, "--minutes", "7", "--out", tmp_path / "run")
    assert (code, "going on from step" in out) == (0, True)
    assert content() == before


def test_a_full_disk_costs_a_line_of_the_log_and_not_the_run(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "metrics.jsonl" and not (tmp_path / "run" / "recipe.yaml").exists():
            raise ReportError(f"{path} cannot be written") from OSError(28, "No space left")
        write_atomically(path, content)

    monkeypatch.setattr("zoo.train.record.result.write_atomically", full)
    code, out, err = sat_zoo(*SHORT, "--out", str(tmp_path / "run"))
    assert (code, err) == (0, "")
    assert out.count("the log of epoch 1 cannot be written ([Errno 28] No space left)") == 1
    assert "training goes on, and metrics.jsonl is written whole at the end" in out
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1


def test_runs_lie_in_the_home_folder_unless_told_otherwise(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    assert sat_zoo(*SHORT)[0] == 0
    assert (tmp_path / "runs" / "resnet8-silu-sat-digits" / "run.json").is_file()
    code, out, _ = sat_zoo(*SHORT, "--fresh")
    assert code == 0
    assert "the earlier run is now in" in out
    assert (tmp_path / "runs" / "resnet8-silu-sat-digits.1" / "run.json").is_file()


def test_the_same_command_with_another_recipe_is_refused(sat_zoo: Run, tmp_path: Path) -> None:
    sat_zoo(*SHORT, "--out", str(tmp_path))
    code, _, err = sat_zoo(*SHORT, "--out", str(tmp_path), "--set", "lr=0.2")
    assert code == 2
    assert "was begun otherwise (lr: 0.1 -> 0.2): undo that to go on with it" in err


@pytest.mark.parametrize(
    ("name", "seed", "run", "measured_as"),
    [
        (DIGITS, 0, DIGITS, DIGITS),
        (f"{DIGITS}-seed-1", 1, f"{DIGITS}-seed-1", f"{DIGITS}-seed-1"),
        (DIGITS, 77, f"{DIGITS}-seed-77", DIGITS),
    ],
)
def test_each_seed_has_a_run_of_its_own(
    sat_zoo: Run, tmp_path: Path, name: str, seed: int, run: str, measured_as: str
) -> None:
    code, out, _ = sat_zoo("train", name, *SHORT[2:], "--seed", seed)
    folder = tmp_path / "home" / "runs" / run
    assert code == 0
    assert yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))["seed"] == seed
    assert json.loads((folder / "run.json").read_text("utf-8"))["model"] == run
    said = " ".join(out.split())
    assert f"measure them with: sat-zoo eval {measured_as} --weights {folder}" in said


def test_the_run_of_one_seed_is_not_that_of_another(sat_zoo: Run) -> None:
    code, _, err = sat_zoo("train", "resnet8-silu-sat-digits-seed-1", "--seed", "2")
    assert code == 2
    assert "--seed 2: resnet8-silu-sat-digits-seed-1 is the run of seed 1: name resnet8-silu" in err
    code, _, err = sat_zoo("train", "resnet8-silu-sat-digits-seed-1", "--set", "seed=2")
    assert code == 2
    assert "--set seed=2: resnet8-silu-sat-digits-seed-1 is the run of seed 1: train resn" in err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--set", "epoch=3"], 2, "unknown field of the recipe recipe.yaml 'epoch': did you mean"),
        (["--set", "loss_beta=6"], 2, "loss_beta: 6.0 goes with loss: trades or mart"),
        (["--set", "attack_eps=9"], 2, "eps '9' is above 1"),
        (["--set", "optimizer=sdg"], 2, "unknown optimizer of the recipe 'sdg': did you mean sgd"),
        (["--set", "color_jitter=0.4"], 2, "color_jitter: 0.4 is for picture files"),
        (["--set", "randaugment_ops=1"], 2, "randaugment_ops: 1 needs pixels of 0..255"),
        (["--bundle", "--set", "lr=1"], 2, "--bundle and --set lr=1 clash"),
        (["--bundle", "--limit-steps", "3"], 2, "--bundle and --limit-steps 3 clash"),
        (["--bundle", "--seed", "7"], 2, "clash, since there is no card resnet8-silu-sat-digits-s"),
        (["--seed", "1", "--set", "seed=2"], 2, "--seed 1 and --set seed clash: give one of them"),
        (["--minutes", "0"], 2, "--minutes 0 is not positive"),
        (["--device", "nonsense"], 2, "--device 'nonsense' cannot be used here"),
        (["--data", "cifar10", "--data-dir", "/absent"], 1, "--data-dir /absent does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_remedy(
    sat_zoo: Run, tmp_path: Path, args: list[str], code: int, message: str
) -> None:
    got, _, err = sat_zoo("train", "resnet8-silu-sat-digits", "--out", str(tmp_path / "r"), *args)
    assert got == code
    assert err.startswith("sat-zoo: ")
    assert message in err


def test_out_must_not_be_a_file(sat_zoo: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = sat_zoo(*SHORT, "--out", str(tmp_path / "file"))
    assert (code, "is a file: name a folder" in err) == (2, True)


def test_a_plan_needs_no_data(sat_zoo: Run) -> None:
    code, out, _ = sat_zoo("train", "resnet8-silu-sat-digits", "--plan", "--device", "cpu")
    assert code == 0
    assert "steps            920" in out


@pytest.mark.slow
def test_the_digits_recipe_re_creates_the_bundled_accuracy(sat_zoo: Run, tmp_path: Path) -> None:
    """Within the 95 % interval of its Report. The bytes are those of one processor and torch."""
    from eval.report.report import Report

    assert sat_zoo("train", "resnet8-silu-sat-digits", "--out", str(tmp_path))[0] == 0
    weights = tmp_path / "model.safetensors"
    report = tmp_path / "report.json"
    args = ["--weights", str(weights), "--attack", "pgd-50", "--out", str(report)]
    assert sat_zoo("eval", "resnet8-silu-sat-digits", *args)[0] == 0
    results = Path(__file__).resolve().parents[3] / "leaderboard" / "results"
    published = Report.read(results / "resnet8-silu-sat-digits.pgd-50.json")
    low, high = published.robust.ci95
    assert low <= Report.read(report).robust.accuracy <= high
