import numpy as np
import pytest
import torch

from eval.data import from_arrays, from_tensors
from eval.errors import DataError, UsageError

GREY = np.zeros((2, 4, 4), np.uint8)


def test_arrays_become_channels_first_images_between_0_and_1() -> None:
    images = np.zeros((2, 4, 5, 3), np.uint8)
    images[1, 0, 0] = (255, 51, 0)
    found = from_arrays(images, [1, 0], ["a", "b"], name="mine")
    assert (found.name, found.split, found.ids, found.n_classes) == ("mine", "all", ("a", "b"), 2)
    assert found.official_subset is False
    batch = found.batch([1])
    assert batch.x.shape == (1, 3, 4, 5)
    assert batch.x[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.2, 0.0])


def test_grey_images_may_come_without_a_channel_axis() -> None:
    assert from_arrays(GREY, [0, 1]).batch([0]).x.shape == (1, 1, 4, 4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.uint8])
def test_tensors_of_every_pixel_type_are_taken(dtype: torch.dtype) -> None:
    x = torch.full((3, 1, 2, 2), 51 if dtype == torch.uint8 else 1).to(dtype)
    found = from_tensors(x, torch.tensor([0, 1, 2]), n_classes=10)
    assert found.n_classes == 10
    expected = torch.full((3, 1, 2, 2), 51 / 255 if dtype == torch.uint8 else 1.0)
    assert torch.equal(found.batch(range(3)).x, expected)


def test_the_set_does_not_change_with_the_callers_tensors() -> None:
    x, y = torch.zeros(1, 1, 2, 2), torch.tensor([1])
    found = from_tensors(x, y)
    x.fill_(1)
    y.fill_(0)
    batch = found.batch([0])
    assert batch.x.sum() == 0
    assert batch.y.item() == 1


def test_tensors_that_need_gradients_are_taken() -> None:
    x = torch.rand(1, 1, 2, 2, requires_grad=True)
    assert not from_tensors(x, torch.tensor([0])).batch([0]).x.requires_grad


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 4, 4), 255.0), "reach from 255 to 255.*divide by 255"),
        (np.full((2, 4, 4), -0.1), "must lie in .0, 1."),
        (np.full((2, 4, 4), np.nan), "NaN or infinity"),
        (np.full((2, 4, 4), np.inf), "NaN or infinity"),
    ],
)
def test_pixels_outside_the_range_are_refused(images, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(images, [0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (GREY.astype(np.int32), [0, 1], {}, "images are int32: give uint8"),
        (np.zeros((2, 3, 8, 8), np.uint8), [0, 1], {}, "channels last; give channels first"),
        (np.zeros((2, 4), np.uint8), [0, 1], {}, r"shape \(2, 4\)"),
        (np.zeros((0, 4, 4), np.uint8), [], {}, "hold nothing"),
        (GREY, [0], {}, "2 images and 1 labels"),
        (GREY, [0.0, 1.0], {}, "labels are float64"),
        (GREY, [True, False], {}, "labels are bool"),
        (GREY, [[0], [1]], {}, "give whole numbers of shape"),
        (GREY, [0, -1], {}, "label -1 is negative"),
        (GREY, [0, 5], {"n_classes": 5}, "label 5 does not fit n_classes = 5"),
        (GREY, [0, 1], {"ids": ["a"]}, "2 images and 1 ids"),
        (GREY, [0, 1], {"ids": ["a", "a"]}, "1 of 2 are repetitions"),
        (GREY, [0, 1], {"ids": ["a", "b\nc"]}, "one line"),
        (GREY, [0, 1], {"ids": ["a", 3]}, "id 3 must be a string"),
        (GREY, [0, 1], {"name": "cifar10"}, "name 'cifar10' is kept for pictures"),
    ],
)
def test_arguments_that_cannot_be_are_refused(images, labels, options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_arrays(images, labels, **options)


def test_tensors_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"x has shape \(2, 4\), expected \(N, C, H, W\)"):
        from_tensors(torch.zeros(2, 4), torch.tensor([0, 1]))
