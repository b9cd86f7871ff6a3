"""One commit to the Hub, of a model or of a Space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eval.errors import SatZooError

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo, SpaceInfo


def commit(
    api: HfApi,
    repo: str,
    files: Mapping[str, bytes | Path],
    stale: Iterable[str],
    *,
    before: ModelInfo | SpaceInfo,
    message: str,
    repo_type: Literal["model", "space"] = "model",
) -> str:
    """Add `files`, by their paths there, and delete `stale` ones; returns the commit's hash.

    before: what was looked at is what is changed, so two people who upload at once do not mix.
    Without a change the Hub makes no new commit. Raises huggingface_hub's errors.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path, content) for path, content in files.items()),
        *(CommitOperationDelete(path) for path in stale),
    ]
    done = api.create_commit(
        repo, operations, commit_message=message, repo_type=repo_type, parent_commit=before.sha
    )
    return str(done.oid)


def check_private(shown: str, before: ModelInfo | SpaceInfo) -> None:
    """Raises `SatZooError` if a repository that should be private is public already.

    shown: the repository as messages name it.
    """
    if not before.private:
        raise SatZooError(
            f"{shown} exists and is public, and what is uploaded would be public too: make it"
            " private on the Hub first, or do not ask for a private one"
        )
