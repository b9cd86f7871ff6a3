import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from eval.data import cifar10_jpeg, open_data
from eval.errors import DataError


@pytest.fixture(scope="module")
def copy(shared: Path):
    return open_data("cifar10-jpeg", data_dir=shared / "data")


def test_the_jpeg_copy_has_its_own_name_and_is_no_official_subset(copy) -> None:
    assert (copy.name, copy.split, len(copy), copy.layout) == (
        "cifar10-jpeg",
        "test",
        10_000,
        "test.zip",
    )
    assert copy.official_subset is False
    assert copy.take(10).official_subset is False
    assert np.bincount(copy.labels).tolist() == [1000] * 10


def test_the_copy_follows_the_exact_pictures_in_the_official_order(copy, shared: Path) -> None:
    exact = open_data("cifar10", data_dir=shared / "data")
    assert copy.labels[:1017].tolist() == exact.labels.tolist()
    near = copy.batch(range(100)).x - exact.batch(range(100)).x
    # Measured on 1,017 pictures: mean absolute error 5.8 levels, largest change of each above 8.
    assert 3 < 255 * near.abs().mean() < 8
    assert (255 * near.abs().amax((1, 2, 3))).min() > 8


def test_a_tree_of_files_is_the_same_set_as_the_zip(shared: Path, tmp_path: Path, copy) -> None:
    source = shared / "data/cifar10"
    shutil.copy(source / "test_order.csv", tmp_path)
    with zipfile.ZipFile(source / "test.zip") as archive:
        archive.extractall(tmp_path / "test")
    tree = open_data("cifar10-jpeg", data_dir=tmp_path)
    assert tree.layout == "test"
    assert tree.take(500).pixels_sha256() == copy.take(500).pixels_sha256()

    (tmp_path / "test/cat/0000.jpg").unlink()
    with pytest.raises(DataError, match=r"damaged or incomplete .*cat/0000.jpg"):
        open_data("cifar10-jpeg", data_dir=tmp_path)
    shutil.copy(tmp_path / "test/cat/0001.jpg", tmp_path / "test/cat/0000.jpg")
    with pytest.raises(DataError, match="is not the known JPEG copy of CIFAR-10"):
        open_data("cifar10-jpeg", data_dir=tmp_path)


def test_another_order_is_refused(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "test.zip").write_bytes(b"not a zip")
    order = tmp_path / "test_order.csv"
    shutil.copy(shared / "data/cifar10/test_order.csv", order)
    order.chmod(0o644)
    with pytest.raises(DataError, match=r"test.zip is damaged or incomplete"):
        open_data("cifar10-jpeg", data_dir=tmp_path)
    lines = order.read_text().splitlines()
    order.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    with pytest.raises(DataError, match="does not give the official order of the test split"):
        open_data("cifar10-jpeg", data_dir=tmp_path)
    order.write_text("official_index,class,file\n0,lion,lion/0000.jpg\n")
    with pytest.raises(DataError, match="cannot be read as the order of CIFAR-10"):
        open_data("cifar10-jpeg", data_dir=tmp_path)


def test_a_picture_that_cannot_be_decoded_is_named() -> None:
    with pytest.raises(DataError, match=r"test.zip: picture 0 cannot be decoded"):
        cifar10_jpeg._decode_all([b"\xff\xd8 no picture"], Path("test.zip"))
