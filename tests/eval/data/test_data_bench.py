import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.data import bench
from eval.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, png, write) -> Path:
    write(tmp_path, {f"c{k % 2}/{k:02d}.png": png(k, 8, 8) for k in range(40)})
    return tmp_path


def run(*args: str) -> str:
    done = CliRunner().invoke(bench.command, args, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_pipeline_and_model_stand_in_one_table(folder: Path) -> None:
    out = run(
        "--data", "folder", "--data-dir", str(folder), "--decoders", "0", "--decoders", "2",
        "--factory", "torch.nn:Flatten", "--batch-size", "4", "--repeats", "1",
    )  # fmt: skip
    rows = out.splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [
        "pipeline, 0 decoders",
        "pipeline, 2 decoders",
        "model, forward",
        "model, forward + gradient",
    ]
    assert [row.split("|")[2].strip() for row in rows] == ["40", "40", "4", "4"]
    assert all(re.search(r"\| [\d,.]+ \| ([\d,]+|unknown) \|$", row) for row in rows)


def test_a_preprocessing_is_named_like_a_factory(folder: Path) -> None:
    data = ("--data", "folder", "--data-dir", str(folder), "--decoders", "0", "--n", "3")
    options = ("--preprocess-option", "kind=resnet-opencv", "--preprocess-option", "size=16")
    out = run(*data, "--preprocess", "zoo.preprocess:Pipeline", *options)
    assert "| 3 |" in out
    with pytest.raises(UsageError, match=r"--preprocess 'zoo\.nothing:x' cannot be found"):
        run(*data, "--preprocess", "zoo.nothing:x")


def test_memory_that_the_system_does_not_tell_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_memory", lambda: None)
    with bench._peak() as peak:
        pass
    assert peak() is None
    assert bench.table([bench.Row("x", 2, 0.5, None)]).endswith("| x | 2 | 4.0 | unknown |")
