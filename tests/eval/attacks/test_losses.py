import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.attacks import losses

Z = torch.tensor([[4.0, 1.0, 3.0, -2.0, 0.0], [0.0, 5.0, 1.0, 2.0, 3.0]])
Y = torch.tensor([0, 4])


def test_margin_is_the_best_wrong_logit_minus_the_right_one() -> None:
    assert losses.margin(Z, Y).tolist() == [-1.0, 2.0]


def test_dlr_is_equation_6_of_the_apgd_paper() -> None:
    torch.testing.assert_close(losses.dlr(Z, Y), torch.tensor([-1.0 / 3.0, 2.0 / 3.0]))


def test_targeted_dlr_is_equation_7_of_the_apgd_paper() -> None:
    got = losses.dlr_targeted(Z, Y, torch.tensor([1, 0]))
    wanted = torch.tensor([-(4 - 1) / (4 - (1 + 0) / 2), -(3 - 0) / (5 - (2 + 1) / 2)])
    torch.testing.assert_close(got, wanted)


@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_dlr_ignores_shift_and_scale_of_the_logits(scale: float, shift: float) -> None:
    torch.testing.assert_close(losses.dlr(Z * scale + shift, Y), losses.dlr(Z, Y))


def test_with_two_or_three_classes_both_ratios_stay_finite_and_keep_their_sign() -> None:
    for n in (2, 3):
        z, y = Z[:, :n], torch.tensor([0, 0])
        for value in (losses.dlr(z, y), losses.dlr_targeted(z, y, torch.tensor([1, 1]))):
            assert value.isfinite().all()
            assert value.sign().tolist() == [-1.0, 1.0]


def test_cross_entropy_of_even_logits_is_log_k() -> None:
    value = losses.cross_entropy(torch.zeros(1, 5), torch.tensor([2]))
    torch.testing.assert_close(value, torch.tensor([5.0]).log())
