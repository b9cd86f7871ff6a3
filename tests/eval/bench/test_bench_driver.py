import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.bench.driver import BROKEN_EVERY, HEADER, Simulation, command, measure, pictures
from eval.bench.simulated import Simulated
from eval.errors import ReportError

RECORD = Path(__file__).parents[3] / "eval/bench_results/driver.csv"


def test_a_run_over_simulated_workers_is_whole() -> None:
    row = dict(zip(HEADER, measure(1000, 7), strict=True))
    assert (row["images"], row["workers"]) == (1000, 7)
    assert row["robust"] == 1000 - 1000 // BROKEN_EVERY
    assert 10 < float(str(row["bytes a verdict sent"])) < 200


def test_a_table_that_cannot_be_written_is_refused_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="does not exist: create it"):
        CliRunner().invoke(
            command, ["--out", str(tmp_path / "no" / "x.csv")], catch_exceptions=False
        )


def test_simulated_workers_are_a_workplace() -> None:
    images = pictures(200)
    place = Simulation(2, Simulated(images.labels, images.n_classes, lambda *_: False))
    with place as same:
        same.connect()
        assert same is place
    assert place.images(lambda: images) is images


def test_the_record_says_that_a_driver_takes_ten_thousand_verdicts_a_second() -> None:
    few, many = csv.DictReader(RECORD.read_text().splitlines())
    assert tuple(few) == HEADER
    assert (few["images"], many["images"]) == ("100000", "1000000")
    for row in (few, many):
        assert int(row["verdicts a second"]) > 10_000
        assert int(row["images"]) * 99 // 100 == int(row["robust"])
    assert int(many["bytes an image kept"]) < 400
