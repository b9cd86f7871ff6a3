"""The endpoints of the Hub on loopback, and what it answers to a client that reads."""

from __future__ import annotations

import json
import re

from tests.hubserver.connection import Refused
from tests.hubserver.repos import File, tree_entry
from tests.hubserver.writing import Writing

ID = r"(?P<id>(?:spaces/)?[^/]+/[^/]+)"
API = rf"/api/(?:models/|(?=spaces/)){ID}"
ROUTES = (
    ("GET", API, "model_info"),
    ("GET", rf"{API}/revision/(?P<rev>[^/]+)", "model_info"),
    ("GET", rf"{API}/tree/(?P<rev>[^/]+)(?P<under>/.*)?", "tree"),
    ("POST", rf"{API}/paths-info/(?P<rev>[^/]+)", "paths_info"),
    ("GET", "/api/whoami-v2", "whoami"),
    ("GET|HEAD", rf"/{ID}/resolve/(?P<rev>[^/]+)/(?P<file>.+)", "resolve"),
    ("GET|HEAD", r"/cdn/(?P<oid>[0-9a-f]{64})", "cdn"),
    ("POST", "/api/repos/create", "create"),
    ("DELETE", "/api/repos/delete", "delete"),
    ("POST", "/api/validate-yaml", "validate_yaml"),
    ("POST", rf"{API}/preupload/(?P<rev>[^/]+)", "preupload"),
    ("POST", rf"/{ID}\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_put"),
    ("POST", r"/lfs/verify", "lfs_verify"),
    ("POST", rf"{API}/commit/(?P<rev>[^/]+)", "commit"),
)


class Handler(Writing):
    """All endpoints that huggingface_hub calls."""

    routes = ROUTES

    def _on_model_info(self, body: bytes, id: str, rev: str = "main") -> None:
        repo = self._repo(id)
        with_blobs = "blobs" in self.query
        self._send_json(repo.info(self._commit(repo, rev), with_blobs=with_blobs))

    def _on_tree(self, body: bytes, id: str, rev: str, under: str = "") -> None:
        files = self._commit(self._repo(id), rev).files
        folder = under.strip("/")
        found = [tree_entry(p, f) for p, f in sorted(files.items()) if p.startswith(folder)]
        self._send_json(found)

    def _on_paths_info(self, body: bytes, id: str, rev: str) -> None:
        files = self._commit(self._repo(id), rev).files
        asked = json.loads(body)["paths"]
        self._send_json([tree_entry(path, files[path]) for path in asked if path in files])

    def _on_whoami(self, body: bytes) -> None:
        token = self._token()
        if token is None:
            raise Refused(401, "Invalid username or password.")
        role = {"displayName": "test", "role": self.hub.tokens[token]}
        auth = {"type": "access_token", "accessToken": role}
        self._send_json({"type": "user", "name": "tester", "orgs": [], "auth": auth})

    def _on_resolve(self, body: bytes, id: str, rev: str, file: str) -> None:
        repo = self._repo(id)
        if repo.gated and self._token() not in repo.granted:
            status = 403 if self._token() else 401
            raise Refused(status, f"Access to model {id} is restricted", "GatedRepo")
        commit = self._commit(repo, rev)
        found = commit.files.get(file)
        if found is None:
            message = "Entry not found"
            raise Refused(404, message, "EntryNotFound", X_Repo_Commit=commit.oid)
        headers = {"X-Repo-Commit": commit.oid}
        if found.is_lfs:
            headers["X-Linked-Etag"] = f'"{found.etag}"'
            headers["X-Linked-Size"] = str(len(found.content))
        if found.is_lfs and self.hub.use_cdn:
            headers["Location"] = f"{self.hub.cdn_url}/cdn/{found.sha256}?signature=s3cret"
            self._send(b"", 302, headers)
        else:
            self._send_file(found, headers)

    def _on_cdn(self, body: bytes, oid: str) -> None:
        if "Authorization" in self.headers:
            raise Refused(400, "only one auth mechanism is allowed")
        if oid not in self.hub.objects:
            raise Refused(403, "no such object, or the signature is too old")
        self._send_file(File(self.hub.objects[oid], True), {})

    def _send_file(self, file: File, headers: dict[str, str]) -> None:
        content = file.content
        if self.fault is not None and self.fault.wrong:
            content = bytes(byte ^ 0x55 for byte in content)
        if self.fault is not None and self.fault.keep is not None:
            content = content[: self.fault.keep]
        headers = {**headers, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or (self.fault is not None and self.fault.ignore_range):
            self._send(content, 200, headers)
            return
        first, last = int(asked[1]), int(asked[2] or len(content) - 1)
        if first >= len(content):
            raise Refused(416, "no such range", Content_Range=f"bytes */{len(content)}")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(content[first : last + 1], 206, headers)
