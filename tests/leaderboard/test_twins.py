"""What a smooth model gains over its ReLU twin, from the verdicts of the two."""

import pytest

from eval import Report
from leaderboard.boards import RESULTS, boards
from leaderboard.twins import twins


def test_the_gain_of_the_digits_pair_is_paired() -> None:
    gains = {gain.protocol: gain for gain in twins(boards()) if "digits" in gain.model}
    assert {(gain.model, gain.twin) for gain in gains.values()} == {
        ("resnet8-silu-sat-digits", "resnet8-relu-at-digits")
    }
    gain = gains["autoattack-standard@1"]
    reports = [Report.read(RESULTS / f"{name}.autoattack.json") for name in (gain.model, gain.twin)]
    ours, theirs = ([v == "robust" for v in report.images.verdicts] for report in reports)
    assert gain.only_model == sum(a and not b for a, b in zip(ours, theirs, strict=True))
    assert gain.difference == pytest.approx((sum(ours) - sum(theirs)) / 360)
    assert gain.low < gain.difference < gain.high
    assert set(gains) >= {"clean", "pgd-50"}
