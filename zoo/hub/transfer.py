"""One file over HTTP into a partial file that a later process can go on with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import sleep
from typing import TypeVar

import httpx2
from huggingface_hub import constants, get_session, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError

from eval.files.ranges import append, begins_at, headers_from
from zoo.hub.cache import size_of

T = TypeVar("T")
OnBytes = Callable[[int], None]  # told how many bytes are there

_PASSING = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT_S = 300  # the Hub counts requests in windows of five minutes


def patiently(act: Callable[[], T], waits_s: Sequence[float], done: Callable[[], int]) -> T:
    """What `act` returns; a failure that may pass is waited out, then `act` is called again.

    waits_s: seconds before each new try, unless the answer itself says how long (Retry-After).
    done:    a count that grows with progress; failures are counted anew after some.

    Raises the last error when all waits are used up, or at once if waiting cannot help.
    """
    n_failures, before = 0, done()
    while True:
        try:
            return act()
        except httpx2.HTTPError as error:  # HfHubHTTPError is one too
            if done() > before:
                n_failures, before = 0, done()
            wait_s = _wait_s(error, waits_s, n_failures)
            if wait_s is None:
                raise
            n_failures += 1
        sleep(wait_s)


def _wait_s(error: httpx2.HTTPError, waits_s: Sequence[float], n_failures: int) -> float | None:
    """How long to wait before the next try; None to give up."""
    if n_failures >= len(waits_s):
        return None
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in _PASSING:
            return None
        asked_s = _asked_to_wait_s(error.response.headers)
        if asked_s is not None:
            return asked_s if asked_s <= _LONGEST_WAIT_S else None
    elif not isinstance(error, httpx2.TransportError) or isinstance(
        error, httpx2.UnsupportedProtocol | httpx2.ProxyError
    ):
        return None
    return waits_s[n_failures]


def _asked_to_wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `Retry-After: 55` or from the Hub's own `RateLimit: "api";r=0;t=55`."""
    spent = re.search(r"\br=0;\s*t=(\d+)", headers.get("RateLimit", ""))
    after = re.fullmatch(r"\s*(\d+)\s*", headers.get("Retry-After", ""))
    found = spent or after
    return float(found[1]) if found else None


def transfer(
    url: str, part: Path, size: int, headers: Mapping[str, str], progress: OnBytes | None
) -> None:
    """Append to `part` what it lacks to `size` bytes; whatever ends it early, the bytes stay.

    The Authorization in `headers` is for the origin of `url` alone: httpx2 drops it when it
    follows a redirect to another one.

    Raises httpx2's and huggingface_hub's errors, `OSError` of the disk.
    """
    start = size_of(part)
    asked = {**headers, **headers_from(start)}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=asked, timeout=timeout) as answer:
        if answer.status_code >= 400:
            answer.read()
            hf_raise_for_status(answer)
        came = begins_at(answer)  # a server may send everything instead
        if came is None or came[0] != start:
            start = 0
        # Too many bytes are not the file: whoever verifies it will say so.
        done = append(answer, part, start, at_most=size, on_bytes=progress)
    if done < size:
        raise httpx2.RemoteProtocolError(f"{done} of {size} bytes came")
