import hashlib
import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import open_data
from eval.data.files.pictures import to_rgb
from eval.data.imagenet import imagenet
from eval.errors import DataError, UsageError

needs_parquet = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow (the extra `parquet`)"
)


def class_of(name: str) -> str:
    """The official synset of ILSVRC2012_val_0000000K.JPEG."""
    return imagenet.synsets()[imagenet.val_labels()[int(name[15:23]) - 1]]


def in_class_folders(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{class_of(name)}/{name}": data for name, data in files.items()}


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def write_tree(path: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def write_shards(folder: Path, files: dict[str, bytes], *, told_in: str) -> None:
    """Two WebDataset shards, the later pictures in the first one."""
    names = sorted(files)
    for shard, some in enumerate((names[4:], names[:4])):
        content: dict[str, bytes] = {}
        for name in some:
            label = imagenet.synsets().index(class_of(name))
            key = name.removesuffix(".JPEG") if told_in == "key" else name[15:23]
            content[f"{key}.jpg"] = files[name]
            content[f"{key}.cls"] = str(label).encode()
            if told_in == "json":
                content[f"{key}.json"] = json.dumps({"filename": f"val/{name}"}).encode()
        write_tar(folder / f"imagenet1k-validation-{shard:02d}.tar", content)


def write_parquet(folder: Path, files: dict[str, bytes], names: list[str | None]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir()
    rows = [
        {"image": {"bytes": files[name], "path": told}, "label": imagenet_label(name)}
        for name, told in zip(sorted(files), names, strict=True)
    ]
    for k, some in enumerate((rows[:4], rows[4:])):
        path = folder / f"data/validation-0000{k}-of-00002.parquet"
        pq.write_table(pa.Table.from_pylist(some), path, row_group_size=3)


def imagenet_label(name: str) -> int:
    return int(imagenet.val_labels()[int(name[15:23]) - 1])


def with_synset(files: dict[str, bytes]) -> list[str | None]:
    return [f"{name[:23]}_{class_of(name)}.JPEG" for name in sorted(files)]


LAYOUTS: dict[str, Callable[[Path, dict[str, bytes]], None]] = {
    "class folders": lambda at, six: write_tree(at / "val", in_class_folders(six)),
    "class folders ": lambda at, six: write_tree(at, in_class_folders(six)),
    "one flat folder": lambda at, six: write_tree(at / "ILSVRC/Data/CLS-LOC/val", six),
    "zip of class folders": lambda at, six: write_zip(
        at / "val.zip", {f"val/{name}": data for name, data in in_class_folders(six).items()}
    ),
    "zip of one flat folder": lambda at, six: write_zip(at / "val.zip", six),
    "tar of one flat folder": lambda at, six: write_tar(
        at / "ILSVRC2012_img_val.tar",
        {f"./{name}": six[name] for name in sorted(six, reverse=True)},
    ),
    "tar of class folders": lambda at, six: write_tar(at / "val.tar", in_class_folders(six)),
    "WebDataset, 2 shards": lambda at, six: write_shards(at, six, told_in="key"),
    "WebDataset, 2 shards ": lambda at, six: write_shards(at, six, told_in="json"),
    "parquet, 2 files": lambda at, six: write_parquet(at, six, with_synset(six)),
    "parquet, 2 files ": lambda at, six: write_parquet(at, six, [None] * 6),
}


@pytest.mark.parametrize(
    "layout",
    [pytest.param(one, marks=needs_parquet if "parquet" in one else ()) for one in LAYOUTS],
)
def test_every_layout_is_recognised_said_and_gives_the_official_order(
    tmp_path: Path, six: dict[str, bytes], layout: str
) -> None:
    LAYOUTS[layout](tmp_path, six)
    images = open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb, n_decoders=0)
    assert images.layout == layout.strip()
    assert (images.name, images.split, images.n_classes) == ("imagenet", "val", 1000)
    assert images.official_subset is True
    assert images.ids == tuple(f"ILSVRC2012_val_{k:08d}" for k in range(1, 7))
    assert images.labels.tolist() == [65, 970, 230, 809, 516, 57]
    levels = hashlib.sha256()
    for name in sorted(six):
        levels.update(np.asarray(Image.open(io.BytesIO(six[name]))).tobytes())
    assert images.pixels_sha256() == levels.hexdigest()
    assert images.batch([5, 0]).ids == (images.ids[5], images.ids[0])


def refused(folder: Path, message: str, **options: object) -> None:
    with pytest.raises(DataError, match=message):
        open_data("imagenet", data_dir=folder, preprocess=to_rgb, n_decoders=0, **options)


def test_an_incomplete_tree_is_refused_unless_a_part_is_asked_for(tmp_path: Path, six) -> None:
    del six["ILSVRC2012_val_00000003.JPEG"]
    write_tree(tmp_path / "val", in_class_folders(six))
    refused(tmp_path, r"holds 5 of 6 .* first missing one is ILSVRC2012_val_00000003; .*partial")
    part = open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb, allow_partial=True)
    assert (part.name, len(part), part.official_subset) == ("imagenet-partial", 5, False)
    assert part.labels.tolist() == [65, 970, 809, 516, 57]


@pytest.mark.parametrize("allow_partial", [False, True])
def test_the_first_mismatch_is_named(tmp_path: Path, six, allow_partial: bool) -> None:
    options = {"allow_partial": allow_partial}
    files = in_class_folders(six)
    wrong = files.pop("n01751748/ILSVRC2012_val_00000001.JPEG")

    write_tree(tmp_path / "a/val", {**files, "n01440764/ILSVRC2012_val_00000001.JPEG": wrong})
    message = r"00000001.JPEG is given as n01440764, but its class is n01751748.*`open_data"
    refused(tmp_path / "a", message, **options)

    write_tree(tmp_path / "b/val", {**files, "n99999999/ILSVRC2012_val_00000001.JPEG": wrong})
    refused(tmp_path / "b", "given as n99999999, which is none of the 1,000", **options)

    write_tree(tmp_path / "c/val", {**files, "n01751748/n01751748_10026.JPEG": wrong})
    refused(tmp_path / "c", "n01751748_10026.JPEG is not named ILSVRC2012_val_00000001", **options)

    write_tree(tmp_path / "d/val", {**files, "n01751748/ILSVRC2012_val_00050001.JPEG": wrong})
    refused(tmp_path / "d", "00050001.JPEG is not named", **options)

    twice = {"n02116738/a/ILSVRC2012_val_00000002.JPEG": wrong}
    write_tree(tmp_path / "e/val", {**in_class_folders(six), **twice})
    refused(tmp_path / "e", r"ILSVRC2012_val_00000002.JPEG is (there twice|given)", **options)


def test_labels_of_another_class_order_are_refused(tmp_path: Path, six) -> None:
    write_shards(tmp_path, six, told_in="key")
    path = tmp_path / "imagenet1k-validation-00.tar"
    name = "ILSVRC2012_val_00000005"
    write_tar(path, {f"{name}.jpg": six[f"{name}.JPEG"], f"{name}.cls": b"7"})
    refused(tmp_path, r"00000005.jpg has label 7, but its official class is 516 \(n03125729\)")
    write_tar(path, {f"{name}.jpg": six[f"{name}.JPEG"]})
    refused(tmp_path, r"00000005.jpg has no class beside it: expected a .cls file")
    write_tar(path, {"5.jpg": six[f"{name}.JPEG"], "5.cls": b"516", "5.json": b"{"})
    refused(tmp_path, r"5.json cannot be read .* it is not JSON")
    write_tar(path, {"5.jpg": six[f"{name}.JPEG"], "5.cls": b"516", "5.json": b"[]"})
    refused(tmp_path, r"5.json is not a JSON object")


@needs_parquet
def test_nameless_pictures_in_another_order_are_refused(tmp_path: Path, six) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "validation-00000-of-00001.parquet"
    rows = [
        {"image": {"bytes": six[name], "path": None}, "label": imagenet_label(name)}
        for name in sorted(six)
    ]
    pq.write_table(pa.Table.from_pylist(rows[::-1]), path)
    refused(tmp_path, "not in the official order, so its pictures cannot be told apart")
    pq.write_table(pa.Table.from_pylist([{"text": "a"}]), path)
    refused(tmp_path, "has the columns text, expected image and label")
    path.write_bytes(b"PAR1")
    refused(tmp_path, "validation-00000-of-00001.parquet cannot be read .* damaged or no table")


def test_parquet_without_its_reader_says_how_to_install_it(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "validation-00000-of-00001.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refused(tmp_path, r"which is not installed; .*pip install '.\[parquet\]' in the folder")


def test_a_folder_without_imagenet_says_what_was_looked_for(tmp_path: Path, six) -> None:
    (tmp_path / "x").touch()
    refused(tmp_path, r"imagenet \(val\) was not found: .* none of val/ with class folders")
    (tmp_path / "val.tar.gz").touch()
    refused(tmp_path, r"val.tar.gz is compressed as a whole.* unpack it to val.tar")
    write_zip(tmp_path / "val.zip", {"readme.txt": b""})
    refused(tmp_path, r"val.zip holds no pictures")


def test_a_preprocessing_and_a_known_split_are_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have many sizes: give the preprocessing of the model"):
        open_data("imagenet", data_dir=tmp_path)
    with pytest.raises(UsageError, match="unknown split of imagenet 'test': choose one of val"):
        open_data("imagenet", data_dir=tmp_path, split="test")


def test_the_built_in_classes_are_the_official_ones(shared: Path) -> None:
    lines = (shared / "data/imagenet-sample/classes.txt").read_text().splitlines()
    assert imagenet.synsets() == tuple(line.split("\t")[0] for line in lines)
    assert list(imagenet.synsets()) == sorted(imagenet.synsets())
    labels = imagenet.val_labels()
    assert np.bincount(labels).tolist() == [50] * 1000
    # Caffe's val.txt begins so, and these are the first pictures of the first class.
    assert labels[:6].tolist() == [65, 970, 230, 809, 516, 57]
    assert (np.flatnonzero(labels == 0)[:5] + 1).tolist() == [293, 2138, 3014, 6697, 7197]
    digest = hashlib.sha256(labels.astype("<u2").tobytes()).hexdigest()
    assert digest == "f5350687a5a78da7e645040d352767bc06c1c99d9dfb34f1623b2d1a1d046b76"
