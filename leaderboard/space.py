"""The built site as a static Space on the Hub: one commit, which leaves nothing of the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import ReportError, SatZooError, UsageError
from eval.files.paths import AnyPath, path_of
from leaderboard.site.folder import MARKER
from zoo.hub.commit import check_private, commit
from zoo.hub.name import is_repo_name

if TYPE_CHECKING:
    from huggingface_hub import SpaceInfo

_TIMEOUT_S = 30.0
_KEPT = ".gitattributes"
_FRESH = frozenset({_KEPT, "README.md", "index.html", "style.css"})
"""What the Hub itself puts into a new static Space."""


@dataclass(frozen=True)
class Pushed:
    """Where the site is now, and the commit that holds it.

    is_new: False if the Space held this very site already; then there was no new commit.
    """

    url: str
    revision: str
    is_new: bool


def site_files(folder: AnyPath) -> dict[str, Path]:
    """Path in the Space -> file, of a folder that `sat-zoo leaderboard build` wrote.

    Hidden files beside the marker are not the site's and are left out.
    Raises UsageError for another folder, or one with a link: what it leads to may be secret.
    """
    again = "write one with sat-zoo leaderboard build --out DIR"
    folder = path_of(folder, "folder")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: {again}")
    if not (folder / MARKER).is_file():
        raise UsageError(f"{folder} was not written by sat-zoo leaderboard build: {again}")
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != MARKER and any(part.startswith(".") for part in name.split("/")):
            continue
        if path.is_symlink():
            raise UsageError(f"{path} is a link, which build never writes: {again}")
        if path.is_file():
            found[name] = path
    for name in ("README.md", "index.html"):
        if name not in found:
            raise UsageError(f"{folder} has no {name}, so it is not the whole site: {again}")
    return found


def check_space(space: str) -> None:
    """Raise UsageError unless `space` is OWNER/NAME as the Hub allows it."""
    if not is_repo_name(space):
        raise UsageError(
            f"--space {space!r} names no Space: write OWNER/NAME, of letters, digits, '-', '_'"
            " and '.'"
        )


def push(
    folder: AnyPath, space: str, *, private: bool = False, endpoint: str | None = None
) -> Pushed:
    """Create the static Space if need be and make it hold the site in `folder`, in one commit.

    What the Space holds beyond it is of an earlier site and is deleted in the same commit.

    private:  for a new Space; one that exists and is public is refused, and never changed.
    endpoint: another Hub than that of HF_ENDPOINT.

    Raises UsageError for a folder that is not ours, `SatZooError` in one sentence without any
    token in it for all that the Hub refuses, and for a Space that holds something else.
    """
    from huggingface_hub import HfApi

    from zoo.publish.refusals import token_to_write, upload_explained

    contents = _read(site_files(folder))
    check_space(space)
    token = token_to_write()
    api = HfApi(endpoint, token=token, library_name="sat-zoo")
    with upload_explained(space, token, option="--space"):
        api.create_repo(
            space, private=private or None, repo_type="space", space_sdk="static", exist_ok=True
        )
        before = api.space_info(space, timeout=_TIMEOUT_S)
        there = [sibling.rfilename for sibling in before.siblings or ()]
        _check_ours(space, before, there, private=private)
        revision = commit(
            api,
            space,
            contents,
            [name for name in there if name not in contents and name != _KEPT],
            before=before,
            message="Publish the leaderboard with sat-zoo",
            repo_type="space",
        )
    return Pushed(f"{api.endpoint}/spaces/{space}", revision, revision != before.sha)


def _read(files: dict[str, Path]) -> dict[str, bytes]:
    try:
        return {name: path.read_bytes() for name, path in files.items()}
    except OSError as error:
        raise ReportError(
            f"{error.filename} cannot be read: {error.strerror}; build the site again"
        ) from error


def _check_ours(space: str, before: SpaceInfo, there: Sequence[str], *, private: bool) -> None:
    """The rule of `build` for folders: what we did not write is not replaced."""
    if private:
        check_private(f"the Space {space}", before)
    if before.sdk != "static":
        raise SatZooError(
            f"the Space {space} exists and is not a static one (its sdk is {before.sdk}): name"
            " another one with --space"
        )
    if MARKER not in there and not _FRESH.issuperset(there):
        raise SatZooError(
            f"the Space {space} holds files that sat-zoo did not write: name another one with"
            " --space"
        )
