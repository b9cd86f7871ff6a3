"""One large file over HTTP: resumed where it stopped, verified, and only then given its name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from eval.errors import DataError, UsageError
from eval.files.exchange import (
    AgainError,
    ElsewhereError,
    NotFetched,
    OnPage,
    OnProgress,
    OtherBytes,
    Transfer,
    Unreachable,
    request,
)

__all__ = ["NotFetched", "OnPage", "OnProgress", "OtherBytes", "Unreachable", "download"]

_MOST_PAGES = 3
_MOST_WAIT_S = 60.0


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    verify: Callable[[Path], str] | None = None,
    headers: Mapping[str, str] | None = None,
    n_attempts: int = 5,
    wait_s: float = 1.0,
    on_progress: OnProgress | None = None,
    on_page: OnPage | None = None,
    way_out: str = "",
) -> Path:
    """Fetch `url` into the file `path`, whose folder is created; returns `path`.

    sha256, md5, size: what the bytes must be; give what is known. A file at `path` that is so
                       already is not fetched again.
    verify:            where no digest is known: how a whole file is wrong, "" if it is not.
    n_attempts:        how often in a row nothing may arrive before it is given up; between two
                       attempts it waits `wait_s`, twice that, ..., or what the server asks for.
    on_page:           what to ask instead when a web page comes; it may raise the error to end
                       with. Without it a web page is refused.
    way_out:           ends the sentence of a failure; default: how to put the file there by hand.

    The bytes gather in `.NAME.part` beside `path`. What a broken connection, Ctrl-C or a crash
    leaves there is gone on from in the same call; by a later call only where a digest or `verify`
    can prove that both halves are of one file.

    Raises UsageError for an address that is no http(s) one; NotFetched when the server refuses or
    sends a web page, Unreachable when nobody answers, OtherBytes when it has another file;
    DataError when the disk is full, or when another process fetches the same file.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} cannot be fetched: give an address of http:// or https://")
    part = path.with_name(f".{path.name}.part")
    transfer = Transfer(
        url, part, sha256, md5, size, verify, dict(headers or {}), on_progress, on_page, way_out
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part):
            if path.exists() and not transfer.wrong(path):
                return path
            if not transfer.is_provable:
                part.unlink(missing_ok=True)
            try:
                _gather(transfer, n_attempts, wait_s)
            finally:
                if not transfer.have():
                    part.unlink(missing_ok=True)
            part.replace(path)
    except OSError as problem:
        raise DataError(
            f"{path} cannot be written: {problem.strerror or problem}; name another folder"
        ) from problem
    return path


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Hold the lock of `part`; two processes that append to one file would spoil it."""
    from filelock import FileLock, Timeout

    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(
            f"{part.name[1:-5]} is being fetched into {part.parent} by another process; wait for it"
        ) from None
    try:
        yield
    finally:
        # Nobody waits for the lock, so its file may go while it is still held.
        with contextlib.suppress(OSError):
            part.with_suffix(".lock").unlink()
        lock.release()


def _gather(transfer: Transfer, n_attempts: int, wait_s: float) -> None:
    """Fill the part file until it is what is wanted."""
    import httpx2

    is_old = transfer.have() > 0
    n_failed = n_pages = 0
    with httpx2.Client(follow_redirects=True, timeout=httpx2.Timeout(60, connect=15)) as client:
        while True:
            before = transfer.have()
            try:
                request(client, transfer)
            except AgainError as problem:
                n_failed = 1 if transfer.have() > before else n_failed + 1
                if n_failed >= n_attempts:
                    why = f"could not be fetched ({problem})"
                    raise transfer.refused(why, problem.ends_as) from None
                time.sleep(min(max(wait_s * 2 ** (n_failed - 1), problem.after_s), _MOST_WAIT_S))
                continue
            except ElsewhereError as page:
                n_pages = 1 if transfer.have() > before else n_pages + 1
                if n_pages > _MOST_PAGES:
                    raise transfer.refused("leads from one web page to the next") from None
                transfer.url = page.url
                continue
            wrong = transfer.wrong(transfer.part)
            if not wrong:
                return
            transfer.part.unlink()
            if not is_old:
                raise transfer.refused(f"sent other bytes than known: {wrong}", OtherBytes)
            is_old = False  # what an earlier call had left may be to blame: once more from nothing
