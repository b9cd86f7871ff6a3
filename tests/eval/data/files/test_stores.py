import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.data.files import stores
from eval.errors import DataError


def tar(path: Path, files: dict[str, bytes], mode: str = "w") -> None:
    import io

    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@given(st.dictionaries(st.text("abc", min_size=1, max_size=30), st.binary(max_size=2000)))
def test_archives_give_back_what_was_put_in(tmp_path_factory, content: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("archives")
    files = {f"d/{name}.jpg": data for name, data in content.items()}
    tar(folder / "x.tar", files)
    packed = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
    for name, method in packed.items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w", method) as archive:
            for member, data in files.items():
                archive.writestr(member, data)
    listed = [stores.list_zip(folder / f"{name}.zip") for name in packed]
    for store in [*listed, stores.list_tars([folder / "x.tar"])]:
        assert {name: store.read(i) for i, name in enumerate(store.names)} == files


def test_a_damaged_entry_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a.jpg", b"0123456789" * 20)
        store = stores.list_zip(path)
        content = bytearray(path.read_bytes())
        content[store.pieces[0].start + 2] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.zip: a\.jpg (is damaged|cannot be read)"):
            store.read(0)
    path.unlink()
    with pytest.raises(DataError, match=r"x\.zip: a\.jpg cannot be read"):
        store.read(0)


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/a.jpg").touch()
    store = stores.list_folder(tmp_path)
    (tmp_path / "c/a.jpg").unlink()
    with pytest.raises(DataError, match=r"c/a\.jpg cannot be read \(No such file"):
        store.read(0)
    with pytest.raises(DataError, match=r"gone cannot be read \(No such file"):
        stores.list_folder(tmp_path / "gone")


def test_archives_that_cannot_be_listed_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    tar(path, {"a.jpg": b"a" * 5000, "b.jpg": b"b" * 5000})
    path.write_bytes(path.read_bytes()[:7000])
    with pytest.raises(DataError, match=r"x\.tar cannot be read \((it is cut off|unexpected end)"):
        stores.list_tars([path])
    tar(path, {"a.jpg": b"a"}, "w:gz")
    with pytest.raises(DataError, match=r"x\.tar cannot be .* damaged or not the archive its"):
        stores.list_tars([path])
    with pytest.raises(DataError, match=r"x\.tar cannot be .* damaged or not the archive"):
        stores.list_zip(path)
    with zipfile.ZipFile(tmp_path / "y.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.jpg", b"a")
    with pytest.raises(DataError, match=r"y\.zip cannot be read \(a\.jpg has compression 14"):
        stores.list_zip(tmp_path / "y.zip")
