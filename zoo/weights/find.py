"""Which weight file a model uses: one order of search. No torch here.

The file the caller names, else bundled with the package, else imported into the local store, else
pinned and in the Hub cache, else pinned and on the Hub. Last comes the authors' release on Google
Drive, which only `sat-zoo pull`, `import` and a yes to `eval` fetch: it is large, and a strangers'.
A model that is not of the zoo has the file or the repository that was named, and no other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eval.errors import UsageError, WeightsUnavailable
from zoo.hub.name import Commit
from zoo.hub.pins import Pin, pin_of
from zoo.registry import FAMILIES, folder_of, from_package
from zoo.weights.beside import fetch_golden
from zoo.weights.file import Found
from zoo.weights.pickled import refuse_pickle
from zoo.weights.store import Store

if TYPE_CHECKING:
    from eval.described import Source
    from zoo.cards import ModelCard

_log = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Remote:
    """Where weights that are not here would come from.

    n_bytes: to download; of an official release an estimate, since nobody published its sizes.
    """

    source: Literal["hub", "official"]
    n_bytes: int
    place: str

    @property
    def size(self) -> str:
        """As "102.2 MB", with an "about" where it is an estimate."""
        from rich.filesize import decimal

        return f"{'about ' if self.source == 'official' else ''}{decimal(self.n_bytes)}"


def remote(info: ModelCard, source: Literal["hub", "official"] | None = None) -> Remote | None:
    """Where the weights of a model can be fetched, the Hub before the official release.

    source: look only there. None if it is nowhere. Asks nobody.
    """
    pin = pin_of(info.name)
    if pin is not None and source != "official":
        return Remote("hub", pin.size, f"{pin.repo} at {pin.revision[:12]}")
    if info.official is not None and source != "hub":
        return Remote("official", 4 * info.parameters, f"official release, {info.official.prefix}")
    return None


def find_weights(info: ModelCard, weights: str | Path | Commit | None = None) -> Found:
    """The weight file to use, downloaded (with a bar on stderr) if it lies on the Hub and not here.

    weights: a file, or the commit of a repository, to take them from instead of the order.

    Raises `WeightsUnavailable` if there is none, `UsageError` if `weights` is no file; a download
    also raises what `zoo.hub.fetch` does.
    """
    if isinstance(weights, Commit):
        return _of_commit(weights)
    if weights is not None:
        path = Path(weights)
        refuse_pickle(str(path))
        if not path.is_file():
            raise UsageError(f"`weights` {path} is not a file: name a safetensors file")
        return Found(path, "file", None)
    own = next(_own_copies(info), None)
    if own is not None:
        return own
    pin = pin_of(info.name)
    if pin is None:
        raise WeightsUnavailable(not_here(info))
    from zoo.hub import peek

    return _fetched(pin, info.name, is_here=peek(pin) is not None)


def local_weights(info: ModelCard) -> Found | None:
    """The weight file on this machine, None if there is none. Asks nobody and hashes nothing."""
    return next(copies(info), None)


def copies(info: ModelCard) -> Iterator[Found]:
    """Every copy of the model's weights on this machine, the one that is used first."""
    yield from _own_copies(info)
    pin = pin_of(info.name)
    if pin is not None:
        from zoo.hub import peek

        cached = peek(pin)
        if cached is not None:
            yield Found(cached, "hub", pin.sha256)


def digests(info: ModelCard) -> Iterator[str | None]:
    """SHA-256 of every file that is known to hold the model's weights, here or not."""
    for copy in _own_copies(info):
        yield copy.sha256
    pin = pin_of(info.name)
    if pin is not None:
        yield pin.sha256


def _own_copies(info: ModelCard) -> Iterator[Found]:
    """Those that are used as they are: whatever is pinned on the Hub comes after them."""
    if info.bundled is not None:
        path = folder_of(info, FAMILIES) / info.bundled.file
        whose: Source = "bundled" if from_package(info.name) is None else "library"
        yield Found(path, whose, info.bundled.sha256)
    stored = Store().find(info.name)
    if stored is not None:
        yield Found(stored.path, "store", stored.sha256)


def _fetched(pin: Pin, who: str, *, is_here: bool) -> Found:
    from zoo.hub import fetch
    from zoo.hub.progress import bars

    with bars() as bar:
        path = fetch(pin, progress=None if is_here else bar(who, pin.size))
    if not is_here and (said := fetch_golden(pin)):
        _log.info("%s: %s", who, said)
    return Found(path, "hub", pin.sha256)


def _of_commit(at: Commit) -> Found:
    """model.safetensors of a stranger's repository, verified; no other format is ever opened.

    From the cache without asking anybody: the client names an LFS file by its sha256.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import RemoteEntryNotFoundError

    from zoo.hub import cached, resolve

    there = try_to_load_from_cache(at.repo, WEIGHTS, revision=at.commit)
    if isinstance(there, str):
        blob = Path(there).resolve()
        if re.fullmatch("[0-9a-f]{64}", blob.name):
            size = blob.stat().st_size
            pin = Pin(repo=at.repo, revision=at.commit, file=WEIGHTS, sha256=blob.name, size=size)
            path = cached(pin)
            if path is not None:
                return Found(path, "hub", pin.sha256)
    try:
        pin = resolve(at.repo, at.commit, WEIGHTS)
    except WeightsUnavailable as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            raise WeightsUnavailable(
                f"{at.repo} has no {WEIGHTS} at {at.commit[:12]}, and no other format is opened,"
                " since a pickle such as pytorch_model.bin can run code: ask its owner for"
                " safetensors"
            ) from error
        raise
    return _fetched(pin, at.repo, is_here=False)


def not_here(info: ModelCard) -> str:
    """One sentence: the weights are not on this machine, and the ways to come by some."""
    ways = []
    there = remote(info)
    if there is not None:
        ways.append(f"fetch them ({there.size}, {there.place}) with: sat-zoo pull {info.name}")
    if info.recipe is not None:
        ways.append(f"train it with: sat-zoo train {info.name}")
    ways.append(
        "take them from a repository you trust with:"
        f" sat-zoo pull {info.name} --repo OWNER/NAME --revision REV"
    )
    ways.append("pass `weights=FILE.safetensors`")
    state = "" if there is not None else " and are not published yet"
    return (
        f"the weights of {info.name!r} are not on this machine{state}: {'; '.join(ways)}; or use a"
        " bundled model such as resnet8-silu-sat-digits"
    )
