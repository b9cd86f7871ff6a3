"""One commit to the Hub, and a pin of what the server says that it holds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eval.errors import SatZooError, WeightsMismatch
from zoo.pins import Pin
from zoo.publish.package import RECIPE, REPORTS, Package

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo
    from huggingface_hub.errors import HfHubHTTPError

_TIMEOUT_S = 30.0
_MEANING = {
    401: "the Hub does not accept the token: log in again with hf auth login, or renew HF_TOKEN",
    403: "the token may not write there: use one with write access to this namespace",
    404: "the Hub knows no such place: check --namespace",
    409: "the repository is busy: run the same command again",
    412: "somebody else has changed the repository meanwhile: run the same command again",
    413: "the Hub finds a file too large: check the storage of the namespace",
    429: "the Hub asks for patience: run the same command again later",
}


def publish(package: Package, *, private: bool = False, endpoint: str | None = None) -> Pin:
    """Create the repository if need be, upload the files in one commit, and return the pin.

    Reports and a recipe of an earlier upload that are not part of this one are deleted in the
    same commit: they are of other weights. Without a change there is no new commit.

    private:  for a new repository; one that exists and is public is refused, and never changed.
    endpoint: another Hub than that of HF_ENDPOINT.

    Raises `SatZooError` in one sentence without any token in it, `WeightsMismatch` if the server
    then reports another SHA-256 than ours.
    """
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if token is None:
        raise SatZooError(
            "there is no Hugging Face token: log in with hf auth login, or set HF_TOKEN to one"
            " with write access"
        )
    api = HfApi(endpoint, token=token, library_name="sat-zoo")
    with _explained(package.repo, token):
        api.create_repo(package.repo, private=private or None, exist_ok=True)
        before = api.model_info(package.repo, timeout=_TIMEOUT_S)
        if private and not before.private:
            raise SatZooError(
                f"{package.repo} exists and is public, so --private would not hide what is"
                " uploaded: make it private on the Hub first, or leave --private out"
            )
        revision = _commit(api, package, before)
        return _confirmed(package, revision, api)


def _commit(api: HfApi, package: Package, before: ModelInfo) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    kept = {file.path for file in package.files}
    there = [sibling.rfilename for sibling in before.siblings or ()]
    stale = [
        path
        for path in there
        if path not in kept and (path.startswith(f"{REPORTS}/") or path == RECIPE)
    ]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(file.path, file.content) for file in package.files),
        *(CommitOperationDelete(path) for path in stale),
    ]
    done = api.create_commit(
        package.repo,
        operations,
        commit_message=f"Publish {package.name} with sat-zoo",
        # What was looked at is what is changed: two people who publish at once do not mix.
        parent_commit=before.sha,
    )
    return done.oid


def _confirmed(package: Package, revision: str, api: HfApi) -> Pin:
    """The pin of the uploaded weights, once the server has named their digest and size."""
    from huggingface_hub import hf_hub_url

    ours = package.weights
    url = hf_hub_url(package.repo, ours.path, revision=revision, endpoint=api.endpoint)
    theirs = api.get_hf_file_metadata(url=url, timeout=_TIMEOUT_S)
    if (theirs.etag, theirs.size) != (ours.sha256, ours.size):
        raise WeightsMismatch(
            f"{package.repo}: the Hub reports {ours.path} with {theirs.size} bytes and sha256"
            f" {(theirs.etag or 'unknown')[:12]}, ours has {ours.size} and {ours.sha256[:12]}: no"
            " pin was written; run the same command again, and delete the file there if it stays so"
        )
    return Pin(
        repo=package.repo,
        revision=revision,
        file=ours.path,
        sha256=ours.sha256,
        size=ours.size,
    )


@contextlib.contextmanager
def _explained(repo: str, token: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence, and keep the token out of it.

    The cause is dropped: its text is the server's, which may repeat what it was sent.
    """
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        said = "HF_HUB_OFFLINE forbids the network: unset it"
    except HfHubHTTPError as error:
        said = _answer(error, token)
    except ValueError as error:  # of huggingface_hub: names, metadata, replies that make no sense
        said = f"the upload was refused ({_clean(str(error), token)})"
    except (OSError, RuntimeError, HTTPError) as error:
        # The client wraps what happened to one file of several in a RuntimeError.
        if isinstance(error.__cause__, HfHubHTTPError):
            said = _answer(error.__cause__, token)
        else:
            said = (
                f"the Hub cannot be reached, or breaks off ({type(error).__name__}): check the"
                " network and HF_ENDPOINT and run the same command again"
            )
    else:
        return
    raise SatZooError(f"{repo} cannot be published: {said}") from None


def _answer(error: HfHubHTTPError, token: str) -> str:
    status = error.response.status_code
    if status in _MEANING:
        return f"{_MEANING[status]} (HTTP {status})"
    if status >= 500:
        return f"the Hub is out of order (HTTP {status}): run the same command again later"
    why = _clean(error.server_message or "no reason given", token)
    return f"the Hub refused it with HTTP {status} ({why})"


def _clean(message: str, token: str) -> str:
    """At most 200 characters of a server's text, on one line, without anything like a token."""
    line = " ".join(message.split()).replace(token, "***")
    return re.sub(r"hf_\w+", "***", line)[:200]
