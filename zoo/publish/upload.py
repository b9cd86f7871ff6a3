"""One commit to the Hub, and a pin of what the server says that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.errors import WeightsMismatch
from zoo.hub.commit import check_private, commit
from zoo.hub.pins import Pin, PinnedEvidence
from zoo.publish.eval_results import OWN
from zoo.publish.evidence import EVIDENCE, evidence_of
from zoo.publish.package import METRICS, RECIPE, REPORTS, File, Package
from zoo.publish.refusals import token_to_write, upload_explained

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

_TIMEOUT_S = 30.0


def publish(package: Package, *, private: bool = False, endpoint: str | None = None) -> Pin:
    """Create the repository if need be, upload the files in one commit, and return the pin.

    Reports with our files of `.eval_results`, evidence, recipe and training log of an earlier
    upload that are not part of this one are deleted in the same commit: they are of other weights.
    Without a change there is no new commit.

    private:  for a new repository; one that exists and is public is refused, and never changed.
    endpoint: another Hub than that of HF_ENDPOINT.

    Raises `SatZooError` in one sentence without any token in it, `WeightsMismatch` if the server
    then reports another SHA-256 than ours.
    """
    from huggingface_hub import HfApi

    token = token_to_write()
    api = HfApi(endpoint, token=token, library_name="sat-zoo")
    with upload_explained(package.repo, token, option="--namespace"):
        api.create_repo(package.repo, private=private or None, exist_ok=True)
        before = api.model_info(package.repo, timeout=_TIMEOUT_S)
        if private:
            check_private(package.repo, before)
        revision = _commit(api, package, before)
        return _confirmed(package, revision, api)


def _commit(api: HfApi, package: Package, before: ModelInfo) -> str:
    files = {file.path: file.content for file in package.files}
    there = [sibling.rfilename for sibling in before.siblings or ()]
    stale = [
        path
        for path in there
        if path not in files
        and (path.startswith((f"{REPORTS}/", f"{EVIDENCE}/", OWN)) or path in (RECIPE, METRICS))
    ]
    message = f"Publish {package.name} with sat-zoo"
    return commit(api, package.repo, files, stale, before=before, message=message)


def _confirmed(package: Package, revision: str, api: HfApi) -> Pin:
    """The pin of what was uploaded, once the server has named the digests and sizes."""
    ours = package.weights
    evidence = evidence_of(package)
    for file in (*evidence, ours):
        _confirm(package.repo, file, revision, api)
    return Pin(
        repo=package.repo,
        revision=revision,
        file=ours.path,
        sha256=ours.sha256,
        size=ours.size,
        evidence=tuple(
            PinnedEvidence(file=one.path, sha256=one.sha256, size=one.size) for one in evidence
        ),
    )


def _confirm(repo: str, ours: File, revision: str, api: HfApi) -> None:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repo, ours.path, revision=revision, endpoint=api.endpoint)
    theirs = api.get_hf_file_metadata(url=url, timeout=_TIMEOUT_S)
    if (theirs.etag, theirs.size) != (ours.sha256, ours.size):
        raise WeightsMismatch(
            f"{repo}: the Hub reports {ours.path} with {theirs.size} bytes and sha256"
            f" {(theirs.etag or 'unknown')[:12]}, ours has {ours.size} and {ours.sha256[:12]}: no"
            " pin was written; run the same command again, and delete the file there if it stays so"
        )
