"""What is data in a folder or an archive, what is never spoken of, and what is counted."""

import csv
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval import evaluate
from eval.data import ImageSet, open_data, open_folder
from eval.data.cifar10.jpeg import CLASSES
from eval.data.files.entries import Entry, counted, is_picture, is_system, sort_out, told
from eval.data.files.pictures import open_picture, suffixes, to_rgb
from eval.data.imagenet import imagenet
from eval.errors import DataError

# Each with the ending of a picture where the system makes pictures, or a name that only it gives.
JUNK = (
    "@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "0.png@SynoEAStream", "#recycle/0.png", "#snapshot/0.png",
    ".@__thumb/s1000.jpg", "@Recycle/0.png", "~snapshot/hourly.0/0.png", ".zfs/snapshot/0.png",
    "__MACOSX/._0.png", "._0.png", ".DS_Store", ".AppleDouble/0.png", ".Trashes/501/0.png",
    ".Spotlight-V100/0.png", ".fseventsd/0.png", "Icon\r",
    "Thumbs.db", "THUMBS.DB", "desktop.ini", "$RECYCLE.BIN/S-1-5/$R1.png", "FOUND.000/0.png",
    "System Volume Information/0.png", "0.png:Zone.Identifier",
    "lost+found/0.png", ".Trash-1000/files/0.png", ".thumbnails/normal/0.png", ".nfs00000000a1b2",
    ".ipynb_checkpoints/0-checkpoint.png", ".git/0.png", ".cache/huggingface/0.png",
    "__pycache__/x.pyc", ".picasaoriginals/0.png", ".stversions/0.png", ".dtrash/files/0.png",
)  # fmt: skip


def with_junk(files: Mapping[str, bytes], png: Callable[..., bytes]) -> dict[str, bytes]:
    """`files` and all the `JUNK`, at the top and in every folder of `files`."""
    places = {"", *(name.rpartition("/")[0] + "/" for name in files if "/" in name)}
    return {f"{place}{junk}": png(99, 32, 32) for place in places for junk in JUNK} | dict(files)


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def in_classes(files: Mapping[str, bytes]) -> dict[str, bytes]:
    synsets, labels = imagenet.synsets(), imagenet.val_labels()
    return {f"{synsets[labels[int(name[15:23]) - 1]]}/{name}": files[name] for name in files}


def opened(name: str, folder: Path) -> ImageSet:
    wanted = {"preprocess": to_rgb, "n_decoders": 0} if name in {"imagenet", "folder"} else {}
    return open_data(name, data_dir=folder, **wanted)


def reasons(images: ImageSet) -> list[str]:
    return [str(one) for one in images.passed_over]


@pytest.mark.parametrize("junk", JUNK)
def test_what_a_system_makes_is_known_at_any_depth(junk: str) -> None:
    assert all(is_system(f"{place}{junk}") for place in ("", "cat/", "cat/deeper/"))
    assert not any(is_picture(f"{place}{junk}") for place in ("", "cat/", "cat/deeper/"))


@pytest.mark.parametrize(
    "name",
    ["cache/1.png", "trash/1.png", "recycle/1.png", "found/1.png", "git/1.png", "a/thumbs.png",
     "a/desktop.png", "icon/1.png", "@/1.png", "a/x._y.png", "snapshot/1.png", "MACOSX/1.png"],
)  # fmt: skip
def test_a_class_that_only_sounds_like_a_systems_folder_is_one(name: str) -> None:
    assert is_picture(name)


def test_a_folder_of_class_folders_is_the_same_with_and_without_system_files(
    tmp_path: Path, png, write
) -> None:
    files = {f"{one}/{k}.png": png(k) for one in ("ant", "bee/deep/deeper") for k in range(2)}
    write(tmp_path / "clean", files)
    write(tmp_path / "full", with_junk(files, png))
    clean, full = (opened("folder", tmp_path / one) for one in ("clean", "full"))
    assert (full.ids, full.labels.tolist(), full.n_classes) == (clean.ids, [0, 0, 1, 1], 2)
    assert full.pixels_sha256() == clean.pixels_sha256()
    assert full.passed_over == clean.passed_over == ()


IMAGENET: dict[str, Callable[[Path, dict[str, bytes], Callable], None]] = {
    "class folders": lambda at, six, write: write(at / "val", six),
    "flat folder": lambda at, six, write: write(at / "val", six),
    "zip": lambda at, six, write: write_zip(at / "val.zip", six),
    "tar": lambda at, six, write: write_tar(at / "val.tar", six),
}  # fmt: skip


@pytest.mark.parametrize("layout", IMAGENET)
def test_layouts_of_imagenet_hold_no_system_files(
    tmp_path: Path, six, png, write, layout: str
) -> None:
    files = six if layout == "flat folder" else in_classes(six)
    IMAGENET[layout](tmp_path, with_junk(files, png), write)
    images = opened("imagenet", tmp_path)
    assert images.ids == tuple(f"ILSVRC2012_val_{k:08d}" for k in range(1, 7))
    assert images.labels.tolist() == [65, 970, 230, 809, 516, 57]
    assert images.passed_over == ()


def test_shards_hold_no_system_files_and_are_none(tmp_path: Path, six, png, write) -> None:
    files = {}
    for name, data in six.items():
        label = imagenet.val_labels()[int(name[15:23]) - 1]
        key = name.removesuffix(".JPEG")
        files |= {f"{key}.jpg": data, f"{key}.cls": f"{label}\r\n".encode("utf-8-sig")}
    write_tar(tmp_path / "imagenet1k-validation-00.tar", with_junk(files, png))
    write(tmp_path, {"._imagenet1k-validation-00.tar": b"\0\5\x16\7"})
    images = opened("imagenet", tmp_path)
    assert (len(images), images.layout, images.passed_over) == (6, "WebDataset, 1 shards", ())


@pytest.mark.parametrize("layout", ["zip", "folder", "folder of class folders"])
def test_trees_of_cifar10_hold_no_system_files(
    tmp_path: Path, batches, png, write, layout: str
) -> None:
    files, rows = {}, []
    for i, (image, label) in enumerate(zip(*batches[5], strict=True)):
        stream = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0).copy()).save(stream, "PNG")
        files[f"{CLASSES[label]}/{i:04d}.png"] = stream.getvalue()
        rows.append((CLASSES[label], f"{CLASSES[label]}/{i:04d}.png"))
    listed = io.StringIO()
    csv.writer(listed).writerows([("class", "file"), *rows])
    write(tmp_path, {"test_order.csv": listed.getvalue().encode("utf-16")})
    if layout == "zip":
        write_zip(tmp_path / "test.zip", with_junk(files, png))
    else:
        write(tmp_path / ("test" if layout == "folder" else ""), with_junk(files, png))
    images = opened("cifar10", tmp_path)
    assert (images.name, len(images), images.official_subset) == ("cifar10", 4, True)
    assert images.passed_over == ()


def test_a_batch_in_a_systems_folder_of_the_archive_is_not_the_batch(
    tmp_path: Path, batches
) -> None:
    def record(batch: tuple[np.ndarray, np.ndarray]) -> bytes:
        return np.concatenate([batch[1][:, None], batch[0].reshape(4, -1)], axis=1).tobytes()

    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for folder, batch in (("cifar-10-batches-bin", batches[5]), ("@eaDir", batches[0])):
            member = tarfile.TarInfo(f"{folder}/test_batch.bin")
            member.size = len(record(batch))
            archive.addfile(member, io.BytesIO(record(batch)))
    assert opened("cifar10", tmp_path).labels.tolist() == batches[5][1].tolist()


def test_a_folder_with_nothing_but_system_files_is_empty(tmp_path: Path, write) -> None:
    write(tmp_path, {".DS_Store": b"x", "@eaDir/x": b"x"})
    with pytest.raises(DataError, match=r"`data_dir` .* is empty"):
        opened("imagenet", tmp_path)


@pytest.mark.parametrize("ending", [".pgm", ".jfif", ".jpe", ".pnm", ".tga", ".jp2", ".DIB"])
def test_what_pillow_reads_as_a_still_is_read(tmp_path: Path, ending: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    mode = "L" if ending == ".pgm" else "RGB"
    (tmp_path / "a").mkdir()
    Image.fromarray(levels).convert(mode).save(tmp_path / f"a/1{ending}")
    images = opened("folder", tmp_path)
    assert (images.ids, images.passed_over) == ((f"a/1{ending}",), ())
    assert images.batch([0]).x.shape == (1, 3, 8, 8)


def test_formats_that_call_programs_or_are_no_still_are_not_read() -> None:
    never = {".eps", ".ps", ".pdf", ".wmf", ".emf", ".fits", ".h5", ".mpg", ".ico", ".psd", ".fli"}
    assert not never & suffixes()
    assert {".jpg", ".jpeg", ".png", ".mpo", ".tif", ".webp"} <= suffixes()


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n",
        b"\xd7\xcd\xc6\x9a\0\0\0\0\0\0\x08\0\x08\0\x60\0\0\0\0\0\0\0\x01\0" + bytes(40),
        b"\x89HDF\r\n\x1a\n" + bytes(100),
    ],
    ids=["EPS", "WMF", "HDF5"],
)
def test_the_name_of_a_picture_opens_no_other_format(data: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.jpg cannot be decoded as a picture: cannot identify"):
        open_picture(data, "x.jpg")


UNREAD = dict.fromkeys(("a/1.heic", "a/2.HEIC", "b/clip.mp4", "b/no ending", ".x/1.png"), b"")
SAID = [
    "1 file ending in .mp4 (b/clip.mp4)",
    "1 file without a known ending (b/no ending)",
    "1 hidden file (.x)",
    "2 files ending in .heic (such as a/1.heic)",
]


def test_what_is_passed_over_in_a_folder_is_counted_and_named(tmp_path: Path, png, write) -> None:
    classes = {"classes.txt": b"a\nb\nc\n", "README.md": b"", "c/d/notes.txt": b""}
    write(tmp_path, {"a/1.png": png(1), "b/1.png": png(2)} | classes | UNREAD)
    images = opened("folder", tmp_path)
    extra = ["1 file ending in .txt (c/d/notes.txt)", "1 folder without pictures (c)"]
    assert sorted(reasons(images)) == sorted([*SAID, *extra])
    assert images.select([0]).passed_over == images.passed_over
    (tmp_path / "c/d/notes.txt").write_bytes(b"b\na\n")
    named = open_folder(tmp_path, classes=tmp_path / "c/../c/d/notes.txt")
    assert named.ids == ("b/1.png", "a/1.png")
    assert "1 file ending in .txt (classes.txt)" in reasons(named)  # this time it is not read


@pytest.mark.parametrize("packed", ["zip", "tar", "folder"])
def test_what_is_passed_over_beside_imagenet_is_counted_and_named(
    tmp_path: Path, six, write, packed: str
) -> None:
    files = in_classes(six) | UNREAD | {"val.txt": b""}
    if packed == "zip":
        write_zip(tmp_path / "val.zip", files | {"n01440764/": b""})
    elif packed == "tar":
        write_tar(tmp_path / "val.tar", files)
    else:
        write(tmp_path / "val", files)
        (tmp_path / "val/n01440764").mkdir()
    said = reasons(opened("imagenet", tmp_path))
    assert set(SAID) <= set(said)
    n_hollow = 2 if packed == "tar" else 3  # a and b, and the empty one where there can be one
    assert f"{n_hollow} folders without pictures (such as a)" in said


def test_links_in_a_tar_and_second_pictures_of_a_sample_are_counted(tmp_path: Path, six) -> None:
    first, *rest = in_classes(six)
    path = tmp_path / "val.tar"
    write_tar(path, in_classes(six))
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("n01440764/copy.JPEG")
        member.type, member.linkname = tarfile.LNKTYPE, first
        archive.addfile(member)
    assert "1 link or special file (n01440764/copy.JPEG)" in reasons(opened("imagenet", tmp_path))
    path.unlink()
    files = {}
    for name in (first, *rest):
        key = name.rpartition("/")[2].removesuffix(".JPEG")
        label = imagenet.val_labels()[int(key[15:]) - 1]
        files |= {f"{key}.jpg": six[f"{key}.JPEG"], f"{key}.cls": str(label).encode()}
    extra = {"ILSVRC2012_val_00000001.seg.png": b"x", "ILSVRC2012_val_00000001.txt": b"x"}
    write_tar(tmp_path / "imagenet-val-00.tar", files | extra)
    assert reasons(opened("imagenet", tmp_path)) == [
        "1 file ending in .txt (ILSVRC2012_val_00000001.txt)",
        "1 picture beside the one of its sample (ILSVRC2012_val_00000001.seg.png)",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_with_the_name_of_a_picture_is_counted_and_never_opened(
    tmp_path: Path, png, write
) -> None:
    write(tmp_path, {"a/1.png": png(1)})
    os.mkfifo(tmp_path / "a/2.png")
    images = opened("folder", tmp_path)
    assert (images.ids, reasons(images)) == (("a/1.png",), ["1 link or special file (a/2.png)"])


def test_many_reasons_make_one_short_sentence() -> None:
    others = [("file", f"ending in .{k}", f"a/\x1b{k}") for k in range(100)]
    sentence = told(counted([*others, ("file", "ending in .0", "a/b")]))
    assert sentence.startswith("passed over and no part of the data: 2 files ending in .0 (such as")
    assert sentence.endswith(", 92 for other reasons")
    assert sentence.isprintable()
    assert sort_out([Entry("", "folder"), Entry("a/1.png")]) == ([1], ())


def test_the_report_says_what_was_passed_over(tmp_path: Path, png, write, linear) -> None:
    write(tmp_path, {"a/1.png": png(1), "b/1.png": png(2), "b/2.svg": b"", "b/@eaDir/2.png": b""})
    import torch

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2)).eval()
    report = evaluate(network, opened("folder", tmp_path), attack="clean")
    (flag,) = [one for one in report.flags if one.code == "passed-over-files"]
    assert flag.detail == "passed over and no part of the data: 1 file ending in .svg (b/2.svg)"
