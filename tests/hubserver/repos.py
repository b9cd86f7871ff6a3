"""What a Hub keeps: repositories, their commits and files. Everything in memory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

LARGE = (".safetensors", ".bin", ".npz", ".onnx", ".zip")


@dataclass(frozen=True)
class File:
    """One file of one commit."""

    content: bytes
    is_lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob_id(self) -> str:
        """What git calls the content (of an LFS file the real Hub hashes its pointer)."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.blob_id


def file_of(path: str, content: bytes) -> File:
    return File(content, is_large(path, len(content)))


def is_large(path: str, size: int) -> bool:
    return path.endswith(LARGE) or size > 10 * 2**20


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    message: str
    files: Mapping[str, File]


@dataclass
class Repo:
    """A model or a Space: `branches` name commits; a tag is a branch that nobody moves.

    name:    ORG/NAME, of a Space spaces/ORG/NAME. sdk: of a Space.
    private: only known tokens see it. gated: only the tokens in `granted` read its files.
    """

    name: str
    private: bool = False
    gated: bool = False
    sdk: str | None = None
    granted: set[str] = field(default_factory=set)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def commit(
        self,
        changed: Mapping[str, File | None],
        *,
        message: str = "change",
        branch: str = "main",
    ) -> str:
        """Commit `changed` (None deletes a file) on top of the branch; returns the commit's oid."""
        parent = self.branches.get(branch)
        files = dict(self.commits[parent].files) if parent else {}
        for path, file in changed.items():
            if file is None:
                files.pop(path, None)
            else:
                files[path] = file
        oid = hashlib.sha1(f"{self.name} {next(self._count)} {message}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, message, files)
        self.branches[branch] = oid
        return oid

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch or of a full commit hash."""
        return self.commits.get(self.branches.get(revision, revision))

    def info(self, commit: Commit, *, with_blobs: bool) -> dict[str, object]:
        siblings = [
            {"rfilename": path, **(sizes(file) if with_blobs else {})}
            for path, file in sorted(commit.files.items())
        ]
        name = self.name.removeprefix("spaces/")
        return {
            "_id": hashlib.sha1(self.name.encode()).hexdigest()[:24],
            "id": name,
            "modelId": name,
            "author": name.partition("/")[0],
            "sha": commit.oid,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": siblings,
            **({"sdk": self.sdk} if self.sdk else {}),
        }


def sizes(file: File) -> dict[str, object]:
    lfs = {"sha256": file.sha256, "size": len(file.content), "pointerSize": 134}
    return {
        "size": len(file.content),
        "blobId": file.blob_id,
        **({"lfs": lfs} if file.is_lfs else {}),
    }


def tree_entry(path: str, file: File) -> dict[str, object]:
    lfs = {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}
    return {
        "type": "file",
        "path": path,
        "size": len(file.content),
        "oid": file.blob_id,
        **({"lfs": lfs} if file.is_lfs else {}),
    }
