"""A list of labels beside a flat `val/` must agree with what is known."""

import random
import zipfile
from pathlib import Path

import pytest

from eval.data import ImageSet, open_data
from eval.data.files.pictures import to_rgb
from eval.data.imagenet import imagenet
from eval.errors import DataError

LABELS = (65, 970, 230, 809, 516, 57)
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"


def opened(folder: Path) -> ImageSet:
    return open_data("imagenet", data_dir=folder, preprocess=to_rgb, n_decoders=0)


def val_txt(labels: tuple[int, ...] = LABELS, folder: str = "") -> bytes:
    lines = [f"{folder}ILSVRC2012_val_{k:08d}.JPEG {label}" for k, label in enumerate(labels, 1)]
    return "\n".join(reversed(lines)).encode()


def ground_truth() -> list[int]:
    """The devkit numbers the classes from 1 in an order of its own."""
    numbers = list(range(1, 1001))
    random.Random(0).shuffle(numbers)
    return [numbers[label] for label in imagenet.val_labels()]


@pytest.mark.parametrize("place", ["val.txt", "val/val.txt"])
def test_caffes_list_is_read_and_said(tmp_path: Path, six, write, place: str) -> None:
    write(tmp_path, {f"val/{name}": data for name, data in six.items()} | {place: val_txt()})
    images = opened(tmp_path)
    assert images.layout == "one flat folder with val.txt"
    assert tuple(images.labels) == LABELS
    assert images.official_subset


@pytest.mark.parametrize("place", [DEVKIT, f"ILSVRC2012_devkit_t12/data/{DEVKIT}"])
def test_the_devkits_truth_is_read_and_said(tmp_path: Path, six, write, place: str) -> None:
    truth = "\n".join(map(str, ground_truth())).encode()
    write(tmp_path, {f"val/{name}": data for name, data in six.items()} | {place: truth})
    images = opened(tmp_path)
    assert images.layout == f"one flat folder with {DEVKIT}"
    assert tuple(images.labels) == LABELS


def test_a_list_beside_a_flat_zip_is_read(tmp_path: Path, six, write) -> None:
    with zipfile.ZipFile(tmp_path / "val.zip", "w") as archive:
        for name, data in six.items():
            archive.writestr(name, data)
    write(tmp_path, {"val.txt": val_txt(folder="val/")})
    assert opened(tmp_path).layout == "zip of one flat folder with val.txt"


def test_a_list_that_disagrees_is_refused_with_the_first_mismatch(
    tmp_path: Path, six, write
) -> None:
    write(tmp_path / "val", six)
    write(tmp_path, {"val.txt": val_txt((65, 970, 231, 809, 516, 58))})
    with pytest.raises(DataError, match=r"00000003.JPEG has label 231, but its official .* 230"):
        opened(tmp_path)
    write(tmp_path, {"val.txt": val_txt(LABELS[:5])})
    with pytest.raises(DataError, match=r"val\.txt has no label for ILSVRC2012_val_00000006\.JPEG"):
        opened(tmp_path)
    write(tmp_path, {"val.txt": b"ILSVRC2012_val_00000001.JPEG n01751748\n"})
    with pytest.raises(DataError, match=r"val\.txt is no list of labels: line 1 is 'ILSVRC"):
        opened(tmp_path)
    (tmp_path / "val.txt").unlink()
    truth = ground_truth()
    truth[4] = truth[0]
    write(tmp_path, {DEVKIT: "\n".join(map(str, truth)).encode()})
    with pytest.raises(DataError, match=r"00000005.JPEG has label 65, but its official .* 516"):
        opened(tmp_path)
    write(tmp_path, {DEVKIT: b"1\n2\n"})
    with pytest.raises(DataError, match=r"is not the devkit's .* expected 50000 lines .* found 2"):
        opened(tmp_path)
    write(tmp_path, {DEVKIT: "\n".join(map(str, range(50_000))).encode()})
    with pytest.raises(DataError, match=r"is not the devkit's .* two of its numbers stand for one"):
        opened(tmp_path)


def test_an_empty_class_folder_too_many_is_refused(tmp_path: Path, six, write) -> None:
    for name, data in six.items():
        synset = imagenet.synsets()[imagenet.val_labels()[int(name[15:23]) - 1]]
        write(tmp_path, {f"val/{synset}/{name}": data})
    (tmp_path / "val/n00000001").mkdir()
    with pytest.raises(DataError, match=r"val/n00000001 is an empty class folder too many"):
        opened(tmp_path)
