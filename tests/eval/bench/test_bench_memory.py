import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from eval.bench.memory import HEADER, NoiseSource, command, noise_set, small_net
from eval.errors import ReportError, SatZooError

SMALL = ["--n", "12", "--size", "8", "--attack", "pgd-2"]


def test_a_noise_picture_is_a_function_of_its_row_alone() -> None:
    source = NoiseSource(8)
    whole = source.read(np.arange(5))
    pieces = np.concatenate(list(source.stream(np.arange(5), 2)))
    assert np.array_equal(whole, pieces)
    assert np.array_equal(source.read(np.array([3]))[0], whole[3])
    assert len(np.unique(whole[:, 0, 0, 0])) == 5


def test_the_network_is_right_on_every_noise_picture() -> None:
    model = small_net()
    batch = noise_set(model, 10, 8).batch(range(10))
    assert model(batch.x).argmax(1).equal(batch.y)


def test_each_number_of_images_is_a_row_of_the_table(tmp_path: Path) -> None:
    out = tmp_path / "memory.csv"
    done = CliRunner().invoke(command, [*SMALL, "--out", str(out)])
    assert done.exit_code == 0, done.output
    header, row = csv.reader(out.read_text().splitlines())
    assert tuple(header) == HEADER
    assert row[:3] == ["12", "pgd-2", "8"]
    assert 50 < int(row[3]) < 4000  # MiB
    assert done.stdout == out.read_text()


def test_a_table_that_cannot_be_written_is_refused_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="does not exist: create it"):
        CliRunner().invoke(
            command, [*SMALL, "--out", str(tmp_path / "no" / "x.csv")], catch_exceptions=False
        )


def test_a_run_that_fails_is_named_and_leaves_no_table(tmp_path: Path) -> None:
    out = tmp_path / "memory.csv"
    options = ["--n", "12", "--size", "8", "--attack", "no-attack", "--out", str(out)]
    with pytest.raises(SatZooError, match=r"the run with --n 12 .*no-attack.* exit code 2"):
        CliRunner().invoke(command, options, catch_exceptions=False)
    assert not out.exists()
