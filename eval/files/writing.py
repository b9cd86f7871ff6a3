"""Writing files so that a reader sees the old file or the whole new one.

A link is followed, and what it leads to is replaced. What is no regular file never is: a character
device or a FIFO is written to as it is, a folder, a socket and a disk are refused.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from eval.errors import ReportError

ABANDONED_S = 24 * 3600.0
"""How old a temporary file must be to be nobody's, where its process cannot be asked for."""

READER_WAIT_S = 60.0
"""How long a FIFO is waited for until somebody reads it."""

_WRITE = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NOT_FOR_FILES = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFBLK: "it is a disk",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary name beside `path`, flush it to disk, then rename.

    Raises `ReportError` if the folder is missing or cannot be written, the disk is full, or `path`
    is nothing to write to; the old file, if there was one, is then untouched.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror or error}; choose another path"
        ) from error


def replace_file(path: Path, content: bytes) -> None:
    """As `write_atomically`, for callers with their own words: raises `OSError`."""
    about = _about(path)
    if about is not None and (standard := _standard_stream(about)) is not None:
        # Also a file that a shell put there: replaced, it would lose what else is said.
        with os.fdopen(os.dup(standard), "wb") as stream:
            stream.write(content)
    elif about is not None and not stat.S_ISREG(about.st_mode):
        _write_to_stream(path, about, content)
    else:
        with _temporary(_end_of_links(path), content) as (temporary, target):
            temporary.replace(target)


def create_file(path: Path, content: bytes) -> None:
    """Write a file that was not there, whole or not at all, never over another's.

    Raises `FileExistsError` if something is there by now, another `OSError` if it cannot be made.
    """
    with _temporary(path, content) as (temporary, target):
        claim(temporary, target)


def claim(temporary: Path, target: Path) -> None:
    """Give the file `temporary` the name `target` if nobody has it; raises as `create_file`.

    It may keep its own name beside.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        os.close(os.open(target, _WRITE | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666))
        temporary.replace(target)


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
    try:
        about = _about(path)
        if about is not None and stat.S_ISDIR(about.st_mode):
            raise ReportError(f"`{argument}` {path} is a folder: name a file in it")
        if about is not None and _standard_stream(about) is not None:
            return
        if about is not None and not stat.S_ISREG(about.st_mode):
            _check_stream(path, about)
            return
        parent = _end_of_links(path).parent
        if not parent.is_dir():
            raise ReportError(f"`{argument}` {path}: the folder {parent} does not exist: create it")
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise ReportError(
            f"`{argument}` {path} cannot be written: {error.strerror or error}; choose another path"
        ) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_name(path: Path, end: str = "tmp") -> Path:
    """A hidden name beside `path` that nobody can guess, and that says which process took it."""
    return path.with_name(f".{_stem(path)}.{_machine()}-{os.getpid()}.{secrets.token_hex(8)}.{end}")


def leftovers(path: Path, end: str = "tmp") -> Iterator[Path]:
    """What killed processes left beside `path` under names of `temporary_name`.

    Theirs are those whose process on this machine is gone, and whatever is older than a day.
    """
    ours = re.compile(
        rf"\.{re.escape(_stem(path))}\.(?:([0-9a-f]{{8}})-)?(\d{{1,10}})(?:\.[0-9a-f]{{16}})?"
        rf"\.{re.escape(end)}"
    )
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            named = ours.fullmatch(entry.name)
            if named is not None and _is_abandoned(Path(entry), named[1], int(named[2])):
                yield Path(entry)


@contextlib.contextmanager
def _temporary(target: Path, content: bytes) -> Iterator[tuple[Path, Path]]:
    """A file beside `target` that holds `content`, on disk; deleted where it still has its name."""
    for abandoned in leftovers(target):
        with contextlib.suppress(OSError):  # of another user, or gone by now
            if stat.S_ISREG(abandoned.lstat().st_mode):
                abandoned.unlink()
    temporary = temporary_name(target)
    # As new as its name: a link that somebody has put there is neither followed nor replaced.
    descriptor = os.open(temporary, _WRITE | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary, target
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _about(path: Path) -> os.stat_result | None:
    """Of what `path` leads to; None where there is nothing yet."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _end_of_links(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _standard_stream(about: os.stat_result) -> int | None:
    """The descriptor of ours, stdout or stderr, that leads to this very file."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if os.path.samestat(about, os.fstat(descriptor)):
                stream.flush()
                return descriptor
    return None


def _check_stream(path: Path, about: os.stat_result) -> None:
    """Raise `OSError` if what is no regular file cannot be written to either."""
    why = _NOT_FOR_FILES.get(stat.S_IFMT(about.st_mode))
    if why is not None:
        raise OSError(0, why)
    if not os.access(path, os.W_OK):  # never opened before its time: its reader would see the end
        raise OSError(0, "Permission denied")


def _write_to_stream(path: Path, about: os.stat_result, content: bytes) -> None:
    _check_stream(path, about)
    deadline = time.monotonic() + READER_WAIT_S
    while True:
        try:
            descriptor = os.open(path, _WRITE | _NO_WAIT)
            break
        except OSError as error:
            if not stat.S_ISFIFO(about.st_mode) or error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise OSError(0, f"nobody reads it for {READER_WAIT_S:.0f} s") from error
            time.sleep(0.05)
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        os.set_blocking(descriptor, True)
        rest = memoryview(content)
        while rest:
            rest = rest[stream.write(rest) :]


def _stem(path: Path) -> str:
    """The name, or a short one for it where a temporary one would be too long for a disk."""
    name = os.fsencode(path.name)
    return path.name if len(name) < 180 else hashlib.sha256(name).hexdigest()[:32]


def _machine() -> str:
    """Eight digits for where process numbers mean something: this machine, or container of it."""
    space = ""
    with contextlib.suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    node = os.uname().nodename if hasattr(os, "uname") else ""
    return hashlib.sha256(f"{node} {space}".encode()).hexdigest()[:8]


def _is_abandoned(path: Path, machine: str | None, process: int) -> bool:
    with contextlib.suppress(OSError):
        if time.time() - path.lstat().st_mtime > ABANDONED_S:
            return True
        return machine == _machine() and not _runs(process)
    return False


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
