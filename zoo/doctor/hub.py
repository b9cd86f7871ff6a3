"""Whether the Hugging Face Hub answers, and what lies in its cache. No token is sent or shown."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from zoo.doctor.findings import Fact, Line, size, without_secrets

TIMEOUT_S = 3.0
PATH = "/api/whoami-v2"
ANSWERS = (200, 401)
"""Of a Hub to the question who one is; 401 without a token."""


def lines() -> Iterator[Line]:
    """The Hub as HF_ENDPOINT, HF_HUB_OFFLINE and HF_HOME set it for this process."""
    from huggingface_hub import constants, get_token

    token = "set" if get_token() else "none"
    if constants.HF_HUB_OFFLINE:
        yield Line(
            name="hub",
            mark="missing",
            says=f"not asked, since HF_HUB_OFFLINE is set; token: {token}",
            fix="unset HF_HUB_OFFLINE to fetch weights",
            facts={"endpoint": without_secrets(constants.ENDPOINT), "offline": True},
        )
    else:
        yield reached(constants.ENDPOINT, token)
    yield cache(Path(constants.HF_HUB_CACHE))


def reached(endpoint: str, token: str, timeout_s: float = TIMEOUT_S) -> Line:
    """Whether a Hub answers at `endpoint`; `token` says whether there is one."""
    from huggingface_hub import get_session

    shown = without_secrets(endpoint)
    facts: dict[str, Fact] = {"endpoint": shown, "offline": False, "token": token}
    started = time.perf_counter()
    try:
        answer = get_session().get(f"{endpoint}{PATH}", timeout=timeout_s)
    except Exception as problem:  # its client's errors have changed their names twice
        why = type(problem).__name__
        says = f"{shown} does not answer within {timeout_s:g} s ({why}); token: {token}"
    else:
        seconds = time.perf_counter() - started
        is_json = "json" in answer.headers.get("content-type", "")
        facts["status"], facts["seconds"] = answer.status_code, round(seconds, 3)
        if is_json and answer.status_code in ANSWERS:
            says = f"{shown} answers in {seconds:.2f} s; token: {token}"
            return Line(name="hub", mark="ok", says=says, facts=facts)
        says = f"{shown} answers {answer.status_code}, which a Hub at work does not; token: {token}"
    how = "HF_ENDPOINT" if os.environ.get("HF_ENDPOINT") else "the network and its proxy settings"
    fix = f"check {how}; only pull and push need the Hub"
    return Line(name="hub", mark="broken", says=says, fix=fix, facts=facts)


def cache(folder: Path) -> Line:
    """The Hub's cache and its size on disk."""
    facts: dict[str, Fact] = {"path": str(folder), "bytes": None}
    if not folder.exists():
        fix = "nothing to do: the first pull makes it (to have it elsewhere, set HF_HOME)"
        says = f"{folder} is not there: nothing was fetched yet"
        return Line(name="hub cache", mark="missing", says=says, fix=fix, facts=facts)
    try:
        facts["bytes"] = n_bytes = bytes_in(folder)
    except OSError as problem:
        says = f"{problem.filename} cannot be read: {problem.strerror}"
        fix = "allow it, or set HF_HOME to another folder"
        return Line(name="hub cache", mark="broken", says=says, fix=fix, facts=facts)
    return Line(name="hub cache", mark="ok", says=f"{folder}, {size(n_bytes)}", facts=facts)


def bytes_in(folder: Path) -> int:
    """Bytes of all files under `folder`; snapshots link to blobs, and these count once."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += bytes_in(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                total += entry.stat(follow_symlinks=False).st_size
    return total
