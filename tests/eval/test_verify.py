import torch
from torch import Tensor, nn

from eval.threat import Threat
from eval.verify import predict, verify


class Brightness(nn.Module):
    """Class 1 where the mean pixel is above one half."""

    def forward(self, x: Tensor) -> Tensor:
        score = x.flatten(1).mean(1) - 0.5
        return torch.stack([-score, score], 1)


def flat(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()


THREAT = Threat("Linf", "1/10")


def test_only_what_is_inside_finite_and_misclassified_is_broken() -> None:
    x = flat(0.45, 0.45, 0.45, 0.45, 0.95)
    x_adv = flat(0.52, 0.48, 0.56, float("nan"), 1.01)
    y = torch.tensor([0, 0, 0, 0, 0])
    assert verify(Brightness(), x, x_adv, y, THREAT).is_broken.tolist() == [
        True,  # inside and fooled
        False,  # inside, still right
        False,  # fooled, 0.11 away
        False,  # not a number
        False,  # fooled, outside the pixel range
    ]


def test_a_model_that_breaks_down_is_not_a_successful_attack() -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 2), torch.nan)

    x = flat(0.45)
    assert not verify(Breaks(), x, x, torch.tensor([0]), THREAT).is_broken.any()


def test_rounding_to_8_bits_can_lose_the_adversarial_image() -> None:
    class Dark(Brightness):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + (0.5 - 100.3 / 255))  # class 1 above level 100.3

    x = flat(99 / 255, 99 / 255)
    x_adv = flat(100.4 / 255, 101 / 255)  # stored as levels 100 and 101
    checked = verify(Dark(), x, x_adv, torch.tensor([0, 0]), THREAT)
    assert checked.is_broken.tolist() == [True, True]
    assert checked.is_broken_8bit.tolist() == [False, True]


def test_predictions_are_fp32_whatever_the_callers_autocast() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    x = torch.rand(2, 3, 2, 2)
    plain = predict(model, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(predict(model, x), plain)
