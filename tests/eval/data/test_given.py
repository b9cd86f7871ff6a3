"""Whatever people hand over as data: it is read as they meant it, or refused with what to do."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils import data as torch_data
from torch.utils.data import TensorDataset

from eval.data import as_images
from eval.errors import SatZooError, UsageError
from tests.eval.data.handed import LEVELS, Listed, N, Stream, X, Y, items, loaded

SAME: dict[str, Callable[[], Any]] = {
    "tensors": lambda: (X, Y),
    "a list of two": lambda: [X, Y],
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "nested lists": lambda: (X.tolist(), Y.tolist()),
    "nested lists in a list": lambda: [X[:2].tolist(), Y[:2].tolist()],
    "lists of tensors": lambda: (list(X), list(Y)),
    "uint8": lambda: (LEVELS, Y.byte()),
    "float64": lambda: (X.double(), Y.int().tolist()),
    "gradients": lambda: (X.clone().requires_grad_(), Y),
    "not contiguous": lambda: (X.transpose(2, 3).contiguous().transpose(2, 3), Y),
    "channels last in memory": lambda: (X.to(memory_format=torch.channels_last), Y),
    "other integers": lambda: (X.numpy(), Y.numpy().astype(np.uint16)),
    "a dataset of tensors": lambda: TensorDataset(X, Y),
    "items in arrays": lambda: items(x=lambda i: X[i].numpy(), y=lambda i: np.int64(Y[i])),
    "items with Python's labels": lambda: items(y=lambda i: int(Y[i])),
    "items in 8 bits": lambda: items(x=lambda i: LEVELS[i]),
    "items in float64": lambda: items(x=lambda i: X[i].double()),
    "items that need gradients": lambda: items(x=lambda i: X[i].clone().requires_grad_()),
    "a list of items": lambda: [(X[i], int(Y[i])) for i in range(N)],
    "two items": lambda: [(X[i], int(Y[i])) for i in range(2)],
    "two items in lists": lambda: [[X[i], int(Y[i])] for i in range(2)],
    "a loader": lambda: loaded(TensorDataset(X, Y)),
    "a loader without batches": lambda: loaded(TensorDataset(X, Y), batch_size=None),
    "a loader with its own sampler": lambda: loaded(TensorDataset(X, Y), sampler=list(range(N))),
    "a loader that drops nothing": lambda: loaded(
        TensorDataset(X, Y), batch_size=5, drop_last=True
    ),
    "a subset": lambda: torch_data.Subset(TensorDataset(X, Y), range(N)),
    "a stream": Stream,
    "a loader of a stream": lambda: loaded(Stream()),
    "an image set": lambda: as_images((X, Y)),
    "a loader of an image set": lambda: loaded(as_images((X, Y))),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_pictures_in_any_form_are_the_same_images(kind: str) -> None:
    found = as_images(SAME[kind]())
    n = len(found)
    assert n in {2, N}
    batch = found.batch(range(n))
    assert torch.equal(batch.x, X[:n])
    assert torch.equal(batch.y, Y[:n])
    assert found.ids == tuple(map(str, range(n)))
    assert found.pixels_sha256() == as_images((X[:n], Y[:n])).pixels_sha256()


@pytest.mark.parametrize("kind", SAME)
def test_only_the_first_are_taken_if_so_many_are_wanted(kind: str) -> None:
    found = as_images(SAME[kind](), n=2)
    assert torch.equal(found.batch([0, 1]).x, X[:2])
    assert len(found) == 2
    with pytest.raises(UsageError, match=r"n = 11 is not possible: custom \(all\) has 1?[02] im"):
        as_images(SAME[kind](), n=11)


def test_pictures_of_8_bits_are_kept_in_8_bits_and_others_to_the_bit() -> None:
    assert as_images(TensorDataset(X, Y)).source.images.dtype == np.uint8
    x = torch.rand(N, 3, 6, 5)
    x[:4] = X[:4]
    found = as_images(loaded(TensorDataset(x, Y)))
    assert found.source.images.dtype == np.float32
    assert torch.equal(found.batch(range(N)).x, x)


def test_no_more_is_read_than_is_wanted() -> None:
    seen: set[int] = set()
    as_images(items(x=lambda i: seen.add(i) or X[i]), n=3)
    assert seen == {0, 1, 2}


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    # what is no data
    "pixels alone": (lambda: X, "is a Tensor without labels: give a pair"),
    "an array alone": (X.numpy, "is a ndarray without labels"),
    "a name": (lambda: "digits", "'digits' is a name: open it first, eval.open_data"),
    "nothing": (lambda: None, "is a NoneType: give a pair"),
    "three parts": (lambda: (X, Y, Y), "is a tuple of 3: give a pair"),
    "a dict": (lambda: {"x": X, "y": Y}, "is a dict with 'x', 'y': give a pair"),
    "a class": (lambda: Stream, "is the class Stream: make one of it"),
    "a generator": (lambda: ((x, 0) for x in X), "can be read only once"),
    "no items": (lambda: Listed(lambda _: None, 0), "holds no images"),
    # range
    "0 to 255": (lambda: (X * 255, Y), "reach from 0 to 255.*divide by 255"),
    "normalised": (lambda: ((X - 0.5) / 0.25, Y), "undo the normalisation .take Normalize out"),
    "overshooting": (lambda: (X * 1.004, Y), "clamp them to"),
    "divided twice": (lambda: (X / 255, Y), "all but black: they seem to be divided by 255 twice"),
    "cast to whole numbers": (lambda: (X.byte(), Y), "are uint8 and hold nothing but 0 and 1"),
    "whole numbers": (lambda: (LEVELS.long(), Y), "images are int64: give uint8"),
    "truth values": (lambda: (X > 0.5, Y), "images are bool: give uint8"),
    "NaN": (lambda: (X * torch.nan, Y), "NaN or infinity"),
    "bfloat16": (lambda: (X.bfloat16(), Y), "x is bfloat16, whose 8 bits move pixels"),
    "items of 0 to 255": (lambda: items(x=lambda i: X[i] * 255), "divide by 255"),
    "normalised items": (lambda: items(x=lambda i: X[i] - 0.5), "undo the normalisation"),
    "items divided twice": (lambda: items(x=lambda i: X[i] / 255), "divided by 255 twice"),
    "items cast": (lambda: items(x=lambda i: X[i].byte()), "made whole numbers before"),
    "normalised batches": (lambda: loaded(TensorDataset(X - 0.5, Y)), "undo the normalisation"),
    # layout
    "channels last": (lambda: (X.permute(0, 2, 3, 1), Y), r"channels last: give x.permute\(0, 3"),
    "channels last in batches": (
        lambda: loaded(TensorDataset(X.permute(0, 2, 3, 1), Y)),
        "x of batch 0 .*channels last",
    ),
    "items with channels last": (
        lambda: items(x=lambda i: X[i].permute(1, 2, 0)),
        r"x of item 0 of `data` has shape \(6, 5, 3\), expected \(C, H, W\): channels last",
    ),
    "one picture": (lambda: (X[0], Y[:1]), r"x has shape \(3, 6, 5\).*of one picture give x\[None"),
    "grey without channel": (lambda: (X[:, 0], Y), r"add the channel, x\[:, None\]"),
    "flat": (lambda: (X.flatten(1), Y), r"x.reshape\(-1, C, H, W\)"),
    "flat items": (lambda: items(x=lambda i: X[i].flatten()), r"\(90,\), expected \(C, H, W\)"),
    "several sizes": (
        lambda: items(x=lambda i: X[i, :, : 6 - i // 5]),
        r"picture 5 has shape \(3, 5, 5\) and the first one \(3, 6, 5\): bring all to one size",
    ),
    "a ragged list": (lambda: ([X[0], X[1, :, :5]], [0, 1]), "parts of different shapes"),
    # what pictures are not
    "pictures of Pillow": (
        lambda: items(x=lambda _: Image.new("RGB", (5, 6))),
        "x of item 0 of `data` holds pictures of Pillow.*ToTensor",
    ),
    "a list of Pillow's": (lambda: ([Image.new("L", (5, 6))], [0]), "pictures of Pillow"),
    "texts": (lambda: (["a.png"], [0]), "x .*"),
    "a model": (lambda: (torch.nn.Identity(), Y), "x is a Identity: give a tensor"),
    # labels
    "one-hot": (lambda: (X, torch.eye(N)), r"y.argmax\(1\)"),
    "whole one-hot": (lambda: (X, torch.eye(N).long()), r"y.argmax\(1\)"),
    "a column": (lambda: (X, Y[:, None]), r"y.reshape\(-1\)"),
    "floats": (lambda: (X, Y.float()), r"labels are float32.*y.long\(\)"),
    "too few": (lambda: (X, Y[:3]), "10 images and 3 labels"),
    "negative": (lambda: (X, Y - 1), "label -1 is negative"),
    "one-hot items": (lambda: items(y=lambda i: torch.eye(3)[Y[i]]), r"y.argmax\(1\)"),
    "labels in texts": (lambda: items(y=lambda _: "cat"), "label of item 0 is a str"),
    "no label": (lambda: items(y=lambda _: None), "label of item 0 is a NoneType"),
    # items
    "pixels only": (lambda: Listed(X.__getitem__), "item 0 of `data` is a Tensor: each must be"),
    "dicts": (lambda: Listed(lambda i: {"image": X[i]}), "is a dict with 'image': each must be"),
    "with an index": (lambda: Listed(lambda i: (X[i], 0, i)), "is a tuple of 3: each must be"),
    "batches of pixels": (lambda: loaded(Listed(X.__getitem__)), "batch 0 of `data` is a Tensor"),
    "what raises": (
        lambda: Listed(lambda i: (_ for _ in ()).throw(OSError("no such file"))),
        r"cannot be read \(OSError: no such file\)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_measured_is_refused_with_what_to_do(kind: str) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(SatZooError, match=message) as raised:
        as_images(make())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("n", [True, 2.0, "2", 0, -1])
def test_a_number_that_cannot_be_is_refused(n: Any) -> None:
    with pytest.raises(UsageError, match=rf"{re.escape(repr(n))} is no"):
        as_images((X, Y), n=n)


def test_numbers_of_numpy_are_numbers() -> None:
    assert len(as_images((X, Y), n=np.int64(3))) == 3
