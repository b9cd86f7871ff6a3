"""A curve that was stopped goes on from the journals of its points."""

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval import curve
from eval.curves.curve import Curve
from eval.data import ImageSet
from tests.eval.curves.conftest import counts


@pytest.mark.parametrize("n_calls", [3, 40, 75])
def test_a_curve_that_was_stopped_goes_on_to_the_same_curve(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, n_calls: int
) -> None:
    left, said = [n_calls], list[str]()

    def stop(_: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    def measured(**words: Any) -> Curve:
        return curve(
            tiny_net,
            tiny_data,
            eps="2/255,4/255,6/255",
            attack="pgd-6",
            batch_size=4,
            journal=tmp_path / "j",
            on_message=said.append,
            **words,
        )

    with pytest.raises(KeyboardInterrupt):
        measured(on_progress=stop)
    assert said[-1].endswith("the same command goes on from there")
    resumed = measured()
    whole = curve(tiny_net, tiny_data, eps="2/255,4/255,6/255", attack="pgd-6", batch_size=4)
    assert resumed.series[0].fell == whole.series[0].fell
    assert counts(resumed) == counts(whole)
    again = measured()
    assert again.series[0].fell == whole.series[0].fell
    assert said[-1].startswith("all verdicts of 4 points were known")
    assert again.series[0].seconds > resumed.series[0].seconds / 2
