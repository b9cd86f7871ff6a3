"""What people point the loaders at by mistake; and that nothing is ever written there."""

import contextlib
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import open_data, open_folder
from eval.data.files.pictures import to_rgb
from eval.errors import DataError, SatZooError


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def levels(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def manifest(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every path below `folder` with its size, time of change and content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_size,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def opened(name: str, folder: Path, **options: object):
    wanted = {"preprocess": to_rgb} if name in {"imagenet", "folder"} else {}
    return open_data(name, data_dir=folder, **wanted, **options)


@pytest.mark.parametrize("name", ["cifar10", "cifar10-folder", "imagenet", "folder"])
def test_a_file_no_folder_and_an_empty_folder_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for place, message in [
        ("file", "is a file"),
        ("gone", "does not exist"),
        ("empty", "is empty|holds no pictures"),
    ]:
        with pytest.raises(DataError, match=f"{tmp_path / place} .*{message}"):
            opened(name, tmp_path / place)


def test_a_class_without_pictures_is_refused_where_it_would_move_labels(
    tmp_path: Path, png, write
) -> None:
    write(tmp_path, {"a/1.png": png(1), "b/notes.txt": b"", "c/1.png": png(2)})
    with pytest.raises(DataError, match=r"/b holds no pictures, so it is .* `classes=FILE`"):
        open_folder(tmp_path)
    write(tmp_path, {"classes.txt": b"a\nb\nc\n"})
    assert open_folder(tmp_path).labels.tolist() == [0, 2]


def test_what_cannot_be_read_is_named(tmp_path: Path, png, write, monkeypatch) -> None:
    write(tmp_path, {"a/1.png": png(1), "a/2.png": png(2), "b/1.png": png(3)})
    images = open_folder(tmp_path, n_decoders=0)

    def refuse(path: object, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(DataError, match=r"a/2\.png cannot be read \(Permission denied\)"):
            images.batch([1])
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=rf"{tmp_path} cannot be read \(Permission denied\)"):
        open_folder(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path, png, write) -> None:
    write(tmp_path, {"a/1.png": png(1)})
    (tmp_path / "a/1.png").chmod(0)
    with pytest.raises(DataError, match=r"a/1\.png cannot be read \(Permission denied\)"):
        open_folder(tmp_path, n_decoders=0).batch([0])


STILLS = {
    "grey": encoded(Image.fromarray(levels((8, 8))), "JPEG"),
    "grey with alpha": encoded(Image.fromarray(levels((8, 8, 2)), "LA"), "PNG"),
    "CMYK": encoded(Image.fromarray(levels((8, 8, 4)), "CMYK"), "JPEG"),
    "RGBA": encoded(Image.fromarray(levels((8, 8, 4)), "RGBA"), "PNG"),
    "16-bit grey": encoded(Image.fromarray(levels((8, 8), np.uint16)), "PNG"),
    "palette": encoded(Image.fromarray(levels((8, 8, 3))).quantize(16), "PNG"),
    "two colours": encoded(Image.fromarray(levels((8, 8))).convert("1"), "PNG"),
}


@pytest.mark.parametrize("kind", STILLS)
def test_every_still_picture_is_rgb_in_the_range(tmp_path: Path, write, kind: str) -> None:
    write(tmp_path, {"a/picture.png": STILLS[kind]})
    x = open_folder(tmp_path, n_decoders=0).batch([0]).x
    assert x.shape == (1, 3, 8, 8)
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    if "grey" in kind or kind == "two colours":
        assert (x[:, 0] == x[:, 2]).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            encoded(
                Image.fromarray(levels((8, 8))),
                "GIF",
                save_all=True,
                append_images=[Image.fromarray(levels((8, 8)).T.copy())],
            ),
            "holds several frames; a still picture is needed",
        ),
        (encoded(Image.new("I", (8, 8)), "TIFF"), "pixels of mode I have no defined range"),
        (encoded(Image.fromarray(levels((64, 64, 3))), "JPEG")[:900], "cannot be decoded"),
        (b"", "cannot be decoded"),
        (b"<html>not found</html>", "cannot be decoded"),
    ],
)
def test_what_is_no_still_picture_stops_with_its_path_or_is_left_out_and_counted(
    tmp_path: Path, png, write, data: bytes, message: str
) -> None:
    write(tmp_path, {"a/1.png": png(1), "a/bad.jpg": data})
    images = open_folder(tmp_path, n_decoders=0)
    with pytest.raises(DataError, match=rf"{tmp_path}/a/bad\.jpg.*{message}.*`without_unreadable"):
        images.pixels_sha256()
    good = images.without_unreadable()
    assert (good.ids, good.n_skipped, good.official_subset) == (("a/1.png",), 1, False)


@pytest.mark.parametrize("kept", [0.2, 0.99])
@pytest.mark.parametrize(("name", "archive"), [("imagenet", "val"), ("cifar10", "test")])
def test_a_truncated_zip_is_named(
    tmp_path: Path, six, write, kept: float, name: str, archive: str
) -> None:
    path = tmp_path / f"{archive}.zip"
    with zipfile.ZipFile(path, "w") as made:
        for inner, data in six.items():
            made.writestr(f"cat/{inner}", data)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"{path} cannot be read .* damaged or not the archive"):
        opened(name, tmp_path)


READERS: dict[str, Callable[[Path], object]] = {
    "imagenet": lambda folder: opened("imagenet", folder).pixels_sha256(),
    "part": lambda folder: opened("imagenet", folder, allow_partial=True).pixels_sha256(),
    "folder": lambda folder: opened("folder", folder, n_decoders=2).pixels_sha256(),
    "skipping": lambda folder: opened("folder", folder / "val").without_unreadable(),
    "cifar10": lambda folder: opened("cifar10", folder),
    "cifar10-jpeg": lambda folder: opened("cifar10-jpeg", folder),
}


@pytest.mark.parametrize("reader", READERS)
def test_nothing_is_written_into_the_data_folder(
    tmp_path: Path, six, png, write, reader: str
) -> None:
    names = {"n01751748": "ILSVRC2012_val_00000001.JPEG", "n02129604": "broken.JPEG"}
    write(tmp_path, {f"val/{synset}/{name}": png(1) for synset, name in names.items()})
    write(tmp_path, {"val/n02129604/broken.JPEG": b"", "test.zip": b"", "test_order.csv": b""})
    before = manifest(tmp_path)
    with contextlib.suppress(SatZooError):  # a failure must leave no traces either
        READERS[reader](tmp_path)
    assert manifest(tmp_path) == before
