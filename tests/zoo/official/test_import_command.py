import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from eval.errors import UsageError, WeightsMismatch
from tests.driveserver import DriveServer
from zoo.cards import ModelCard
from zoo.cli import import_
from zoo.official import convert
from zoo.weights.store import Store

Variables = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def variables(
    resnet_card: ModelCard,
    make_variables: Callable[..., Variables],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Variables:
    monkeypatch.setattr(convert, "find_card", lambda name: resnet_card)
    monkeypatch.setattr(import_, "card", lambda name: resnet_card)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    return make_variables(resnet_card)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(import_.command, ["small-resnet", *map(str, arguments)])


def test_an_import_says_where_the_weights_lie_and_what_was_done(
    tmp_path: Path, write_bundle: Callable[..., Path], variables: Variables
) -> None:
    variables["global_step"] = np.array(1, "int64")
    result = run("--checkpoint", write_bundle(tmp_path / "x", variables))
    assert result.exit_code == 0
    stored = Store(tmp_path / "home" / "store").find("small-resnet")
    assert stored
    for text in (str(stored.path), stored.sha256, "267 used; skipped: 1 global_step", "BGR in"):
        assert text in result.stdout


def test_the_store_and_the_conversion_can_be_chosen(
    tmp_path: Path, write_bundle: Callable[..., Path], variables: Variables
) -> None:
    averages = {f"{name}/ExponentialMovingAverage": array for name, array in variables.items()}
    prefix = write_bundle(tmp_path / "x", averages)
    other = tmp_path / "other"
    result = run("--checkpoint", prefix, "--to-store", other, "--ema", "--channel-order", "RGB")
    assert result.exit_code == 0
    assert "moving averages" in result.stdout
    stored = Store(other).find("small-resnet")
    assert stored
    assert stored.provenance["channel_order"] == {"checkpoint": "RGB", "stored": "RGB"}


def test_a_download_is_imported_also_over_what_is_there(
    tmp_path: Path, write_bundle: Callable[..., Path], variables: Variables, drive: DriveServer
) -> None:
    prefix = write_bundle(tmp_path / "x", variables)
    drive.files["id-of-index"] = Path(f"{prefix}.index").read_bytes()
    drive.files["id-of-data"] = Path(f"{prefix}.data-00000-of-00001").read_bytes()
    assert run("--download").exit_code == 0
    assert (tmp_path / "home" / "downloads" / "small.index").is_file()
    n_asked = len(drive.requests)
    result = run("--download", "--channel-order", "RGB")
    assert result.exit_code == 0
    assert "RGB in the checkpoint" in result.stdout
    assert len(drive.requests) == n_asked


def test_files_that_are_not_those_of_before_are_told(
    tmp_path: Path, write_bundle: Callable[..., Path], variables: Variables
) -> None:
    assert run("--checkpoint", write_bundle(tmp_path / "x", variables)).exit_code == 0
    variables["linear/b"] = variables["linear/b"] + 1
    result = run("--checkpoint", write_bundle(tmp_path / "x", variables))
    assert "small-resnet: NOT as before: x.index has sha256" in result.stderr


def test_two_of_three_files_are_told(
    tmp_path: Path, write_bundle: Callable[..., Path], variables: Variables
) -> None:
    prefix = write_bundle(tmp_path / "x", variables)
    Path(f"{prefix}.meta").touch()
    Path(f"{prefix}.data-00000-of-00001").unlink()
    error = run("--checkpoint", prefix).exception
    assert isinstance(error, WeightsMismatch)
    assert "is missing: it must lie beside the index, and there are only x.index, x.meta" in str(
        error
    )


@pytest.mark.parametrize("arguments", [[], ["--download", "--checkpoint", "x"]])
@pytest.mark.usefixtures("variables")
def test_exactly_one_source_must_be_named(arguments: list[str]) -> None:
    error = run(*arguments).exception
    assert isinstance(error, UsageError)
    assert "with --checkpoint PREFIX, or get it with --download" in str(error)


def test_a_refused_checkpoint_is_an_error_for_the_main_command(
    tmp_path: Path, write_bundle: Callable[..., Path], variables: Variables
) -> None:
    del variables["linear/W"]
    result = run("--checkpoint", write_bundle(tmp_path / "x", variables))
    assert isinstance(result.exception, WeightsMismatch)


def test_help_shows_examples_and_loads_no_torch() -> None:
    code = (
        "import sys; from zoo.cli.import_ import command;"
        "command(['--help'], standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "sat-zoo import resnet50-silu-sat --checkpoint" in shown


def test_pictures_settle_how_the_imported_checkpoint_must_be_read(
    tmp_path: Path,
    write_bundle: Callable[..., Path],
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, Path, Path]] = []

    def examine(name: str, *, checkpoint: Path, data_dir: Path, **_: object) -> None:
        assert Store(tmp_path / "home" / "store").find(name) is not None
        asked.append((name, checkpoint, data_dir))

    monkeypatch.setattr("zoo.cli.readings.examine_readings", examine)
    prefix = write_bundle(tmp_path / "x", variables)
    assert run("--checkpoint", prefix, "--data-dir", tmp_path).exit_code == 0
    assert asked == [("small-resnet", prefix, tmp_path)]


def test_the_findings_of_pictures_go_into_the_own_store_only(tmp_path: Path) -> None:
    result = run("--download", "--data-dir", tmp_path, "--to-store", tmp_path)
    assert isinstance(result.exception, UsageError)
    assert "records in the store of SAT_ZOO_HOME: leave out --to-store" in str(result.exception)
