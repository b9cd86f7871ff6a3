import torch
from torch import Tensor, nn

from eval.engine.cost import measure_cost, peak_bytes


def test_multiply_adds_are_those_of_the_formula() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(8 * 64, 5)
    ).eval()
    cost = measure_cost(net, torch.rand(1, 3, 8, 8))
    assert cost.forward == 64 * 8 * 27 + 8 * 64 * 5
    # To the image alone: one product with each transposed weight.
    net.requires_grad_(False)
    assert measure_cost(net, torch.rand(1, 3, 8, 8)).backward == cost.forward


def test_memory_grows_by_what_each_layer_saves() -> None:
    def chain(n: int) -> int:
        net = nn.Sequential(*[nn.Sigmoid() for _ in range(n)], nn.Flatten()).eval()
        return measure_cost(net, torch.rand(1, 3, 8, 8)).memory_bytes

    assert chain(9) - chain(5) == 4 * 3 * 8 * 8 * 4


def test_peak_memory_counts_what_lives_at_one_time() -> None:
    def work() -> Tensor:
        a = torch.zeros(1000)
        b = a + 1
        del a
        return b + 1  # b and the result; a is gone

    assert peak_bytes(work) == 2 * 4000
