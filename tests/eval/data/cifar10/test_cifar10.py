"""The exact pictures: tiny batches stand in for the official ones, with their digests."""

import hashlib
import io
import struct
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval.data import open_data
from eval.data.cifar10 import cifar10
from eval.data.cifar10 import exact as cifar10_exact
from eval.errors import DataError

BLOCK = 4  # as in the fixture `batches`


def records(images: np.ndarray, labels: np.ndarray) -> bytes:
    return np.concatenate([labels[:, None], images.reshape(len(labels), -1)], axis=1).tobytes()


def python2_pickle(images: np.ndarray, labels: np.ndarray) -> bytes:
    """The official files' own form: protocol 2 as Python 2 wrote it, strings of bytes."""

    def string(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    pixels = images.reshape(len(labels), -1).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01M\x10'M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", len(pixels)) + pixels + b"tb"
    )  # fmt: skip
    listed = b"".join(b"K" + bytes([label]) for label in labels)
    names = b"".join(string(b"picture_%d.png" % i) for i in range(len(labels)))
    return (
        b"\x80\x02}(" + string(b"batch_label") + string(b"testing batch 1 of 1")
        + string(b"labels") + b"](" + listed + b"e"
        + string(b"data") + array
        + string(b"filenames") + b"](" + names + b"eu."
    )  # fmt: skip


def write_batches(folder: Path, batches, layout: str) -> Path:
    inner = folder / f"cifar-10-batches-{layout}"
    inner.mkdir(parents=True)
    suffix, write = ("", python2_pickle) if layout == "py" else (".bin", records)
    names = [f"data_batch_{k}{suffix}" for k in range(1, 6)] + [f"test_batch{suffix}"]
    for name, batch in zip(names, batches, strict=True):
        (inner / name).write_bytes(write(*batch))
    return inner


def write_tar(folder: Path, inner: Path, layout: str) -> None:
    name = "python" if layout == "py" else "binary"
    with tarfile.open(folder / f"cifar-10-{name}.tar.gz", "w:gz") as archive:
        for path in sorted(inner.iterdir(), reverse=True):
            archive.add(path, f"{inner.name}/{path.name}")


@pytest.mark.parametrize("layout", ["py", "bin"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("split", ["test", "train"])
def test_every_official_layout_gives_the_same_set(
    tmp_path: Path, batches, layout: str, packed: bool, split: str
) -> None:
    outside = tmp_path / "outside"
    inner = write_batches(outside if packed else tmp_path / "data", batches, layout)
    if packed:
        (tmp_path / "data").mkdir()
        write_tar(tmp_path / "data", inner, layout)
    found = open_data("cifar10", data_dir=tmp_path / "data", split=split)
    chosen = batches[5:] if split == "test" else batches[:5]
    assert (found.name, found.split, found.official_subset) == ("cifar10", split, True)
    assert found.layout.startswith("cifar-10-")
    assert found.labels.tolist() == np.concatenate([labels for _, labels in chosen]).tolist()
    expected = torch.from_numpy(np.concatenate([images for images, _ in chosen])).float() / 255
    assert torch.equal(found.batch(range(len(found))).x, expected)
    assert found.ids == tuple(str(i) for i in range(len(found)))


def test_the_stand_in_pickle_is_one_that_numpy_reads(batches) -> None:
    import pickle

    images, labels = batches[0]
    data = python2_pickle(images, labels).replace(b"M\x10'", struct.pack("<cH", b"M", BLOCK))
    read = pickle.loads(data, encoding="latin1")
    assert read["labels"] == labels.tolist()
    assert np.array_equal(read["data"], images.reshape(BLOCK, -1))


def test_a_pickle_is_listed_and_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    data = b"cos\nsystem\n(U\x0btouch " + str(trap).encode()[:5] + b"tR."
    with pytest.raises(DataError, match="damaged or not the official file"):
        cifar10_exact.read_python_batch(data, Path("test_batch"))
    assert not trap.exists()


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs pyarrow (the extra `parquet`)")
def test_the_hubs_parquet_file_is_put_into_the_official_order(tmp_path: Path, batches) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for images, labels in (batches[i] for i in (3, 2, 1, 4, 0)):
        for image, label in zip(images, labels, strict=True):
            stream = io.BytesIO()
            Image.fromarray(image.transpose(1, 2, 0).copy()).save(stream, "PNG")
            picture = {"bytes": stream.getvalue(), "path": None}
            rows.append({"img": picture, "label": int(label)})
    (tmp_path / "plain_text").mkdir()
    path = tmp_path / "plain_text/train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    found = open_data("cifar10", data_dir=tmp_path, split="train")
    assert found.layout == path.name
    expected = torch.from_numpy(np.concatenate([images for images, _ in batches[:5]]))
    assert torch.equal(found.batch(range(len(found))).x, expected.float() / 255)
    rows[0]["label"] = -1
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(DataError, match=r"damaged .*labels are not 0 to 9"):
        open_data("cifar10", data_dir=tmp_path, split="train")


def test_a_changed_pixel_is_not_cifar10(tmp_path: Path, batches) -> None:
    batches[5][0][2, 1, 3, 4] ^= 1
    write_batches(tmp_path, batches, "py")
    with pytest.raises(DataError, match="is not the official CIFAR-10: its test pictures 0 to 3"):
        open_data("cifar10", data_dir=tmp_path)
    assert len(open_data("cifar10", data_dir=tmp_path, split="train")) == 5 * BLOCK


def test_batches_in_another_order_are_put_into_the_official_one(tmp_path: Path, batches) -> None:
    shuffled = [batches[i] for i in (3, 2, 1, 4, 0)]
    found = cifar10_exact.Pictures(
        np.concatenate([images for images, _ in shuffled]),
        np.concatenate([labels for _, labels in shuffled]),
    )
    got = cifar10_exact.proved(found, "train", tmp_path)
    assert np.array_equal(got.images, np.concatenate([images for images, _ in batches[:5]]))
    twice = cifar10_exact.Pictures(
        np.concatenate([batches[0][0]] * 5), np.concatenate([batches[0][1]] * 5)
    )
    with pytest.raises(DataError, match=r"holds a batch of CIFAR-10 .train. twice"):
        cifar10_exact.proved(twice, "train", tmp_path)


@pytest.mark.parametrize("layout", ["py", "bin"])
def test_damaged_files_are_named(tmp_path: Path, batches, layout: str) -> None:
    inner = write_batches(tmp_path, batches, layout)
    broken = inner / ("test_batch" if layout == "py" else "test_batch.bin")
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(DataError, match=f"{broken} .* damaged or not the official file"):
        open_data("cifar10", data_dir=tmp_path)
    broken.write_bytes(b"")
    with pytest.raises(DataError, match=f"{broken} .* damaged"):
        open_data("cifar10", data_dir=tmp_path)
    broken.unlink()
    with pytest.raises(DataError, match=f"incomplete: {broken.name} is missing"):
        open_data("cifar10", data_dir=tmp_path)


def test_a_short_split_and_a_broken_archive_are_refused(tmp_path: Path, batches) -> None:
    inner = write_batches(tmp_path / "a", batches, "bin")
    (inner / "test_batch.bin").write_bytes(records(*batches[5])[:3073])
    with pytest.raises(DataError, match=r"holds 1 pictures of the test split .* expected 4"):
        open_data("cifar10", data_dir=tmp_path / "a")
    (tmp_path / "b").mkdir()
    archive = tmp_path / "b" / "cifar-10-python.tar.gz"
    archive.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz cannot be read .* damaged or not"):
        open_data("cifar10", data_dir=tmp_path / "b")
    with tarfile.open(archive, "w:gz") as made:
        made.addfile(tarfile.TarInfo("cifar-10-batches-py/readme.html"), io.BytesIO())
    with pytest.raises(DataError, match="incomplete: test_batch is missing"):
        open_data("cifar10", data_dir=tmp_path / "b")


def test_a_download_happens_only_when_asked_and_never_into_the_data_folder(
    tmp_path: Path, batches, monkeypatch: pytest.MonkeyPatch, server
) -> None:
    write_tar(tmp_path, write_batches(tmp_path / "made", batches, "py"), "py")
    server.content = (tmp_path / cifar10.ARCHIVE).read_bytes()
    monkeypatch.setattr(cifar10, "URL", server.url)
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(server.content).hexdigest())
    monkeypatch.setattr(cifar10, "SIZE_BYTES", len(server.content))
    monkeypatch.delenv("SAT_ZOO_DATA", raising=False)
    home, other, own = tmp_path / "home", tmp_path / "other", tmp_path / "own"
    monkeypatch.setenv("SAT_ZOO_HOME", str(home))
    own.mkdir()
    (own / "notes.txt").touch()
    with pytest.raises(DataError, match=r"let `sat-zoo eval` fetch it with --download"):
        open_data("cifar10")
    assert not home.exists()
    assert server.asked == []
    assert len(open_data("cifar10", data_dir=own, download=True)) == BLOCK
    assert [path.name for path in (home / "data").iterdir()] == ["cifar-10-python.tar.gz"]
    assert [path.name for path in own.iterdir()] == ["notes.txt"]
    assert open_data("cifar10", download=True).official_subset  # found where it was put
    assert len(server.asked) == 1
    assert len(open_data("cifar10", data_dir=own, download=True, download_to=other)) == BLOCK
    assert (other / "cifar-10-python.tar.gz").is_file()


def test_the_first_1017_pictures_are_the_true_subset(shared: Path) -> None:
    found = open_data("cifar10", data_dir=shared / "data")
    assert (found.name, len(found), found.official_subset) == ("cifar10", 1017, True)
    first = found.take(1000)
    assert first.official_subset
    assert first.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    with np.load(shared / "data/cifar10/official_test_first_1017.npz") as arrays:
        levels = arrays["images"][:1000]
    assert first.pixels_sha256() == hashlib.sha256(levels.tobytes()).hexdigest()


def test_more_exact_pictures_than_are_there_name_the_lossy_copy(shared: Path) -> None:
    found = open_data("cifar10", data_dir=shared / "data/cifar10")
    with pytest.raises(DataError, match=r"5000 images .* only 1,017 exact .*'cifar10-jpeg'\)`"):
        found.take(5000)
    with pytest.raises(DataError, match=r"cifar10 .train. was not found.*'cifar10-jpeg'\)`"):
        open_data("cifar10", data_dir=shared / "data", split="train")


def test_changed_first_pictures_are_refused(shared: Path, tmp_path: Path) -> None:
    with np.load(shared / "data/cifar10/official_test_first_1017.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    images[0, 0, 0, 0] ^= 1
    path = tmp_path / "official_test_first_1017.npz"
    np.savez(path, images=images, labels=labels)
    with pytest.raises(DataError, match=r"its pixels have sha256 .* expected 48bde46fb908"):
        open_data("cifar10", data_dir=tmp_path)
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"first_1017.npz cannot be read .* damaged or not"):
        open_data("cifar10", data_dir=tmp_path)
