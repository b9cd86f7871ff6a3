"""What whole runs by workers take beside one process: shares of the same repeat."""

from __future__ import annotations

import pytest

from eval.bench.spread import HEADER, Rival, rivals
from eval.cpus import usable_cpus


def test_a_contender_is_a_share_of_the_one_process_of_the_same_repeat() -> None:
    alone = Rival("one process", 0, 2, [0.0] * 3, [1.0] * 3, [10.0, 20.0, 40.0], [100] * 3)
    alone.verdicts = [("robust", "apgd-ce")] * 3
    mine = Rival("two", 2, 1, [5.0, 6.0, 7.0], [2.0] * 3, [9.0, 22.0, 38.0], [110, 100, 100])
    mine.verdicts = [("robust", "apgd-ce"), ("robust", "robust"), ("robust", "apgd-ce")]
    row = dict(zip(HEADER[4:], mine.row(alone), strict=True))
    assert row["contender"] == "two"
    assert row["repeats"] == 3
    assert float(row["connect s"]) == 6.0
    assert float(row["attack, share of one process"]) == pytest.approx(0.95)
    assert row["least and most share"] == "0.900 to 1.100"
    assert float(row["passes, share of one process"]) == 1.0
    assert row["other verdicts"] == 1, "of the worst repeat"


def test_contenders_use_the_same_cores() -> None:
    found = rivals()
    assert found[0].workers == 0
    assert all(max(one.workers, 1) * one.threads == usable_cpus() for one in found)
