from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import open_data, open_folder
from eval.data.files.pictures import to_rgb
from eval.errors import DataError, UsageError


def corner(picture: Image.Image) -> np.ndarray:
    return to_rgb(picture)[:32, :32]


def test_classes_are_the_folders_in_sorted_order(tmp_path: Path, png, write) -> None:
    write(
        tmp_path, {"b/x/1.png": png(1), "a/2.png": png(2), "a/notes.txt": b"", "a/10.png": png(3)}
    )
    images = open_data("folder", data_dir=tmp_path)
    assert images.ids == ("a/10.png", "a/2.png", "b/x/1.png")
    assert images.labels.tolist() == [0, 0, 1]
    assert (images.name, images.split, images.n_classes) == ("folder", "all", 2)
    assert images.official_subset is False


def test_a_file_of_classes_gives_the_labels(tmp_path: Path, png, write) -> None:
    write(tmp_path, {"b/1.png": png(1), "a/2.png": png(2)})
    (tmp_path / "classes.txt").write_text("b\tfirst\nunused\na\n\n")
    images = open_folder(tmp_path)
    assert images.ids == ("b/1.png", "a/2.png")
    assert images.labels.tolist() == [0, 2]
    assert images.n_classes == 3
    other = tmp_path / "other.txt"
    other.write_text("a\nb\n")
    assert open_folder(tmp_path, classes=other).labels.tolist() == [0, 1]


def test_trees_that_do_not_fit_are_refused(tmp_path: Path, png, write) -> None:
    write(tmp_path, {"a/readme.txt": b""})
    with pytest.raises(DataError, match="holds no pictures in class folders"):
        open_folder(tmp_path)
    write(tmp_path, {"a/1.png": png(1), "c/2.png": png(2), "x.png": png(3)})
    with pytest.raises(DataError, match=r"x\.png lies in no class folder"):
        open_folder(tmp_path)
    (tmp_path / "x.png").unlink()
    classes = tmp_path / "classes.txt"
    for text, message in [
        ("a\nb\n", r"/c is no class of .*classes\.txt"),
        ("a\nc\na\n", "names the class a twice"),
        ("\n", "names no class"),
    ]:
        classes.write_text(text)
        with pytest.raises(DataError, match=message):
            open_folder(tmp_path)
    with pytest.raises(DataError, match=r"gone\.txt cannot be read \(No such.* a list of classes"):
        open_folder(tmp_path, classes=tmp_path / "gone.txt")
    with pytest.raises(UsageError, match="unknown split of folder 'test': choose one of all"):
        open_data("folder", data_dir=tmp_path, split="test")


def test_the_sample_of_imagenet_has_the_labels_of_all_thousand_classes(shared: Path) -> None:
    folder = shared / "data/imagenet-sample"
    images = open_data("folder", data_dir=folder, preprocess=corner, n_decoders=0)
    assert (len(images), images.n_classes) == (120, 1000)
    assert images.layout == "class folders, 120 of 1000 classes"
    names = [line.split("\t")[0] for line in (folder / "classes.txt").read_text().splitlines()]
    assert [names[label] for label in images.labels] == [one.split("/")[0] for one in images.ids]
    assert images.batch(range(0, 120, 10)).x.shape == (12, 3, 32, 32)
