"""Which images a run is about: files that list ids, and the forms in which ids are written."""

from __future__ import annotations

import re
from collections.abc import Container

from eval.data.text import read_lines
from eval.errors import UsageError
from eval.files.paths import AnyPath, path_of

# As a path in the tree (`val/n01440764/ILSVRC2012_val_00000293.JPEG`; the list of RobustBench has
# such lines without `val/`) or as the Hub names it (`ILSVRC2012_val_00000293_n01440764.JPEG`).
_IMAGENET = re.compile(r"(?:.*/)?(ILSVRC2012_val_\d{8})(?:_n\d{8})?(?:\.jpe?g)?", re.IGNORECASE)


def read_ids(path: AnyPath) -> tuple[str, ...]:
    """The ids in a text file, one a line, in its order; blank lines and # comments are passed over.

    Raises UsageError when the file is not there or names no id; DataError when it is no text.
    """
    path = path_of(path, "ids")
    try:
        path.stat()
    except OSError as problem:
        raise UsageError(f"`read_ids({str(path)!r})` cannot be read: {problem.strerror}") from None
    lines = read_lines(path, "a list of ids")
    ids = tuple(line.strip() for line in lines if line and not line.startswith("#"))
    if not ids:
        raise UsageError(f"`read_ids({str(path)!r})` names no id; write one id a line")
    return ids


def canonical(written: str, known: Container[str]) -> str:
    """The id that `written` means: itself, or an ImageNet file's name without folders and suffix.

    A text that means none of the `known` ids comes back unchanged.
    """
    if written in known:
        return written
    match = _IMAGENET.fullmatch(written.replace("\\", "/"))
    return match.group(1) if match and match.group(1) in known else written
