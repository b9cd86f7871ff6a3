"""What can go wrong between here and the Hub, as one sentence; no token, no signed address."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from eval.errors import SatZooError, WeightsMismatch, WeightsUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LOGIN = "log in with `hf auth login` or set HF_TOKEN"


@dataclass(frozen=True)
class Asked:
    """What was asked for, for the sentence that says why it did not come."""

    repo: str
    revision: str
    file: str
    endpoint: str
    cache: Path


@contextlib.contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Turn what huggingface_hub, HTTP and the disk say into one sentence of ours."""
    try:
        yield
    # Every HTTP error of huggingface_hub is an OSError too: ours last.
    except (OfflineModeIsEnabled, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise _sentence(asked, error) from error


def _sentence(asked: Asked, error: BaseException) -> SatZooError:
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return _sentence(asked, error.__cause__)  # the client wraps what happened on the way
    if isinstance(error, OfflineModeIsEnabled):
        return not_offline(asked)
    if isinstance(error, HfHubHTTPError):
        return _refusal(asked, error)
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return WeightsUnavailable(
            f"{asked.repo}: {asked.endpoint} cannot be reached, or breaks off"
            f" ({type(error).__name__}): check the network and HF_ENDPOINT and run it again; what"
            " has come is kept"
        )
    problem = _disk_problem(error)
    return SatZooError(
        f"{asked.repo}: the weights cannot be written: {problem}; free some space, or name other"
        f" folders in HF_HOME (the Hub cache is {asked.cache}) and SAT_ZOO_HOME"
    )


def not_offline(asked: Asked) -> WeightsUnavailable:
    """The file is not in the cache, and HF_HUB_OFFLINE forbids to ask for it."""
    return WeightsUnavailable(
        f"{asked.repo}: {asked.file} is not in the Hub cache {asked.cache} and HF_HUB_OFFLINE is"
        " set: unset it to download the file"
    )


def _refusal(asked: Asked, error: HfHubHTTPError) -> SatZooError:
    status = error.response.status_code
    repo, where = asked.repo, f"{asked.endpoint}/{asked.repo}"
    if isinstance(error, GatedRepoError):
        problem = f"{repo} is gated: ask for access on {where}, then {_LOGIN}"
    elif isinstance(error, DisabledRepoError):
        problem = f"{repo} has been disabled on {asked.endpoint}"
    elif isinstance(error, RevisionNotFoundError):
        problem = f"{repo} has no revision {asked.revision!r}: see {where}/commits/main"
    elif isinstance(error, RemoteEntryNotFoundError):
        problem = f"{repo} has no file {asked.file!r} at {asked.revision}: see {where}/tree/main"
    elif isinstance(error, RepositoryNotFoundError):
        problem = f"{repo} does not exist on {asked.endpoint}, or is private: {_LOGIN}"
    elif status == 401:
        problem = f"{repo}: {asked.endpoint} does not accept the token (401): {_LOGIN}"
    elif status == 403:
        problem = f"{repo}: {asked.endpoint} refuses (403): the token has no right to read it"
    elif status == 429:
        problem = f"{repo}: {asked.endpoint} is asked too often (429): try again in some minutes"
    elif status == 416:
        return WeightsMismatch(
            f"{repo}: {asked.file} is shorter on {asked.endpoint} than its pin says; nothing was"
            " kept: tell whoever published it"
        )
    else:
        problem = f"{repo}: {asked.endpoint} answers {status}: try again later; what came is kept"
    return WeightsUnavailable(problem)


def _disk_problem(error: BaseException) -> str:
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return "the disk is full"
        name = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or type(error).__name__}{name}"
    return type(error).__name__
