"""Where every image can be made plain grey nothing stands, unless gradients are masked."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from eval import curve
from tests.eval.curves.conftest import Known, codes


class Masked(nn.Module):
    """Rounds its images, so that no gradient comes through."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.inner((x * 4).round() / 4)
        return logits


@pytest.fixture(scope="module")
def wide(linear: Callable[..., nn.Module]) -> Known:
    """On images of 768 values, which a random start cannot break by chance."""
    weight = torch.where(torch.arange(768).reshape(3, 16, 16) % 3 == 0, 1.0, -1.0)
    y = torch.arange(10) % 2
    x = (0.5 + 0.2 * (2 * y - 1)[:, None, None, None] * weight).float()
    bias = 0.5 * float(weight.sum())
    return Known(linear(weight, bias), weight, bias, x, y)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_masked_gradients_keep_the_curve_up_and_are_flagged(wide: Known, norm: str) -> None:
    masked = Masked(wide.model).eval()
    honest = curve(wide.model, wide.images, eps="1/255,8/255", norm=norm)
    found = curve(masked, wide.images, eps="1/255,8/255", norm=norm)
    assert "curve-stays-up" not in codes(honest)
    assert {"curve-stays-up", "zero-gradient"} <= codes(found)
    check = found.series[0].check
    assert check is not None
    assert check.standing == 10
    assert check.grey == 5  # grey is answered with one class, and half of the images are of another
    (flag,) = (one for one in found.series[0].flags if one.code == "curve-stays-up")
    assert flag.detail.startswith("10 of 10 images stand against pgd-20")
    assert "fools the model on 5 of them" in flag.detail


def test_along_steps_masked_gradients_are_found_by_the_check(wide: Known) -> None:
    found = curve(Masked(wide.model).eval(), wide.images, eps="1/255", steps="1,3")
    assert "curve-stays-up" in codes(found)
    assert "curve-stays-up" not in codes(curve(wide.model, wide.images, eps="1/255", steps="1,3"))


def test_without_the_check_only_a_curve_that_goes_there_can_stay_up(wide: Known) -> None:
    masked = Masked(wide.model).eval()
    short = curve(masked, wide.images, eps="1/255", check=False)
    assert short.series[0].check is None
    assert "curve-stays-up" not in codes(short)
    far = curve(masked, wide.images, eps="1/255,0.5", check=False)
    check = far.series[0].check
    assert check is not None
    assert (check.eps_text, check.attacked, check.forwards) == ("0.5", 10, 0)
    assert "curve-stays-up" in codes(far)
