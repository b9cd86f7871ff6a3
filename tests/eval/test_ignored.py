"""What the other arguments leave nothing to do is refused, by the library too."""

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval.curves.measure import curve
from eval.data import ImageSet
from eval.errors import UsageError
from eval.evaluation import evaluate


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"engine": "reference", "precision": "bf16", "attack": "pgd-2"}, "use `engine='fast'`"),
        ({"engine": "reference", "precision": "bf16", "attack": "clean"}, "use `engine='fast'`"),
        ({"precision": "bf16", "attack": "clean"}, "attacks nothing, so there is no search"),
        ({"save_adversarial": Path("x"), "attack": "clean"}, "there are no adversarial images"),
        ({"journal": Path("x"), "attack": "clean"}, "there are no verdicts to keep"),
    ],
)
def test_an_argument_that_would_be_ignored_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate(tiny_net, tiny_data, **arguments)


def test_a_curve_refuses_bf16_of_the_reference_too(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(UsageError, match="use `engine='fast'`"):
        curve(tiny_net, tiny_data, eps="1/255:2/255", engine="reference", precision="bf16")


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_what_says_the_same_as_the_other_arguments_is_accepted(
    tiny_net: nn.Module, tiny_data: ImageSet, precision: Any
) -> None:
    report = evaluate(tiny_net, tiny_data, attack="clean", engine="reference", precision=precision)
    assert report.clean.correct == 45
