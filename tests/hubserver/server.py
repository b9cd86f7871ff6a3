"""A Hugging Face Hub on loopback: what the real client asks for, and the faults it may meet.

State lies in memory and is open to the test: `hub.repos`, `hub.objects`, `hub.requests`. The
protocol is the one that huggingface_hub 2.4 speaks with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer

from tests.hubserver.exchange import Fault, Request
from tests.hubserver.handler import Handler
from tests.hubserver.repos import Repo, file_of


class HubServer:
    """The server; use as a context manager. `url` is its HF_ENDPOINT.

    tokens:  known tokens and what each may do, "read" or "write".
    use_cdn: send readers of large files to another origin, as the real Hub does.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.tokens: dict[str, str] = {}
        self.use_cdn = False
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._servers = [_Server(self, "hub"), _Server(self, "cdn")]
        self.url, self.cdn_url = (
            f"http://127.0.0.1:{server.server_port}" for server in self._servers
        )

    def __enter__(self) -> HubServer:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.stopped.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        private: bool = False,
        gated: bool = False,
        branch: str = "main",
    ) -> str:
        """Commit `files` to the repository `name`, new or not; returns the commit."""
        repo = self.repos.setdefault(name, Repo(name, private=private, gated=gated))
        changed = {path: file_of(path, content) for path, content in files.items()}
        self.objects.update({file.sha256: file.content for file in changed.values() if file.is_lfs})
        return repo.commit(changed, branch=branch)

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """All files of a repository at a revision, for looking at what was pushed."""
        commit = self.repos[name].at(revision)
        if commit is None:
            raise KeyError(f"{name} has no revision {revision}")
        return {path: file.content for path, file in commit.files.items()}

    def break_next(self, fault: Fault) -> None:
        self.faults.append(fault)

    def fault_for(self, request: Request) -> Fault | None:
        """The fault of this request; it is used up by being asked for."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.on, f"{request.method} {request.path}"):
                    fault.times -= 1
                    return fault
        return None

    def seen(self, pattern: str = "") -> list[Request]:
        """The requests so far whose "METHOD path" matches."""
        return [r for r in self.requests if re.search(pattern, f"{r.method} {r.path}")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, hub: HubServer, origin: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub
        self.origin = origin

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in mid-answer (a killed process) is no news."""
