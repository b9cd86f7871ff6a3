"""One connection to the Hub on loopback: who asks, faults on purpose, answers."""

from __future__ import annotations

import json
import re
import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hubserver.exchange import Fault, Request
from tests.hubserver.repos import Commit, Repo

if TYPE_CHECKING:
    from tests.hubserver.server import HubServer, _Server


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if code is not None:
            self.headers["X-Error-Code"] = code


class Connection(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 with keep-alive; a HEAD never sends a body.

    routes: methods, a pattern of the path, and the endpoint: the method _on_NAME answers.
    """

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    request_seen: Request
    fault: Fault | None

    @property
    def hub(self) -> HubServer:
        return cast("_Server", self.server).hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._read_chunks()
        origin = cast("_Server", self.server).origin
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_seen = Request(self.command, self.path, headers, origin)
        self.hub.requests.append(self.request_seen)
        self.fault = self.hub.fault_for(self.request_seen)
        try:
            if self.fault is not None and self.fault.status is not None:
                wait = self.fault.retry_after
                more = {} if wait is None else {"Retry_After": str(wait)}
                raise Refused(self.fault.status, "a fault on purpose", self.fault.code, **more)
            self._route(body)
        except Refused as refused:
            self._send_json({"error": str(refused)}, refused.status, refused.headers)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names http.server calls

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _route(self, body: bytes) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        for methods, pattern, name in self.routes:
            match = re.fullmatch(pattern, url.path)
            if match and self.command in methods.split("|"):
                parts = {key: unquote(part or "") for key, part in match.groupdict().items()}
                getattr(self, f"_on_{name}")(body, **parts)
                return
        raise Refused(404, f"this Hub does not know {self.command} {url.path}")

    # --- who may do what

    def _token(self) -> str | None:
        """The request's token if the Hub knows it."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not token:
            return None
        if scheme != "Bearer" or token not in self.hub.tokens:
            message = "Invalid credentials in Authorization header"
            raise Refused(401, message, X_Error_Message=message)
        return token

    def _repo(self, name: str) -> Repo:
        token = self._token()
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and token is None):
            status = 404 if token else 401
            raise Refused(status, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, name: str | None = None) -> Repo | None:
        token = self._token()
        if token is None:
            raise Refused(401, "Invalid username or password.")
        if self.hub.tokens[token] != "write":
            raise Refused(403, "you have no right to write here")
        return None if name is None else self._repo(name)

    def _commit(self, repo: Repo, revision: str) -> Commit:
        commit = repo.at(revision or "main")
        if commit is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # --- answering

    def _send_json(
        self, content: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        headers = {**(headers or {}), "Content-Type": "application/json"}
        self._send(json.dumps(content).encode(), status, headers)

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.request_seen.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        fault = self.fault
        step = fault.chunk if fault is not None and fault.pause_s else len(content) or 1
        end = len(content)
        if fault is not None and fault.cut_after is not None:
            end = min(end, fault.cut_after)
        for start in range(0, end, step):
            piece = content[start : min(start + step, end)]
            self.wfile.write(piece)
            self.request_seen.sent += len(piece)
            if fault is not None and self.hub.stopped.wait(fault.pause_s):
                break
        if self.request_seen.sent < len(content):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
