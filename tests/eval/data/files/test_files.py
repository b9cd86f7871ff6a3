import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval.data import open_folder
from eval.data.files.files import picture_set
from eval.data.files.pictures import to_rgb
from eval.data.files.stores import list_folder
from eval.errors import DataError, UsageError

N = 50  # more than the 32 pictures from which on decoders are started


def half(picture: Image.Image) -> np.ndarray:
    """A preprocessing whose result is floating point."""
    return to_rgb(picture).astype(np.float32) / np.float32(510)


def die_in_a_decoder(picture: Image.Image) -> np.ndarray:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return to_rgb(picture)


@pytest.fixture
def folder(tmp_path: Path, png: Callable[..., bytes], write) -> Path:
    write(tmp_path, {f"c{k % 3}/{k:03d}.png": png(k) for k in range(N)})
    return tmp_path


def test_decoders_give_the_same_pictures_in_the_same_order(folder: Path) -> None:
    alone = open_folder(folder, n_decoders=0)
    several = open_folder(folder, n_decoders=2)
    for batch_size in (7, 64):
        pieces = list(several.batches(batch_size))
        assert sum((piece.ids for piece in pieces), ()) == alone.ids
        assert torch.equal(torch.cat([p.x for p in pieces]), alone.batch(range(N)).x)
    assert several.pixels_sha256() == alone.pixels_sha256()


def test_pixels_are_those_of_the_files(folder: Path) -> None:
    images = open_folder(folder, n_decoders=1)
    batch = images.batch([5, 0, 5])
    for one_id, x in zip(batch.ids, batch.x, strict=True):
        levels = np.asarray(Image.open(folder / one_id))
        assert torch.equal(x, torch.from_numpy(levels.copy()).permute(2, 0, 1).float() / 255)
    assert batch.x.is_contiguous()
    assert images.batch([]).x.shape == (0, 3, 4, 4)


def test_a_preprocessing_may_give_floating_point(folder: Path) -> None:
    images = open_folder(folder, preprocess=half, n_decoders=0)
    whole = open_folder(folder, n_decoders=0)
    torch.testing.assert_close(2 * images.batch([3]).x, whole.batch([3]).x)


@pytest.mark.parametrize("n_decoders", [0, 2])
def test_a_picture_that_cannot_be_decoded_stops_the_run_with_its_path(
    folder: Path, n_decoders: int
) -> None:
    (folder / "c1/040.png").write_bytes(b"no picture")
    images = open_folder(folder, n_decoders=n_decoders)
    message = r"c1/040\.png cannot be decoded as a picture: .* or leave .* `without_unreadable\("
    with pytest.raises(DataError, match=message):
        list(images.batches(16))
    with pytest.raises(DataError, match=message):
        images.batch(range(N))


def test_unreadable_pictures_can_be_left_out_and_are_counted(folder: Path) -> None:
    images = open_folder(folder, n_decoders=2)
    assert images.without_unreadable() is images
    for name in ("c1/040.png", "c0/000.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:50])
    good = open_folder(folder, n_decoders=2).without_unreadable()
    assert (len(good), good.n_skipped) == (N - 2, 2)
    assert set(images.ids) - set(good.ids) == {"c1/040.png", "c0/000.png"}
    assert torch.equal(
        good.batch([0]).x, open_folder(folder).select_ids([good.ids[0]]).batch([0]).x
    )
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no image of folder .all. can be decoded: .*c0/000\.png"):
        open_folder(folder, n_decoders=2).without_unreadable()


def test_pictures_of_several_sizes_need_a_preprocessing(folder: Path, png) -> None:
    (folder / "c0/000.png").write_bytes(png(0, width=5))
    with pytest.raises(DataError, match=r"different shapes, \(4, 4, 3\) and \(4, 5, 3\); give"):
        open_folder(folder, n_decoders=0).batch([0, 1])


def test_a_decoder_that_dies_is_reported(folder: Path) -> None:
    images = open_folder(folder, preprocess=die_in_a_decoder, n_decoders=2)
    with pytest.raises(DataError, match=r"that decodes pictures died.*use fewer `decoders`"):
        images.pixels_sha256()


def test_a_source_can_be_sent_to_another_process(folder: Path) -> None:
    images = open_folder(folder, n_decoders=0)
    images.batch([0])
    assert pickle.loads(pickle.dumps(images.source)).read(np.array([1])).shape == (1, 3, 4, 4)


def test_labels_of_any_integer_type_are_taken(folder: Path) -> None:
    store = list_folder(folder)
    images = picture_set(
        store, np.zeros(N, np.uint16), store.names, to_rgb, name="x", split="all", n_classes=1,
        official_subset=False, layout="",
    )  # fmt: skip
    assert images.labels.dtype == np.int64


def test_an_id_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown id of folder .all. 'c0/0000.png': did you mean"):
        open_folder(folder).select_ids(["c0/000.png", "c0/0000.png"])
