"""Which entries of a folder or an archive are data: the one place that decides.

Three answers: a picture; a file or folder that a system or a tool made, which is never data and
never spoken of; and anything else, which is passed over, counted and named.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from eval.data.files.pictures import suffixes

# No name that somebody could give a class: no bare "cache", "thumbs" or "recycler".
_SYSTEM_NAMES = frozenset(
    {
        # macOS, and file servers that speak its protocol
        "__macosx", ".ds_store", ".ds_store?", ".appledouble", ".appledb", ".appledesktop",
        ".apdisk", ".documentrevisions-v100", ".fseventsd", ".localized", ".metadata_never_index",
        ".spotlight-v100", ".temporaryitems", ".trash", ".trashes", ".volumeicon.icns", "icon\r",
        "network trash folder", "temporary items", "thevolumesettingsfolder",
        # Windows
        "$recycle.bin", "desktop.ini", "ehthumbs.db", "ehthumbs_vista.db",
        "system volume information", "thumbs.db", "thumbs.db:encryptable",
        # Linux desktops and file systems
        ".directory", ".sh_thumbnails", ".thumbnails", ".xvpics", ".zfs", "lost+found",
        # network storage: Synology, QNAP, NetApp
        "#recycle", "#snapshot", "@eadir", "@recently-snapshot", "@recycle", "@sharebin",
        "@transcode", ".@__thumb", "@__thumb", ".@upload_cache", ".snapshot", ".snapshots",
        "~snapshot",
        # programs for pictures and for keeping folders equal
        ".dropbox", ".dropbox.attr", ".dropbox.cache", ".dtrash", ".nomedia", ".picasa.ini",
        "picasa.ini", ".picasaoriginals", ".stfolder", ".stignore", ".stversions", ".sync",
        ".tmp.drivedownload", ".tmp.driveupload",
        # programming
        ".bzr", ".cache", ".dvc", ".dvcignore", ".git", ".gitattributes", ".gitignore", ".gitkeep",
        ".hg", ".huggingface", ".idea", ".ipynb_checkpoints", ".keep", ".svn", ".vscode",
        "__pycache__",
    }
)  # fmt: skip
_SYSTEM_FORMS = re.compile(
    r"\._.*"  # macOS: what another file system cannot hold of the file beside it
    r"|\.trash-\d+|\.nfs[0-9a-f]{8,}|\.fuse_hidden.*|\.syncthing\..*|\.~lock\..*"
    r"|found\.\d{3}"  # Windows: what a check of the disk gathered
    r"|.*@syno(eastream|resource)|.*:zone\.identifier",
    re.DOTALL,
)
# Text about the data, which is beside pictures everywhere and is none.
_DOCUMENT = re.compile(
    r"(readme|licen[cs]e|copying|notice|citation|attribution|authors|changelog|checksums|manifest"
    r"|md5sums|sha1sums|sha256sums)(\.(md|txt|rst|cff|html|csv|json))?|valprep\.sh"
)
_ENDING = re.compile(r"\.[\w~-]{1,12}")
_MOST_TOLD = 8

Kind = Literal["file", "folder", "special"]


@dataclass(frozen=True)
class Entry:
    """What lies in a container: its path there, with forward slashes, and what it is.

    kind: "special" is whatever is neither a folder nor a file with bytes of its own.
    """

    name: str
    kind: Kind = "file"


@dataclass(frozen=True)
class Passed:
    """What was passed over for one reason: "3 files ending in .heic", for example a/1.heic."""

    noun: str
    rest: str
    n: int
    example: str

    def __str__(self) -> str:
        words = f"{self.n} {self.noun}{'s' if self.n > 1 else ''} {self.rest}".rstrip()
        shown = self.example if self.example.isprintable() else ascii(self.example)
        return f"{words} ({'such as ' if self.n > 1 else ''}{shown})"


def told(passed: Sequence[Passed]) -> str:
    """One sentence for people; the most frequent reasons first."""
    ordered = sorted(passed, key=lambda one: (-one.n, one.noun, one.rest))
    words = [str(one) for one in ordered[:_MOST_TOLD]]
    n_others = sum(one.n for one in ordered[_MOST_TOLD:])
    if n_others:
        words.append(f"{n_others} for other reasons")
    return f"passed over and no part of the data: {', '.join(words)}"


def is_system(path: str) -> bool:
    """Whether a path is, or lies in, what a system or a tool made for itself; never data."""
    folder, _, name = path.replace("\\", "/").rpartition("/")
    return _is_system_name(name.casefold()) or (folder != "" and _is_in_system(folder))


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot."""
    return path.startswith(".") or "/." in path


def is_picture(path: str) -> bool:
    """Whether a path names a picture file: not a system's, not hidden, of an ending we read."""
    return _suffix(path) in suffixes() and not is_hidden(path) and not is_system(path)


def sort_out(
    entries: Sequence[Entry], is_read: Callable[[str], bool] = lambda _: False
) -> tuple[list[int], tuple[Passed, ...]]:
    """Which of `entries` are pictures, in their order, and what else is there.

    is_read: for the path of a file that the caller reads as something else, as a list of classes.
    """
    pictures: list[int] = []
    others: list[tuple[str, str, str]] = []
    hidden: set[str] = set()  # the part that begins with a dot, once for all that lies in it
    folders: set[str] = set()
    filled: set[str] = set()
    for index, entry in enumerate(entries):
        if not entry.name or is_system(entry.name):
            continue
        if is_hidden(entry.name):
            hidden.add(_hidden_part(entry.name))
            continue
        parent = entry.name.rpartition("/")[0]
        folders.add(entry.name if entry.kind == "folder" else parent)
        if entry.kind == "folder":
            continue
        if entry.kind == "special":
            others.append(("link or special file", "", entry.name))
        elif _suffix(entry.name) in suffixes():
            pictures.append(index)
            filled.add(parent)
        elif not is_read(entry.name) and not _is_document(entry.name):
            others.append(("file", _why(entry.name), entry.name))
    hollow = _with_parents(folders) - _with_parents(filled)
    others += [("hidden file", "", one) for one in hidden]
    others += [("folder", "without pictures", one) for one in _topmost(hollow)]
    return pictures, counted(others)


def counted(others: Iterable[tuple[str, str, str]]) -> tuple[Passed, ...]:
    """(noun, rest, path) of everything that was passed over, as one `Passed` a reason."""
    examples: dict[tuple[str, str], str] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for noun, rest, path in others:
        numbers[noun, rest] += 1
        examples[noun, rest] = min(path, examples.get((noun, rest), path))
    return tuple(Passed(*key, n, examples[key]) for key, n in sorted(numbers.items()))


@lru_cache(maxsize=4096)
def _is_in_system(folder: str) -> bool:
    return any(map(_is_system_name, folder.casefold().split("/")))


def _is_system_name(name: str) -> bool:
    return name in _SYSTEM_NAMES or _SYSTEM_FORMS.fullmatch(name) is not None


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 (a path inside an archive)


def _why(path: str) -> str:
    suffix = _suffix(path)
    return f"ending in {suffix}" if _ENDING.fullmatch(suffix) else "without a known ending"


def _is_document(path: str) -> bool:
    return _DOCUMENT.fullmatch(path.rpartition("/")[2].casefold()) is not None


def _hidden_part(path: str) -> str:
    parts = path.split("/")
    depth = next(i for i, part in enumerate(parts, 1) if part.startswith("."))
    return "/".join(parts[:depth])


def _with_parents(folders: set[str]) -> set[str]:
    found: set[str] = set()
    for folder in folders:
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]  # noqa: PLW2901
    return found


def _topmost(folders: set[str]) -> list[str]:
    return sorted(one for one in folders if one.rpartition("/")[0] not in folders)
