"""CIFAR-10 in class folders: the official pictures only where their order can be proved."""

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval.data import open_data
from eval.data.cifar10.jpeg import CLASSES
from eval.errors import DataError, UsageError


def encoded(image: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).copy()).save(stream, form)
    return stream.getvalue()


@pytest.fixture
def tree(batches) -> dict[str, bytes]:
    """The test split as PNG files, numbered within each class, first picture first."""
    files: dict[str, bytes] = {}
    for image, label in zip(*batches[5], strict=True):
        name = CLASSES[label]
        k = sum(path.startswith(f"{name}/") for path in files)
        files[f"{name}/{k:04d}.png"] = encoded(image)
    return files


def with_order(files: dict[str, bytes]) -> dict[str, bytes]:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["official_index", "class", "file"])
    writer.writerows([i, name.split("/")[0], name] for i, name in enumerate(files))
    return {"test_order.csv": stream.getvalue().encode()}


def numbered(files: dict[str, bytes]) -> dict[str, bytes]:
    """The names that people give when they unpack the batches: the official index, from 1."""
    return {
        f"{name.split('/')[0]}/{i}_picture.png": data
        for i, (name, data) in enumerate(files.items(), 1)
    }


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"test/{name}", data)


LAYOUTS: dict[str, Callable[..., None]] = {
    "folder with order": lambda at, files, write: write(
        at, {f"test/{name}": data for name, data in files.items()} | with_order(files)
    ),
    "zip with order": lambda at, files, write: (
        write_zip(at / "test.zip", files),
        write(at, with_order(files)),
    ),
    "class folders with order": lambda at, files, write: write(at, files | with_order(files)),
    "numbered folder": lambda at, files, write: write(at / "cifar10/test", numbered(files)),
    "numbered zip": lambda at, files, write: write_zip(at / "test.zip", numbered(files)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tree_that_tells_the_order_is_the_official_set(
    tmp_path: Path, tree, batches, write, layout: str
) -> None:
    LAYOUTS[layout](tmp_path, tree, write)
    found = open_data("cifar10", data_dir=tmp_path)
    assert (found.name, found.official_subset, found.ids) == ("cifar10", True, ("0", "1", "2", "3"))
    assert torch.equal(
        found.take(2).batch([0, 1]).x, torch.from_numpy(batches[5][0][:2].copy()).float() / 255
    )
    assert found.labels.tolist() == batches[5][1].tolist()


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_tree_without_the_order_says_that_its_subset_is_not_the_official_one(
    tmp_path: Path, tree, write, is_zip: bool
) -> None:
    if is_zip:
        write_zip(tmp_path / "test.zip", tree)
    else:
        write(tmp_path / "test", tree)
    found = open_data("cifar10", data_dir=tmp_path)
    assert (found.name, found.official_subset, found.n_classes) == ("cifar10-folder", False, 10)
    assert "without the official order" in found.layout
    assert found.take(2).official_subset is False
    assert [one.removeprefix("test/") for one in found.ids] == sorted(tree)
    again = open_data("cifar10-folder", data_dir=tmp_path)
    assert again.ids_sha256 == found.ids_sha256
    assert again.pixels_sha256() == found.pixels_sha256()


def test_numbers_that_are_not_the_official_ones_prove_nothing(tmp_path: Path, tree, write) -> None:
    shuffled = numbered(dict(reversed(list(tree.items()))))
    write(tmp_path / "test", shuffled)
    assert open_data("cifar10", data_dir=tmp_path).name == "cifar10-folder"


def test_an_order_that_is_not_official_is_refused(tmp_path: Path, tree, write) -> None:
    write(tmp_path / "test", tree)
    write(tmp_path, with_order(dict(reversed(list(tree.items())))))
    with pytest.raises(DataError, match=r"/test is not the official CIFAR-10: its test pictures"):
        open_data("cifar10", data_dir=tmp_path)
    write(tmp_path, {"test_order.csv": b"file\ncat/none.png\n"})
    with pytest.raises(DataError, match=r"test_order\.csv names cat/none\.png, which .* not hold"):
        open_data("cifar10", data_dir=tmp_path)
    write(tmp_path, {"test_order.csv": b"picture\n1\n"})
    with pytest.raises(DataError, match=r"test_order\.csv cannot be read \(it has no column file"):
        open_data("cifar10", data_dir=tmp_path)


def test_lossy_files_are_never_the_exact_set(tmp_path: Path, batches, write) -> None:
    files = {
        f"{CLASSES[label]}/{i}.jpg": encoded(image, "JPEG")
        for i, (image, label) in enumerate(zip(*batches[5], strict=True))
    }
    write(tmp_path / "test", files)
    assert open_data("cifar10", data_dir=tmp_path).name == "cifar10-folder"
    write(tmp_path, with_order(files))
    with pytest.raises(DataError, match=r"was not found.*'cifar10-jpeg'\)`, the lossy copy"):
        open_data("cifar10", data_dir=tmp_path)


def test_trees_that_are_not_cifar10_are_refused(tmp_path: Path, tree, write, png) -> None:
    write(tmp_path / "a/test", tree | {"zebra/1.png": png(1, 32, 32)})
    with pytest.raises(DataError, match=r"zebra/1\.png lies in no class folder of CIFAR-10"):
        open_data("cifar10", data_dir=tmp_path / "a")
    write(tmp_path / "b/test", dict(list(tree.items())[:3]))
    with pytest.raises(DataError, match=r"b/test holds 3 pictures, but CIFAR-10 .test. has 4"):
        open_data("cifar10", data_dir=tmp_path / "b")
    write(tmp_path / "c/test", tree | {next(iter(tree)): png(1, 8, 8)})
    with pytest.raises(DataError, match=r"has shape \(8, 8, 3\), expected \(32, 32, 3\)"):
        open_data("cifar10", data_dir=tmp_path / "c")
    write(tmp_path / "d", {"test/notes.txt": b""})
    with pytest.raises(DataError, match=r"cifar10-folder \(test\) was not found"):
        open_data("cifar10-folder", data_dir=tmp_path / "d")
    with pytest.raises(UsageError, match="unknown split of cifar10-folder 'val'"):
        open_data("cifar10-folder", data_dir=tmp_path / "d", split="val")
