"""One request for a part of a large file, and what its answers mean."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import DataError
from eval.files.ranges import append, begins_at, headers_from
from eval.files.writing import flush_to_disk

if TYPE_CHECKING:
    import httpx2

# Bytes that are there, and bytes of the whole file if known.
OnProgress = Callable[[int, int | None], None]
# From the address, the status and the text of a web page to the address to ask instead.
OnPage = Callable[[str, int, str], str]

_MOST_PAGE_BYTES = 2**20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # worth asking again
_WEB_PAGE = re.compile(rb"\s*<(!doctype html|html|head)", re.IGNORECASE)
_NO_RANGE = re.compile(r"bytes \*/(\d{1,18})")


class NotFetched(DataError):
    """The server cannot be reached, refuses, or sends something else."""


class Unreachable(NotFetched):
    """Nobody answers: another file of the same server would not come either."""


class OtherBytes(NotFetched):
    """What came, or is offered, is not the file that is wanted."""


class AgainError(Exception):
    """A passing fault: the same request may succeed.

    after_s: what the server asks to wait. ends_as: the error if it does not pass.
    """

    def __init__(
        self, why: str, after_s: float = 0.0, ends_as: type[NotFetched] = NotFetched
    ) -> None:
        super().__init__(why)
        self.after_s = after_s
        self.ends_as = ends_as


class ElsewhereError(Exception):
    """A web page came that says where the file is."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@dataclass
class Transfer:
    """What is fetched, from where, into which part file; `validator` is of the file met first."""

    url: str
    part: Path
    sha256: str | None
    md5: str | None
    size: int | None
    verify: Callable[[Path], str] | None
    headers: dict[str, str]
    on_progress: OnProgress | None
    on_page: OnPage | None
    way_out: str
    validator: str | None = None

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a token."""
        return self.url.partition("?")[0]

    @property
    def is_provable(self) -> bool:
        """Whether it can be told that all bytes are of one file."""
        return self.sha256 is not None or self.md5 is not None or self.verify is not None

    def have(self) -> int:
        """Bytes gathered so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    def wrong(self, path: Path) -> str:
        """How the bytes of `path` differ from what is wanted; "" if they do not."""
        got = path.stat().st_size
        if self.size is not None and got != self.size:
            return f"{got} bytes, expected {self.size}"
        for name, wanted in (("sha256", self.sha256), ("md5", self.md5)):
            if wanted is not None:
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, name).hexdigest()
                if digest != wanted:
                    return f"{name} {digest[:12]}, expected {wanted[:12]}"
        return self.verify(path) if self.verify is not None else ""

    def refused(self, why: str, kind: type[NotFetched] = NotFetched) -> NotFetched:
        """The error to end with. `why` goes on from the address."""
        have = self.have() if self.is_provable else 0
        kept = f"; {have / 1e6:.1f} MB are kept in {self.part}" if have else ""
        by_hand = f"put {self.part.name[1:-5]} into {self.part.parent} by hand"
        return kind(f"{self.shown} {why}{kept}; try again later, or {self.way_out or by_hand}")


def request(client: httpx2.Client, transfer: Transfer) -> None:
    """One request for what is missing."""
    import httpx2

    have = transfer.have()
    if have and have == transfer.size:
        return
    headers = {**transfer.headers, **headers_from(have)}
    if have and transfer.validator:
        headers["If-Range"] = transfer.validator
    try:
        with client.stream("GET", transfer.url, headers=headers) as response:
            if response.status_code == 416 and _is_whole(response, have):
                return
            start, total = _begin(response, transfer, have)
            _append(response, transfer, start, total)
    except httpx2.ConnectError as problem:
        raise AgainError(str(problem) or "no connection", ends_as=Unreachable) from None
    except httpx2.TransportError as problem:
        raise AgainError(str(problem) or type(problem).__name__) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        raise transfer.refused(f"could not be fetched ({problem})") from None
    if total is not None and transfer.have() < total:
        raise AgainError(f"the connection ended after {transfer.have()} of {total} bytes")


def _is_whole(response: httpx2.Response, have: int) -> bool:
    """Whether "no such range" means that nothing is missing."""
    told = _NO_RANGE.match(response.headers.get("Content-Range", ""))
    return told is not None and int(told.group(1)) == have


def _begin(response: httpx2.Response, transfer: Transfer, have: int) -> tuple[int, int | None]:
    """Where in the file the answer begins, and the length of the whole; an unfit one is refused."""
    status = response.status_code
    if status in _PASSING:
        told = response.headers.get("Retry-After", "")
        raise AgainError(f"status {status}", float(told) if told.isdecimal() else 0.0)
    if status == 416:
        transfer.part.unlink(missing_ok=True)
        raise AgainError("the server has fewer bytes than are here")
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if is_page and transfer.on_page is not None:
        raise ElsewhereError(transfer.on_page(str(response.url), status, _page(response)))
    if status not in {200, 206}:
        raise transfer.refused(
            f"was refused with status {status} {response.reason_phrase}".rstrip()
        )
    if is_page:
        raise transfer.refused("is a web page, not the file")
    if status == 206:
        came = begins_at(response)
        if came is None or came[0] != have:
            transfer.part.unlink(missing_ok=True)
            raise AgainError("the server sent another range than asked for")
        start, total = came
    else:
        length = response.headers.get("Content-Length", "")
        start, total = 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None
    transfer.validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if transfer.validator and transfer.validator.startswith("W/"):
        transfer.validator = None  # RFC 9110, 13.1.5: a weak one proves no range
    if total is not None and transfer.size is not None and total != transfer.size:
        transfer.part.unlink(missing_ok=True)
        raise transfer.refused(f"has {total} bytes, expected {transfer.size}", OtherBytes)
    return start, total if total is not None else transfer.size


def _page(response: httpx2.Response) -> str:
    """The text of a web page, or the beginning of a very long one."""
    content = b""
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _MOST_PAGE_BYTES:
            break
    return content.decode("utf-8", errors="replace")


def _append(response: httpx2.Response, transfer: Transfer, start: int, total: int | None) -> None:
    free = shutil.disk_usage(transfer.part.parent).free
    if total is not None and total - start > free:
        raise DataError(
            f"{transfer.part.parent} has {free / 1e6:.0f} MB free, and {transfer.shown} needs"
            f" {(total - start) / 1e6:.0f} MB more; make room, or name another folder"
        )

    def check_first(chunk: bytes) -> None:
        if _WEB_PAGE.match(chunk):
            raise transfer.refused("is a web page, not the file")

    tell = transfer.on_progress
    append(
        response,
        transfer.part,
        start,
        at_most=total,
        on_bytes=None if tell is None else lambda done: tell(done, total),
        check_first=check_first,
    )
    flush_to_disk(transfer.part)
