"""Every reader is a border: what a stranger hands over becomes data or one sentence. No torch."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from eval.errors import SatZooError, first_fault, first_line
from eval.files.limits import check

LONGEST = 200
"""Characters of a stranger's text that a sentence repeats."""

LONGEST_PATH = 1000
"""Of the path that a sentence is about: its end is the part that tells."""


@contextmanager
def border(source: Path | str, error: type[SatZooError], remedy: str) -> Iterator[None]:
    """Whatever is raised within becomes one `error` that names `source`, why, and the remedy.

    Sentences of ours pass as they are. Not caught: Ctrl-C, and what ends the interpreter.
    """
    try:
        yield
    except SatZooError:
        raise
    except Exception as problem:
        raise error(
            f"{plain(str(source), LONGEST_PATH)} cannot be read ({reason(problem)}): {remedy}"
        ) from problem


def reason(problem: Exception) -> str:
    """Why something cannot be read, in a few words for a sentence."""
    if isinstance(problem, RecursionError):
        return "it is nested too deep"
    if isinstance(problem, MemoryError):
        return "it needs more memory than there is"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    if isinstance(problem, ValidationError):
        return plain(first_fault(problem, "it"))
    return plain(first_line(problem))


def plain(text: str, most: int = LONGEST) -> str:
    """A stranger's text as a sentence may repeat it: on one line, visible, at most `most` long.

    Control characters, line ends and signs that turn the direction of writing are written as
    escapes, so that a name cannot draw over what stands around it on a terminal.
    """
    shown = ""
    for char in text:
        visible = char if char.isprintable() else _escaped(char)
        if len(shown) + len(visible) > most:
            return f"{shown}..."
        shown += visible
    return shown


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def is_file(path: Path) -> bool:
    """Whether `path` is a regular file; a name that cannot be one, or be asked for, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Raises `OSError` or `ValueError` for the border around it: also for a device, a FIFO or a
    folder, which are never waited for.
    """
    # Without O_NONBLOCK the opening of a FIFO waits for somebody who writes.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        yield file


def read_bytes(path: Path, limit: str = "record_bytes") -> bytes:
    """The bytes of a regular file, of which there are no more than the limit of that name.

    Raises as `open_regular`, and `ValueError` for a larger file.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        check(limit, size, "bytes")
        content = file.read(size + 1)
        check(limit, len(content), "bytes")
    return content
