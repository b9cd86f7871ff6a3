"""Lists that people bring, whoever saved them; and names in either Unicode spelling."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.data import from_arrays, open_data, open_folder, read_ids
from eval.data.cifar10.jpeg import CLASSES, read_order
from eval.data.files.pictures import to_rgb
from eval.data.folder import read_classes
from eval.data.imagenet import imagenet
from eval.data.text import lines_of, nfc, read_lines, spellings
from eval.errors import DataError, UsageError
from eval.files.limits import VARIABLE

NFC, NFD = "caf\u00e9", "cafe\u0301"
NAMES = ("ant", "bee", NFC, "cat")

FORMS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": lambda told: told.encode(),
    "UTF-8 with a mark": lambda told: told.encode("utf-8-sig"),
    "Notepad's Unicode": lambda told: told.replace("\n", "\r\n").encode("utf-16"),
    "UTF-16, big end first": lambda told: b"\xfe\xff" + told.encode("utf-16-be"),
    "UTF-32": lambda told: told.encode("utf-32"),
    "Windows": lambda told: told.replace("\n", "\r\n").encode(),
    "old Macs": lambda told: told.replace("\n", "\r").encode(),
    "no last newline": lambda told: told.rstrip("\n").encode(),
    "blanks at the ends": lambda told: told.replace("\n", " \t \u00a0\n").encode(),
    "blank lines at the end": lambda told: (told + "\n  \n\n").encode(),
    "NFD": lambda told: told.replace(NFC, NFD).encode(),
    "the end of DOS": lambda told: told.encode() + b"\x1a",
    "two files joined": lambda told: told.replace("bee", "\ufeffbee").encode("utf-8-sig"),
}


def listed(form: str, names: tuple[str, ...] = NAMES) -> bytes:
    return FORMS[form]("".join(f"{name}\n" for name in names))


@pytest.fixture(params=["NFC", "NFD"])
def tree(tmp_path: Path, png, write, request: pytest.FixtureRequest) -> Path:
    """Three class folders, the last with its accent written in one way or in the other."""
    folder = NFC if request.param == "NFC" else NFD
    names = [*(f"{one}/{k}.png" for one in ("ant", "bee") for k in range(2)), f"{folder}/0.png"]
    write(tmp_path / "own", {name: png(k) for k, name in enumerate(names)})
    return tmp_path / "own"


@pytest.mark.parametrize("form", FORMS)
def test_a_list_of_classes_gives_the_same_labels_however_it_was_saved(
    tree: Path, form: str
) -> None:
    (tree / "classes.txt").write_bytes(listed(form))
    images = open_folder(tree)
    assert (images.labels.tolist(), images.n_classes) == ([0, 0, 1, 1, 2], 4)
    assert images.ids[-1] == f"{NFC}/0.png"
    assert images.passed_over == ()


@pytest.mark.parametrize("form", FORMS)
def test_a_list_of_ids_means_the_same_however_it_was_saved(
    tree: Path, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(listed(form, (f"{NFC}/0.png", "bee/1.png")))
    ids = read_ids(path)
    assert open_folder(tree).select_ids(ids).ids == (f"{NFC}/0.png", "bee/1.png")
    own = from_arrays(np.zeros((2, 2, 2), np.uint8), [0, 1], ["bee/1.png", f"{NFD}/0.png"])
    assert own.select_ids(ids).ids == (f"{NFD}/0.png", "bee/1.png")


@pytest.mark.parametrize("form", FORMS)
def test_caffes_labels_are_read_however_they_were_saved(
    tmp_path: Path, six, write, form: str
) -> None:
    lines = tuple(
        f"{name}{' ' if k % 2 else chr(9)}{imagenet.val_labels()[k]}"
        for k, name in enumerate(sorted(six))
    )
    write(tmp_path, {f"val/{name}": six[name] for name in six} | {"val.txt": listed(form, lines)})
    images = open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb, n_decoders=0)
    assert images.layout == "one flat folder with val.txt"
    assert images.labels.tolist() == [65, 970, 230, 809, 516, 57]


@pytest.mark.parametrize("form", FORMS)
def test_the_devkits_truth_is_read_however_it_was_saved(
    tmp_path: Path, six, write, form: str
) -> None:
    truth = listed(form, tuple(str(label + 1) for label in imagenet.val_labels()))
    with zipfile.ZipFile(tmp_path / "val.zip", "w") as archive:
        for name, data in six.items():
            archive.writestr(name, data)
    write(tmp_path, {"ILSVRC2012_validation_ground_truth.txt": truth})
    images = open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb, n_decoders=0)
    assert images.labels.tolist() == [65, 970, 230, 809, 516, 57]


@pytest.mark.parametrize("form", FORMS)
def test_an_order_file_is_read_however_it_was_saved(tmp_path: Path, form: str) -> None:
    stream = io.StringIO()
    rows = [("file", "class"), *((f"{name}/1.png", name) for name in CLASSES)]
    csv.writer(stream, lineterminator="\n").writerows(rows)
    path = tmp_path / "test_order.csv"
    path.write_bytes(FORMS[form](stream.getvalue()))
    assert read_order(path, "file") == [f"{name}/1.png" for name in CLASSES]
    assert read_order(path, "class") == list(CLASSES)


READERS: dict[str, Callable[[Path], object]] = {
    "a list of classes": read_classes,
    "a list of ids": read_ids,
    "the order of CIFAR-10": lambda path: read_order(path, "file"),
    "a list of labels": lambda path: read_lines(path, "a list of labels"),
}
WRONG = [
    (b"file\nant\ncaf\xe9\n", r"line 3 is not UTF-8 \(byte 0xe9\); save it as UTF-8"),
    (b"file\nant\0\nbee\n", r"line 2 holds a NUL, so it is no text in UTF-8"),
    ("file\r\nant\r\n".encode("utf-16-le"), r"line 1 holds a NUL, so it is no text"),
    (b"\xff\xfef\0\n\0a", r"line 2 is not UTF-16-LE \(byte 0x61\)"),
    (b"\xff\xfef\0\n\0\n\0\x00\xd8a\0", r"line 3 is not UTF-16-LE"),
    (b"file\r\rbe\x1be\r", r"line 3 holds the control character '\\x1b'"),
    ("file\nbe\u2028e".encode(), r"line 2 holds the control character '\\u2028'"),
    (b"\x89PNG\r\n\x1a\n", r"line 1 is not UTF-8 \(byte 0x89\)"),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("data", "message"), WRONG)
def test_what_is_no_text_is_one_sentence_with_file_and_line(
    tmp_path: Path, reader: str, data: bytes, message: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: {message}") as caught:
        READERS[reader](path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_a_list_that_is_too_large_or_a_folder_is_refused(
    tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"list_bytes={2**20}")
    path = tmp_path / "list.txt"
    path.write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(DataError, match=rf"list.txt cannot be read \(it has 1,048,577 .* {reader}"):
        READERS[reader](path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"folder cannot be read \(Is a directory\).* {reader}"):
        READERS[reader](tmp_path / "folder")


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1), min_size=1))
def test_every_name_without_blanks_comes_back(names: list[str]) -> None:
    written = "\r\n".join(names)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        assert lines_of(written.encode(encoding), "x") == names


def test_empty_lines_count(tmp_path: Path, six, write) -> None:
    write(tmp_path, {f"val/{name}": six[name] for name in six} | {"val.txt": b"\n\nx.JPEG 1\ny\n"})
    with pytest.raises(DataError, match=r"line 4 is 'y', expected a file name"):
        open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb)
    assert lines_of(b"", "x") == []


def test_a_label_that_is_told_twice_and_differently_is_refused(tmp_path: Path, six, write) -> None:
    twice = b"a/ILSVRC2012_val_00000001.JPEG 65\nb/ILSVRC2012_val_00000001.JPEG 66\n"
    write(tmp_path, {f"val/{name}": six[name] for name in six} | {"val.txt": twice})
    with pytest.raises(DataError, match=r"line 2 gives .*1\.JPEG the class 66, .* line 65"):
        open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb)


def test_without_a_list_both_spellings_sort_alike(tmp_path: Path, png, write) -> None:
    for k, accented in enumerate((NFC, NFD)):  # NFD sorts before "cafz", NFC behind it
        write(tmp_path / str(k), {f"{accented}/1.png": png(1), "cafz/1.png": png(2)})
    one, other = (open_folder(tmp_path / str(k)) for k in range(2))
    assert one.ids == other.ids == ("cafz/1.png", f"{NFC}/1.png")
    assert one.ids_sha256 == other.ids_sha256
    assert one.pixels_sha256() == other.pixels_sha256()


def test_names_that_are_one_in_two_spellings_are_refused(tmp_path: Path, png, write) -> None:
    write(tmp_path / "folders", {f"{NFC}/1.png": png(1), f"{NFD}/2.png": png(2)})
    write(tmp_path / "files", {f"a/{NFC}.png": png(1), f"a/{NFD}.png": png(2)})
    for one in ("folders", "files"):
        with pytest.raises(DataError, match=r"/\w+ holds .* one name in two Unicode spellings"):
            open_folder(tmp_path / one)
    (tmp_path / "list.txt").write_text(f"{NFC}\n{NFD}\n", "utf-8")
    with pytest.raises(DataError, match=f"names the class {NFC} twice"):
        read_classes(tmp_path / "list.txt")


@pytest.mark.parametrize("name", ["b\udce9", "b\nc"])
def test_names_that_no_list_can_hold_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"x holds 'b.*', which is no name in UTF-8; rename it"):
        spellings(["a", name], "x")
    assert nfc(NFD) == NFC


def test_a_list_of_ids_that_is_not_there_is_a_wrong_argument(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`read_ids\(.*gone'\)` cannot be read: No such file"):
        read_ids(tmp_path / "gone")
