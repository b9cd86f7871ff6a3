"""A pinned file: from the Hub, or from the cache without asking anybody."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    HfFileMetadata,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
)
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import WeakFileLock, build_hf_headers
from pydantic import ValidationError

from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from eval.files.home import home
from eval.files.writing import flush_to_disk, sha256_of
from zoo.hub.cache import peek, repo_folder, size_of
from zoo.hub.failures import Asked, explained, not_offline
from zoo.hub.pins import Pin
from zoo.hub.transfer import OnBytes, patiently, transfer
from zoo.hub.verified import is_good, is_verified


@dataclass(frozen=True)
class Hub:
    """A Hub and the cache in front of it; None stands for huggingface_hub's own setting.

    endpoint: HF_ENDPOINT. cache: HF_HUB_CACHE, else HF_HOME/hub. token: HF_TOKEN, else the one of
    `hf auth login`. waits_s: before each new try after a failure that may pass.
    """

    endpoint: str | None = None
    cache: Path | None = None
    token: str | None = None
    waits_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)

    def peek(self, pin: Pin) -> Path | None:
        """The pinned file in the cache, looked at by name and size only; None if not there."""
        return peek(pin, self._cache())

    def cached(self, pin: Pin) -> Path | None:
        """The verified file in the cache; None if it is not there or not what the pin says.

        Asks nobody. The digest is computed once and again when the file was touched.
        """
        path = self.peek(pin)
        return path if path is not None and is_verified(path, pin.sha256) else None

    def fetch(self, pin: Pin, *, progress: OnBytes | None = None) -> Path:
        """The verified file of `pin`, downloaded if it is not in the cache.

        progress: told how many bytes of `pin.size` are there, from time to time.

        A download that broke off goes on where it stopped, also in another process; of two
        processes that want the same file one downloads it and the other waits. A cached file
        whose bytes are wrong is replaced.

        Raises `WeightsUnavailable` if the Hub does not give it, `WeightsMismatch` if it gives
        something else than pinned (nothing is kept then), `SatZooError` if the disk is full or
        read-only.
        """
        path = self.cached(pin)
        if path is not None:
            return path
        asked = self._asked(pin.repo, pin.revision, pin.file)
        if constants.is_offline_mode():
            raise self._offline(pin, asked)
        with explained(asked):
            partial = home() / "partial"
            partial.mkdir(parents=True, exist_ok=True)
            with WeakFileLock(partial / f"{pin.sha256}.lock"):
                return self.cached(pin) or self._download(pin, asked, partial, progress)

    def resolve(self, repo: str, revision: str, file: str = "model.safetensors") -> Pin:
        """What `file` of a repository is now: its commit, size and sha256, to be pinned.

        revision: a branch, a tag or a commit.

        Raises `UsageError` for a name that cannot be, `WeightsUnavailable` as `fetch`.
        """
        _check(repo, file)
        asked = self._asked(repo, revision, file)
        with explained(asked):
            found = self._ask(asked)
        if not found.size or not re.fullmatch("[0-9a-f]{64}", found.etag or ""):
            raise WeightsUnavailable(
                f"{repo}: {asked.endpoint} tells no size and sha256 of {file!r}: only what a"
                " repository stores as a large file (git LFS) can be pinned"
            )
        return Pin(
            repo=repo,
            revision=str(found.commit_hash),
            file=file,
            sha256=str(found.etag),
            size=found.size,
        )

    def _download(self, pin: Pin, asked: Asked, partial: Path, progress: OnBytes | None) -> Path:
        """Download, verify, hand over to huggingface_hub's cache; the caller holds the lock."""
        found = self._ask(asked)
        if found.size not in (None, pin.size):
            raise _mismatch(pin, f"it has {found.size:,} bytes, the pin says {pin.size:,}")
        folder = repo_folder(pin, self._cache())
        blob = folder / "blobs" / str(found.etag)
        blob.parent.mkdir(parents=True, exist_ok=True)  # a read-only cache says so now
        if not (size_of(blob) == pin.size and is_verified(blob, pin.sha256)):
            part = partial / f"{pin.sha256}.part"
            self._complete(pin, part, progress)
            _move(part, blob)
            if not is_good(blob, pin.sha256):
                blob.unlink()
                raise _mismatch(pin, "it changed on its way to the disk")
        pointer = folder / "snapshots" / pin.revision / pin.file
        if pointer.exists() and not (pointer.is_symlink() or self.cached(pin)):
            pointer.unlink()  # a copy of wrong bytes, from a disk without symlinks
        # The blob is there: the client only links it, as it does with what it downloaded itself.
        path = hf_hub_download(
            pin.repo,
            pin.file,
            revision=pin.revision,
            cache_dir=self._cache(),
            endpoint=self._endpoint(),
            token=self.token,
        )
        return Path(path)

    def _complete(self, pin: Pin, part: Path, progress: OnBytes | None) -> None:
        """Make `part` the whole pinned file; deleted if it is another."""
        url = hf_hub_url(pin.repo, pin.file, revision=pin.revision, endpoint=self._endpoint())
        headers = build_hf_headers(token=self.token)
        while True:
            if size_of(part) > pin.size:
                part.unlink()
            n_before = size_of(part)
            _check_space(part.parent, pin.size - n_before)
            if n_before < pin.size:
                try:
                    patiently(
                        lambda: transfer(url, part, pin.size, headers, progress),
                        self.waits_s,
                        lambda: size_of(part),
                    )
                except HfHubHTTPError as error:
                    if error.response.status_code == 416:  # the Hub's file ends before ours
                        part.unlink()
                    raise
            if size_of(part) == pin.size and sha256_of(part) == pin.sha256:
                return
            said = _what_came(part, pin)
            part.unlink()
            if not n_before:  # else the fault may lie in what an earlier process left
                raise _mismatch(pin, said)

    def _ask(self, asked: Asked) -> HfFileMetadata:
        """What the Hub says about a file: at least a commit and an ETag."""
        url = hf_hub_url(asked.repo, asked.file, revision=asked.revision, endpoint=self._endpoint())
        found = patiently(
            lambda: get_hf_file_metadata(
                url,
                token=self.token,
                timeout=constants.HF_HUB_ETAG_TIMEOUT,
                endpoint=self._endpoint(),
            ),
            self.waits_s,
            lambda: 0,
        )
        # The ETag becomes a file name: a server could send a path with it.
        if not found.commit_hash or not re.fullmatch("[0-9A-Za-z-]+", found.etag or ""):
            raise WeightsUnavailable(
                f"{asked.repo}: {asked.endpoint} does not answer like a Hub: check HF_ENDPOINT, a"
                " proxy, or whether the network wants you to log in"
            )
        return found

    def _offline(self, pin: Pin, asked: Asked) -> SatZooError:
        path = self.peek(pin)
        if path is None:
            return not_offline(asked)
        return WeightsMismatch(
            f"{pin.repo}: {path} has not the sha256 {pin.sha256[:12]} of its pin and HF_HUB_OFFLINE"
            " is set: unset it to download the file again"
        )

    def _asked(self, repo: str, revision: str, file: str) -> Asked:
        return Asked(repo, revision, file, self._endpoint(), self._cache())

    def _endpoint(self) -> str:
        return constants.ENDPOINT if self.endpoint is None else self.endpoint.rstrip("/")

    def _cache(self) -> Path:
        return Path(constants.HF_HUB_CACHE) if self.cache is None else self.cache


def _check(repo: str, file: str) -> None:
    """Raises `UsageError` for a repository or a file that no pin could name."""
    try:
        Pin(repo=repo, revision="0" * 40, file=file, sha256="0" * 64, size=1)
    except ValidationError as error:
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UsageError(f"{message}: name a model on the Hub as OWNER/NAME") from error


def _mismatch(pin: Pin, said: str) -> WeightsMismatch:
    return WeightsMismatch(
        f"{pin.repo}: {pin.file} at {pin.revision[:12]}: {said}: these are not the weights that"
        " were published, and nothing was kept; run it again, and if it stays so tell whoever"
        " published them"
    )


def _what_came(part: Path, pin: Pin) -> str:
    with part.open("rb") as file:
        start = file.read(64).lstrip()
    page = ", and begins like a web page" if start.startswith(b"<") else ""
    if size_of(part) > pin.size:
        return f"it has more than the {pin.size:,} bytes of its pin{page}"
    return f"it has sha256 {sha256_of(part)[:12]}, the pin says {pin.sha256[:12]}{page}"


def _check_space(folder: Path, n_bytes: int) -> None:
    """Raises `OSError` now instead of in the middle."""
    if shutil.disk_usage(folder).free < n_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _move(part: Path, blob: Path) -> None:
    """Rename `part` to `blob`, whole or not at all, also from one disk to another."""
    flush_to_disk(part)
    try:
        part.replace(blob)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    # huggingface_hub's own name for unfinished files: its cache tools know to delete them.
    copy = blob.with_name(f"{blob.name}.{secrets.token_hex(4)}.incomplete")
    try:
        _check_space(blob.parent, size_of(part))
        shutil.copyfile(part, copy)
        flush_to_disk(copy)
        copy.replace(blob)
    finally:
        copy.unlink(missing_ok=True)
    part.unlink()
