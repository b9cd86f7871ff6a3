import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.engine.padding import LEAST, ladder, padded, rung

X = torch.arange(9.0)[:, None].repeat(1, 3)


@given(batch_size=st.integers(1, 5000), n=st.integers(0, 6000))
def test_a_ladder_wastes_at_most_every_second_row(batch_size: int, n: int) -> None:
    sizes = ladder(batch_size)
    size = rung(n, sizes)
    assert sizes == tuple(sorted(set(sizes)))
    assert (sizes[-1], sizes[0] <= LEAST) == (batch_size, True)
    assert size >= n
    assert size == n if n > batch_size or n == 0 else size in sizes
    assert size <= max(2 * n, sizes[0])


@given(n=st.integers(1, 9), more=st.integers(0, 30))
def test_padding_is_of_the_rows_themselves(n: int, more: int) -> None:
    x = X[:n]
    rows = padded(x, n + more)
    assert torch.equal(rows[:n], x)
    assert all(torch.equal(row, x[i % n]) for i, row in enumerate(rows))
