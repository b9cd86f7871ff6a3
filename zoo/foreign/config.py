"""config.json of a stranger's repository, fetched: at a commit, or at what a branch is now."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import ReportError, UsageError, WeightsUnavailable
from eval.files.writing import write_atomically
from zoo.hub.name import Commit

if TYPE_CHECKING:
    from zoo.hub.failures import Asked

CONFIG = "config.json"
_COMMIT = re.compile("[0-9a-f]{40}")
_WAITS_S = (1.0, 2.0)  # before each new try to learn what a branch is now


def fetch_config(repo: str, revision: str) -> tuple[Path, Commit]:
    """config.json at a branch, tag or commit, and the commit that this is now.

    A commit that was fetched before is not asked for again. Without a network a branch is what it
    was at the last look. Raises `WeightsUnavailable` if the Hub does not give it.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HFValidationError

    from zoo.hub.failures import Asked, explained

    asked = Asked(repo, revision, CONFIG, constants.ENDPOINT, Path(constants.HF_HUB_CACHE))
    with explained(asked):
        try:
            commit = revision if _COMMIT.fullmatch(revision) else _commit(asked)
            there = _cached(asked, commit)
            path = there or hf_hub_download(
                repo, CONFIG, revision=commit, cache_dir=asked.cache, endpoint=asked.endpoint
            )
        except HFValidationError as error:
            raise UsageError(f"hf-hub:{repo} names no repository: {error}") from error
    _remember(asked, commit)
    return Path(path), Commit(repo, commit)


def _commit(asked: Asked) -> str:
    """What a branch or tag is now, or, when nobody answers, what it was at the last look."""
    import httpx2
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    from zoo.hub.transfer import patiently

    url = hf_hub_url(asked.repo, CONFIG, revision=asked.revision, endpoint=asked.endpoint)
    timeout_s = constants.HF_HUB_ETAG_TIMEOUT
    try:
        found = patiently(
            lambda: get_hf_file_metadata(url, timeout=timeout_s, endpoint=asked.endpoint),
            _WAITS_S,
            lambda: 0,
        )
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        is_answer = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
        there = None if is_answer else _cached(asked, asked.revision)
        if there is None:
            raise
        return there.parent.name
    if not found.commit_hash:
        raise WeightsUnavailable(
            f"{asked.repo}: {asked.endpoint} tells no commit of {CONFIG}: it is no Hub"
        )
    return found.commit_hash


def _cached(asked: Asked, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(asked.repo, CONFIG, asked.cache, revision)
    return Path(found) if isinstance(found, str) else None


def _remember(asked: Asked, commit: str) -> None:
    """Write the branch's commit where the client looks when there is no network."""
    from huggingface_hub.file_download import repo_folder_name

    if asked.revision == commit:
        return
    folder = asked.cache / repo_folder_name(repo_id=asked.repo, repo_type="model")
    ref = folder / "refs" / asked.revision
    # A cache that cannot be written costs the next run its offline start, not this run.
    with contextlib.suppress(OSError, ReportError):
        if not ref.is_file() or ref.read_text("utf-8") != commit:
            ref.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(ref, commit.encode())
