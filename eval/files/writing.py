"""Writing files so that a reader sees the old file or the whole new one."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from eval.errors import ReportError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary name beside `path`, flush it to disk, then rename.

    Raises `ReportError` if the folder is missing or cannot be written, or the disk is full; the
    old file, if there was one, is then untouched.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror}; choose another path"
        ) from error


def replace_file(path: Path, content: bytes) -> None:
    """As `write_atomically`, for callers with their own words: raises `OSError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        flush_to_disk(temporary)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Flush a file or a folder to the disk: a rename must not outrun what it publishes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(path: Path, argument: str = "out") -> None:
    """Find out now, not after hours of work, whether `path` can be written.

    Raises `ReportError` naming `argument`, the path and the remedy.
    """
    if path.is_dir():
        raise ReportError(f"`{argument}` {path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise ReportError(
            f"`{argument}` {path}: the folder {path.parent} does not exist: create it"
        )
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ReportError(
            f"`{argument}` {path} cannot be written: {error.strerror}; choose another path"
        ) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
