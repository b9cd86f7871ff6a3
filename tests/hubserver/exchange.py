"""One request that came in, and what may go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Request:
    """One request as it came in; `sent` counts the body bytes that went out."""

    method: str
    path: str
    headers: dict[str, str]
    origin: str
    status: int = 0
    sent: int = 0


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD path" matches `on`.

    status:     answer with it and no content (429, 503, 403 ...), `retry_after` seconds, `code`
                as X-Error-Code.
    cut_after:  close the connection after so many bytes of the body.
    keep:       send only so many bytes and claim that this is all.
    wrong:      send other bytes of the same length.
    ignore_range: answer 200 with everything.
    pause_s:    wait after each `chunk` bytes of the body.
    """

    on: str = r"^GET .*/(resolve|cdn)/"
    times: int = 1
    status: int | None = None
    retry_after: int | None = None
    code: str | None = None
    cut_after: int | None = None
    keep: int | None = None
    wrong: bool = False
    ignore_range: bool = False
    pause_s: float = 0.0
    chunk: int = 2**14


FOREVER = 10**9
