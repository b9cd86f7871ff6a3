from collections.abc import Callable

import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.train.data.augment import augment, mix, shift
from zoo.train.recipe import Recipe

Make = Callable[..., Recipe]


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int) -> torch.Tensor:
    return torch.randint(1, 256, (n, 3, 6, 5), generator=stream(9), dtype=torch.uint8)


@given(seed=st.integers(0, 2**31), pixels=st.integers(1, 4))
def test_a_shifted_image_is_a_window_of_the_image_framed_in_black(seed: int, pixels: int) -> None:
    x = images(3)
    moved = shift(x, pixels, stream(seed))
    framed = torch.zeros(3, 3, 6 + 2 * pixels, 5 + 2 * pixels, dtype=torch.uint8)
    framed[:, :, pixels : pixels + 6, pixels : pixels + 5] = x
    span = range(2 * pixels + 1)
    for one, frame in zip(moved, framed, strict=True):
        windows = [frame[:, r : r + 6, c : c + 5] for r in span for c in span]
        assert any(torch.equal(one, window) for window in windows)


def test_about_half_of_the_images_are_mirrored_and_none_is_changed_otherwise(recipe: Make) -> None:
    x = images(1000)
    flipped = augment(x, recipe(flip=True), stream(0))
    is_mirrored = (flipped == x.flip(3)).flatten(1).all(1)
    assert 430 <= int(is_mirrored.sum()) <= 570
    assert torch.equal(flipped[~is_mirrored], x[~is_mirrored])


def test_without_augmentation_nothing_is_drawn(recipe: Make) -> None:
    generator = stream(3)
    before = generator.get_state()
    assert augment(images(4), recipe(), generator) is not None
    assert torch.equal(generator.get_state(), before)


def test_randaugment_follows_the_stream_and_leaves_torchs_alone(recipe: Make) -> None:
    before = torch.get_rng_state()
    changed = [augment(images(6), recipe(randaugment_ops=2), stream(seed)) for seed in (1, 1, 2)]
    assert torch.equal(changed[0], changed[1])
    assert not torch.equal(changed[0], changed[2])
    assert changed[0].dtype == torch.uint8
    assert torch.equal(torch.get_rng_state(), before)


def test_mixed_labels_are_shares_that_sum_to_one_and_follow_the_seed(recipe: Make) -> None:
    x, y = torch.rand(7, 3, 8, 8), torch.arange(7)
    both = recipe(mixup_alpha=0.8, cutmix_alpha=1.0)
    first, shares = mix(x, y, both, 10, seed=5)
    again, _ = mix(x, y, both, 10, seed=5)
    assert first.shape == x.shape
    assert shares.sum(1).allclose(torch.ones(7))
    assert torch.equal(first[6], x[6])  # timm mixes a batch with its reverse: the odd one stays
    assert shares[6].tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert torch.equal(first, again)
    assert not torch.equal(first, mix(x, y, both, 10, seed=6)[0])
    single, share = mix(x[:1], y[:1], both, 10, seed=5)
    assert torch.equal(single, x[:1])
    assert share.argmax(1).tolist() == [0]
