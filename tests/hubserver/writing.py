"""What the Hub on loopback answers to a client that writes."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.hubserver.connection import Connection, Refused
from tests.hubserver.repos import File, Repo, is_large


class Writing(Connection):
    """Repositories, uploads, commits."""

    def _on_create(self, body: bytes) -> None:
        self._writable()
        asked = json.loads(body)
        kind = "spaces/" if asked.get("type") == "space" else ""
        name = f"{kind}{asked.get('organization') or 'tester'}/{asked['name']}"
        url = {"url": f"{self.hub.url}/{name}", "name": name}
        if name in self.hub.repos:
            self._send_json({**url, "error": "You already created this model repo"}, 409)
            return
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.repos[name] = Repo(name, private=private, sdk=asked.get("sdk"))
        start = {".gitattributes": File(b"*.safetensors filter=lfs\n", False)}
        self.hub.repos[name].commit(start, message="initial commit")
        self._send_json(url)

    def _on_delete(self, body: bytes) -> None:
        self._writable()
        asked = json.loads(body)
        self.hub.repos.pop(f"{asked.get('organization') or 'tester'}/{asked['name']}", None)
        self._send_json({})

    def _on_validate_yaml(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        errors = [] if content.startswith("---\n") else [{"message": "no metadata"}]
        self._send_json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _on_preupload(self, body: bytes, id: str, rev: str) -> None:
        repo = self._writable(id)
        assert repo is not None
        there = self._commit(repo, rev).files
        self._send_json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if is_large(file["path"], file["size"]) else "regular",
                        "shouldIgnore": False,
                        **({"oid": there[path].etag} if (path := file["path"]) in there else {}),
                    }
                    for file in json.loads(body)["files"]
                ]
            }
        )

    def _on_lfs_batch(self, body: bytes, id: str) -> None:
        self._writable(id)
        replies: list[dict[str, Any]] = []
        for asked in json.loads(body)["objects"]:
            reply = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.objects:
                reply["actions"] = {
                    "upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}"},
                    "verify": {"href": f"{self.hub.url}/lfs/verify"},
                }
            replies.append(reply)
        self._send_json({"transfer": "basic", "objects": replies})

    def _on_lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise Refused(400, "the content is not what its name says")
        self.hub.objects[oid] = body
        self._send(b"", 200, {"ETag": f'"{oid}"'})

    def _on_lfs_verify(self, body: bytes) -> None:
        self._writable()
        asked = json.loads(body)
        if len(self.hub.objects.get(asked["oid"], b"")) != asked["size"]:
            raise Refused(404, "no such object")
        self._send_json({})

    def _on_commit(self, body: bytes, id: str, rev: str) -> None:
        repo = self._writable(id)
        assert repo is not None
        message, changed = "", {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                message = value["summary"]
                if value.get("parentCommit") not in (None, repo.branches.get(rev)):
                    raise Refused(412, "a commit has happened since")
            else:
                changed[value["path"]] = self._changed_file(entry["key"], value)
        oid = repo.commit(changed, message=message, branch=rev)
        url = f"{self.hub.url}/{id}/commit/{oid}"
        self._send_json({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    def _changed_file(self, key: str, value: dict[str, Any]) -> File | None:
        if key == "deletedFile":
            return None
        if key == "file":
            return File(base64.b64decode(value["content"]), False)
        if key == "lfsFile" and value["oid"] in self.hub.objects:
            return File(self.hub.objects[value["oid"]], True)
        raise Refused(400, f"{key} {value.get('path')}: cannot be committed")
