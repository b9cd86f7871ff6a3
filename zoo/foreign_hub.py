"""The two files of a stranger's repository that are read, config.json and model.safetensors."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import ReportError, UsageError, WeightsUnavailable
from eval.files import write_atomically
from zoo.pins import Pin
from zoo.weights import Found

if TYPE_CHECKING:
    from zoo.hub.failures import Asked

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_COMMIT = re.compile("[0-9a-f]{40}")
_WAITS_S = (1.0, 2.0)  # before each new try to learn what a branch is now


def fetch_config(repo: str, revision: str) -> tuple[Path, str]:
    """config.json at a branch, tag or commit, and the full commit hash that this is now.

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
    return Path(path), commit


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


def fetch_weights(repo: str, commit: str) -> Found:
    """model.safetensors of a commit, verified; no other format is ever opened.

    From the cache without asking anybody: the client names an LFS file by its sha256. Raises
    `WeightsUnavailable` if the Hub does not give it, and the rest that `zoo.hub.fetch` does.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import RemoteEntryNotFoundError

    from zoo.hub import cached, fetch, resolve
    from zoo.hub.progress import bars

    there = try_to_load_from_cache(repo, WEIGHTS, revision=commit)
    if isinstance(there, str):
        blob = Path(there).resolve()
        if re.fullmatch("[0-9a-f]{64}", blob.name):
            size = blob.stat().st_size
            pin = Pin(repo=repo, revision=commit, file=WEIGHTS, sha256=blob.name, size=size)
            path = cached(pin)
            if path is not None:
                return Found(path, "hub", pin.sha256)
    try:
        pin = resolve(repo, commit, WEIGHTS)
    except WeightsUnavailable as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            raise WeightsUnavailable(
                f"{repo} has no {WEIGHTS} at {commit[:12]}, and no other format is opened, since a"
                " pickle such as pytorch_model.bin can run code: ask its owner for safetensors"
            ) from error
        raise
    with bars() as bar:
        return Found(fetch(pin, progress=bar(repo, pin.size)), "hub", pin.sha256)
