import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import open_data
from eval.data.cifar10 import jpeg as cifar10_jpeg
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


ORDER = ("cat", "ship", "ship", "airplane", "cat")


@pytest.fixture
def small_copy(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A copy of five pictures in class folders, in official order, with its digests."""
    files: dict[str, bytes] = {}
    for k, name in enumerate(ORDER):
        stream = io.BytesIO()
        levels = np.random.default_rng(k).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(levels).save(stream, "JPEG")
        files[f"{name}/{ORDER[:k].count(name):04d}.jpg"] = stream.getvalue()
    labels = bytes(cifar10_jpeg.CLASSES.index(name) for name in ORDER)
    joined = hashlib.sha256(b"".join(files.values())).hexdigest()
    monkeypatch.setattr(cifar10_jpeg, "_FILES", {"test": joined})
    monkeypatch.setattr(cifar10_jpeg, "_LABELS", {"test": hashlib.sha256(labels).hexdigest()})
    return files


def write_order(folder: Path, files: dict[str, bytes]) -> Path:
    lines = [f"{k},{name.split('/')[0]},{name}" for k, name in enumerate(files)]
    path = folder / "test_order.csv"
    path.write_text("\n".join(["official_index,class,file", *lines]))
    return path


def test_a_tree_a_zip_and_a_tar_give_the_same_set(tmp_path: Path, small_copy, write) -> None:
    folders = [tmp_path / form for form in ("test", "test.zip", "test.tar.gz")]
    for folder in folders:
        folder.mkdir()
        write_order(folder, small_copy)
    write(folders[0] / "test", small_copy)
    with zipfile.ZipFile(folders[1] / "test.zip", "w") as archive:
        for name in sorted(small_copy):
            archive.writestr(name, small_copy[name])
    with tarfile.open(folders[2] / "test.tar.gz", "w:gz") as tar:
        for name in sorted(small_copy):
            tar.add(folders[0] / "test" / name, name)
    found = [open_data("cifar10-jpeg", data_dir=folder) for folder in folders]
    assert [one.layout for one in found] == [folder.name for folder in folders]
    assert found[0].labels.tolist() == [3, 8, 8, 0, 3]
    assert len({one.pixels_sha256() for one in found}) == 1


def test_other_files_than_the_known_ones_are_refused(tmp_path: Path, small_copy, write) -> None:
    write(tmp_path / "test", small_copy)
    order = write_order(tmp_path, small_copy)
    (tmp_path / "test/cat/0000.jpg").write_bytes(small_copy["cat/0001.jpg"])
    with pytest.raises(DataError, match="is not the known JPEG copy of CIFAR-10"):
        open_data("cifar10-jpeg", data_dir=tmp_path)
    (tmp_path / "test/cat/0000.jpg").unlink()
    with pytest.raises(DataError, match=r"cat/0000.jpg cannot be read .* damaged or incomplete"):
        open_data("cifar10-jpeg", data_dir=tmp_path)
    (tmp_path / "test.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"test.zip cannot be read .* damaged or not the archive"):
        open_data("cifar10-jpeg", data_dir=tmp_path)

    write_order(tmp_path, dict(reversed(small_copy.items())))
    with pytest.raises(DataError, match="does not give the official order of the test split"):
        open_data("cifar10-jpeg", data_dir=tmp_path)
    order.write_text("official_index,class,file\n0,lion,lion/0000.jpg\n")
    with pytest.raises(DataError, match="cannot be read as the order of CIFAR-10"):
        open_data("cifar10-jpeg", data_dir=tmp_path)


def test_a_picture_that_cannot_be_decoded_is_named() -> None:
    with pytest.raises(DataError, match=r"test.zip: picture 0 cannot be decoded"):
        cifar10_jpeg._decode_all([b"\xff\xd8 no picture"], Path("test.zip"))
