import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.attacks import random
from eval.attacks.random import image_key


def splitmix64(key: int, n: int) -> list[int]:
    """The published generator, in Python's integers."""
    out, full = [], (1 << 64) - 1
    for i in range(1, n + 1):
        z = (key + i * 0x9E3779B97F4A7C15) & full
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & full
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & full
        out.append(z ^ (z >> 31))
    return out


@given(key=st.integers(-(2**63), 2**63 - 1))
def test_bits_are_those_of_splitmix64(key: int) -> None:
    drawn = random.bits(torch.tensor([key]), 0, 5)[0].tolist()
    assert [value % 2**64 for value in drawn] == splitmix64(key % 2**64, 5)


@given(start=st.integers(0, 1000), n=st.integers(1, 20))
def test_a_stream_read_in_pieces_is_the_stream_read_at_once(start: int, n: int) -> None:
    keys = torch.tensor([1, 2])
    whole = random.bits(keys, 0, start + n)
    assert torch.equal(random.bits(keys, start, n), whole[:, start:])
    assert torch.equal(random.bits(keys, torch.tensor([start, 0]), n)[0], whole[0, start:])


def test_keys_depend_on_seed_image_and_stage() -> None:
    keys = {image_key(s, i, n) for s in (0, 1) for i in ("a", "b") for n in ("apgd-ce", "square")}
    assert len(keys) == 8
    assert image_key(0, "12", "x") != image_key(0, "1", "2x")


def test_streams_of_neighbouring_keys_are_uniform_and_uncorrelated() -> None:
    keys = torch.tensor([image_key(0, str(i), "s") for i in range(200)])
    u = random.uniform(keys, 0, (1000,))
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    counts = torch.histc(u, bins=50, min=0, max=1)
    # Chi-square with 49 degrees of freedom: mean 49, standard deviation about 10.
    assert float(((counts - 4000) ** 2 / 4000).sum()) < 110
    correlation = torch.corrcoef(u) - torch.eye(200)
    assert float(correlation.abs().max()) < 0.2  # six standard deviations of 1/sqrt(1000)


def test_split_gives_independent_streams_for_each_run() -> None:
    keys = torch.tensor([7, 8])
    runs = [random.uniform(random.split(keys, r), 0, (4,)) for r in range(3)]
    assert len({tuple(row) for run in runs for row in run.tolist()}) == 6
    per_row = random.split(keys, torch.tensor([0, 2]))
    assert torch.equal(per_row[1], random.split(keys, 2)[1])


def test_normal_numbers_have_the_moments_of_the_normal_distribution() -> None:
    z = random.normal(torch.arange(100), 0, (2000,)).double()
    assert z.isfinite().all()
    assert abs(float(z.mean())) < 0.01
    assert abs(float(z.std()) - 1) < 0.01
    assert abs(float((z**4).mean()) - 3) < 0.1
