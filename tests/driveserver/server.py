"""The server: `/uc` sends on to `/download`, as drive.google.com does to usercontent.

State lies in memory and is open to the test: `drive.files`, `drive.requests`.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

from tests.driveserver.pages import PAGES, confirmation, old_confirmation

FOREVER = 10**9


@dataclass
class Request:
    """One request as it came in; `sent` counts the body bytes that went out."""

    path: str
    file_id: str
    headers: dict[str, str]
    sent: int = 0


@dataclass
class Fault:
    """What goes wrong with the next `times` requests for the bytes of `file_id` (None: of any).

    page:       one of PAGES comes instead. status: only this status comes.
    cut_after:  the connection ends after so many bytes. keep: so many bytes are said to be all.
    wrong:      other bytes of the same length. no_range: everything, whatever range is asked for.
    pause_s:    wait after each `chunk` bytes. as_file: the page claims to be a plain file.
    """

    file_id: str | None = None
    times: int = 1
    page: str | None = None
    status: int | None = None
    retry_after: int | None = None
    cut_after: int | None = None
    keep: int | None = None
    wrong: bool = False
    no_range: bool = False
    as_file: bool = False
    pause_s: float = 0.0
    chunk: int = 2**14


@dataclass
class DriveServer:
    """Use as a context manager; `url` is what SAT_ZOO_DRIVE_ENDPOINT names.

    files:  id -> bytes. unscanned: ids before which a page asks to confirm; old: in its old form.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    unscanned: set[str] = field(default_factory=set)
    old: bool = False
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> DriveServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def break_next(self, fault: Fault) -> None:
        self.faults.append(fault)

    def fault_for(self, file_id: str) -> Fault:
        """The fault of this request, which is used up; one that does nothing if there is none."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.file_id in {None, file_id}:
                    fault.times -= 1
                    return fault
        return Fault()

    def asked(self, file_id: str) -> list[Request]:
        """The requests for the bytes of a file."""
        found = [r for r in self.requests if r.file_id == file_id]
        return [r for r in found if r.path.startswith("/download")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, drive: DriveServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.drive = drive

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in mid-answer (a killed process) is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.drive = cast("_Server", self.server).drive
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        file_id = query.get("id", "")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_seen = Request(self.path, file_id, headers)
        self.drive.requests.append(self.request_seen)
        if url.path == "/ServiceLogin":
            self._send_page(*PAGES["sign-in"])
        elif url.path not in {"/uc", "/download"} or file_id not in self.drive.files:
            self._send_page(*PAGES["missing"])
        elif url.path == "/uc" and "confirm" not in query:
            self._on_uc(file_id)
        elif file_id in self.drive.unscanned and "confirm" not in query:
            self._send_page(200, confirmation(file_id, "/download"))
        elif (
            file_id in self.drive.unscanned
            and not self.drive.old
            and query.get("uuid") != f"uuid-of-{file_id}"
        ):
            self._send_page(*PAGES["missing"])
        elif url.path == "/uc":
            self._send(b"", 303, {"Location": self.path.replace("/uc", "/download", 1)})
        else:
            self._on_download(file_id)

    def _on_uc(self, file_id: str) -> None:
        if file_id not in self.drive.unscanned:
            self._send(b"", 303, {"Location": f"/download?id={file_id}&export=download"})
        elif self.drive.old:
            self._send_page(200, old_confirmation(file_id))
        else:
            self._send_page(200, confirmation(file_id, "/download"))

    def _on_download(self, file_id: str) -> None:
        fault = self.drive.fault_for(file_id)
        if fault.page == "sign-in":
            self._send(b"", 302, {"Location": "/ServiceLogin?continue=x"})
            return
        if fault.page is not None:
            self._send_page(*PAGES[fault.page], as_file=fault.as_file)
            return
        if fault.status is not None:
            wait = fault.retry_after
            self._send(b"", fault.status, {} if wait is None else {"Retry-After": str(wait)})
            return
        content = self.drive.files[file_id]
        if fault.wrong:
            content = bytes(byte ^ 0x55 for byte in content)
        content = content[: fault.keep]
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or fault.no_range:
            self._send(content, 200, headers, fault)
            return
        first = int(asked[1])
        if first >= len(content):
            self._send(b"", 416, {"Content-Range": f"bytes */{len(content)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(content[first:], 206, headers, fault)

    def _send_page(self, status: int, text: str, *, as_file: bool = False) -> None:
        kind = "application/octet-stream" if as_file else "text/html; charset=utf-8"
        self._send(text.encode(), status, {"Content-Type": kind})

    def _send(
        self, body: bytes, status: int, headers: dict[str, str], fault: Fault | None = None
    ) -> None:
        fault = fault or Fault()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        whole = len(body)
        body = body[: fault.cut_after]
        for start in range(0, len(body), fault.chunk):
            part = body[start : start + fault.chunk]
            self.wfile.write(part)
            self.wfile.flush()
            self.request_seen.sent += len(part)
            time.sleep(fault.pause_s)
        if len(body) < whole:
            self.close_connection = True
