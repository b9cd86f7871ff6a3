import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.errors import UsageError
from eval.threat import Threat


def images(seed: int, n: int = 4) -> torch.Tensor:
    return torch.rand(n, 3, 5, 5, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 1000), norm=st.sampled_from(["Linf", "L2"]), size=st.floats(0.01, 3))
def test_projection_lands_in_the_ball_and_keeps_what_is_inside(
    seed: int, norm: str, size: float
) -> None:
    threat = Threat(norm, "1/10")
    x = images(seed)
    inside = threat.project(x + size * (images(seed + 1) - 0.5), x)
    assert threat.contains(inside, x).all()
    torch.testing.assert_close(threat.project(inside, x), inside, atol=1e-6, rtol=0)


def test_linf_projection_is_the_nearest_point_of_both_boxes() -> None:
    x = torch.tensor([0.0, 0.5, 0.95]).view(1, 1, 1, 3)
    wild = torch.tensor([-1.0, 0.9, 1.4]).view(1, 1, 1, 3)
    wanted = torch.tensor([0.0, 0.6, 1.0]).view(1, 1, 1, 3)
    torch.testing.assert_close(Threat("Linf", "1/10").project(wild, x), wanted)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1.5, -0.5])
def test_contains_refuses_what_is_not_an_image(bad: float) -> None:
    x = images(0, n=2)
    x_adv = x.clone()
    x_adv[1, 0, 0, 0] = bad
    assert Threat("Linf", "1").contains(x_adv, x).tolist() == [True, False]


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_contains_draws_the_line_at_eps(norm: str) -> None:
    x = torch.full((2, 1, 1, 1), 0.5)
    x_adv = x + torch.tensor([0.1 + 5e-7, 0.1 + 5e-6]).view(2, 1, 1, 1)
    assert Threat(norm, "1/10").contains(x_adv, x).tolist() == [True, False]


def test_eps_stays_an_exact_fraction_and_norm_ignores_case() -> None:
    threat = Threat("linf", "8 / 255")
    assert (threat.norm, threat.eps_text, threat.eps) == ("Linf", "8/255", 8 / 255)


@pytest.mark.parametrize(
    ("norm", "eps", "message"),
    [
        ("Linf", "0", "eps '0' is not positive: write for example `eps='8/255'`"),
        ("Linf", "-8/255", "eps '-8/255' is not positive"),
        ("Linf", "8", r"eps '8' is above 1, the whole pixel range; did you mean 8/255\?"),
        ("Linf", "1.5", "eps '1.5' is above 1, the whole pixel range: use a fraction of it"),
        ("Linf", "8/0", "eps '8/0' is not a number: write a fraction, 8/255"),
        ("L2", "big", "eps 'big' is not a number"),
        ("L2", "nan", "eps 'nan' is not a number"),
        ("L3", "1/2", "unknown norm 'L3': did you mean L2"),
    ],
)
def test_a_threat_that_cannot_be_is_refused(norm: str, eps: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Threat(norm, eps)


def test_l2_radii_may_exceed_one() -> None:
    assert Threat("L2", "3").eps == 3.0
