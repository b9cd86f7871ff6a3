import csv
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from eval.bench.batches import HEADER, command, rows
from eval.errors import ReportError, SatZooError

SMALL = ["--factory", "timm:create_model", "--model", "resnet10t", "--size", "16"]
ONCE = [*SMALL, "--rows", "2", "--rows", "17", "--repeats", "1"]


def test_each_number_of_rows_is_a_row_of_the_table_and_files_grow(tmp_path: Path) -> None:
    out = tmp_path / "batches.csv"
    for _ in range(2):
        done = CliRunner().invoke(command, [*ONCE, "--out", str(out)])
        assert done.exit_code == 0, done.output
    header, *table = csv.reader(out.read_text().splitlines())
    assert tuple(header) == HEADER
    assert [row[HEADER.index("rows")] for row in table] == ["2", "16", "17"] * 2
    assert all(row[0] == "resnet10t" and row[2] for row in table)


def test_one_thread_leaves_pointwise_convolutions_of_few_rows_to_torch_unless_we_do() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Flatten(), nn.LazyLinear(5))
    model(torch.rand(1, 3, 16, 16))
    assert torch.get_num_threads() == 1
    table = rows(model.eval().requires_grad_(False), 16, (15, 16), 1)
    if torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}:
        assert [(row[1], row[4]) for row in table] == [("1 of 2", "2 of 2"), ("2 of 2", "2 of 2")]
    assert [len(row) for row in table] == [9, 9]
    assert table[1][7:] == ["", ""]  # a full batch needs no padding


def test_a_model_without_a_copy_is_refused() -> None:
    class Singular(nn.Module):
        def __deepcopy__(self, memo: dict[int, object]) -> "Singular":
            raise TypeError("there is only one")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, :5]

    with pytest.raises(SatZooError, match=r"no fast copy of the model: .*there is only one"):
        rows(Singular().eval(), 8, (2,), 1)


def test_a_table_that_cannot_be_written_is_refused_before_the_first_pass(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="does not exist: create it"):
        CliRunner().invoke(
            command, [*SMALL, "--out", str(tmp_path / "no" / "x.csv")], catch_exceptions=False
        )
