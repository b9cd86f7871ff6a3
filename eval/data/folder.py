"""Any tree of class folders: the user's own pictures, proved to be nothing in particular."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from eval.data.base import ImageSet
from eval.data.files.entries import is_hidden, is_system
from eval.data.files.files import picture_set
from eval.data.files.pictures import Preprocess, to_rgb
from eval.data.files.stores import FolderStore, list_folder
from eval.data.locate import data_root
from eval.data.text import nfc, read_lines, spellings
from eval.errors import DataError
from eval.files.border import plain
from eval.files.paths import AnyPath, path_of

CLASSES_FILE = "classes.txt"


def open_folder(
    folder: AnyPath | None,
    *,
    preprocess: Preprocess | None = None,
    classes: AnyPath | None = None,
    n_decoders: int | None = None,
) -> ImageSet:
    """A folder that holds one folder of pictures for each class.

    classes: a file with one class folder's name a line, label 0 first (anything after a tab is
             ignored); default classes.txt in the folder, else the folders in sorted order.
             With such a file a class may have no folder, and its number stays taken.
    Ids are relative paths; the order is by class, then by path. Names are compared and told in
    Unicode's composed form (NFC), so that a copy of the folder on another system is the same set.
    Files that are no pictures are passed over and told in `passed_over`. Without `preprocess` the
    pictures must all have one size.
    Raises DataError for pictures outside class folders, folders that no class names and, without
    a file of classes, folders without pictures.
    """
    folder, classes = path_of(folder, "folder"), path_of(classes, "classes")
    root = data_root(None, "folder").path if folder is None else _tree(folder)
    listed = classes or root / CLASSES_FILE
    list_name = _path_in(root, listed)
    found = list_folder(root, lambda name: name == list_name)
    if not found.names:
        raise DataError(f"{root} holds no pictures in class folders")
    for name in found.names:
        if "/" not in name:
            raise DataError(f"{root / name} lies in no class folder; move it into one")
    class_of = spellings((name.split("/")[0] for name in found.names), str(root))
    folders = sorted(set(class_of.values()))
    is_named = classes is not None or listed.exists()
    named = read_classes(listed) if is_named else folders
    if not is_named:
        _check_filled(root, folders)
    labels = {name: label for label, name in enumerate(named)}
    stranger = next((name for name in folders if name not in labels), None)
    if stranger is not None:
        raise DataError(f"{root / stranger} is no class of {listed}; add it there or move it away")
    ids = spellings(found.names, str(root))
    label_of = {name: labels[class_of[name.split("/")[0]]] for name in found.names}
    names = sorted(found.names, key=lambda name: (label_of[name], ids[name]))
    return picture_set(
        FolderStore(root, tuple(names)),
        [label_of[name] for name in names],
        [ids[name] for name in names],
        preprocess or to_rgb,
        name="folder",
        split="all",
        n_classes=len(named),
        official_subset=False,
        layout=f"class folders, {len(folders)} of {len(named)} classes",
        n_decoders=n_decoders,
        passed_over=found.passed,
    )


def _tree(folder: Path) -> Path:
    if not folder.exists():
        raise DataError(f"{folder} does not exist; name a folder that holds one folder a class")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder that holds one folder a class")
    return folder


def _path_in(root: Path, listed: Path) -> str:
    """The path of the file of classes inside the tree; "" if it lies elsewhere."""
    try:
        return listed.resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError, RuntimeError):  # Python 3.11 raises the last for links in a circle
        return ""


def _check_filled(root: Path, filled: Sequence[str]) -> None:
    # A class without pictures would move the labels of all classes behind it, unseen.
    try:
        there = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    except OSError as problem:
        raise DataError(f"{root} cannot be read: {problem.strerror}") from None
    hidden = {name for name in there if is_hidden(name) or is_system(name)}
    hollow = next((name for name in there if nfc(name) not in filled and name not in hidden), None)
    if hollow is not None:
        raise DataError(
            f"{root / hollow} holds no pictures, so it is not clear which label each class has;"
            f" fill it, move it away, or list the classes in {CLASSES_FILE} or with `classes=FILE`"
        )


def read_classes(path: Path) -> list[str]:
    """The class folders' names in label order, in NFC. Raises DataError as `read_lines` does."""
    lines = read_lines(path, "a list of classes")
    names = [nfc(line.split("\t")[0].strip()) for line in lines if line]
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise DataError(f"{path} names the class {plain(twice)} twice")
    if not names:
        raise DataError(f"{path} names no class")
    return names
