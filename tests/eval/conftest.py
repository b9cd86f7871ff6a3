"""A server on the loopback interface."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from eval import evaluation, protocol


@dataclass
class Server:
    """What the loopback server sends, and what it was asked.

    cuts: how many bytes of the body each of the first answers sends before it hangs up.
    statuses: of the first answers. asked: the Range header of each request, "" without one.
    """

    url: str = ""
    content: bytes = b""
    content_type: str = "application/x-gzip"
    etag: str = '"1"'
    has_ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        status, start = self.statuses.pop(0) if self.statuses else 200, 0
        is_same = request.headers.get("If-Range", self.etag) == self.etag
        if status == 200 and wanted and self.has_ranges and is_same:
            start = int(re.findall(r"\d+", wanted)[0])
            status = 206 if start < len(self.content) else 416
        body = self.content[start:] if status in {200, 206} else b""
        request.send_response(status)
        request.send_header("Content-Type", self.content_type)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", self.etag)
        size = len(self.content)
        if status == 206:
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if status == 416:
            request.send_header("Content-Range", f"bytes */{size}")
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@pytest.fixture
def server() -> Iterator[Server]:
    """A real HTTP server on the loopback interface that can be told to misbehave."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}/file.bin?token=secret"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture
def short_autoattack(monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoAttack with all of its stages and few of its steps."""
    steps = {"apgd-ce": 4, "apgd-t": 3, "fab-t": 3, "square": 20}
    whole = protocol("autoattack")
    stages = tuple(
        one.model_copy(update={"steps": steps[one.name], "targets": one.targets and 2})
        for one in whole.stages
    )
    real = evaluation.protocol

    def shortened(name: str, **options: Any) -> Any:
        if name != "autoattack":
            return real(name, **options)
        return whole.model_copy(update={"stages": stages})

    monkeypatch.setattr(evaluation, "protocol", shortened)
