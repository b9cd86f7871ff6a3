"""Which weight file a model uses: one order of search. No torch here.

The file the caller names, else bundled with the package, else imported into the local store, else
pinned and in the Hub cache, else pinned and on the Hub. Last comes the authors' release on Google
Drive, which only `sat-zoo pull`, `import` and a yes to `eval` fetch: it is large, and a strangers'.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eval.errors import UsageError, WeightsUnavailable
from zoo.pins import pin_of
from zoo.registry import FAMILIES
from zoo.store import Store

if TYPE_CHECKING:
    from eval.evaluation import Source
    from zoo.cards import ModelCard

REPAIR = {
    "file": "make or fetch it again",
    "bundled": "reinstall sat-zoo",
    "store": "import it again with sat-zoo import",
    "hub": "look at it with sat-zoo pull --check, then fetch it again with sat-zoo pull",
}


@dataclass(frozen=True)
class Found:
    """A weight file and why it was taken."""

    path: Path
    source: Source
    sha256: str | None  # what the bytes must hash to; None if nobody promised anything


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


def find_weights(info: ModelCard, weights: str | Path | None = None) -> Found:
    """The weight file to use, downloaded (with a bar on stderr) if it is pinned and not here.

    Raises `WeightsUnavailable` if there is none, `UsageError` if `weights` is no file; a download
    also raises what `zoo.hub.fetch` does.
    """
    if weights is not None:
        path = Path(weights)
        if not path.is_file():
            raise UsageError(f"`weights` {path} is not a file: name a safetensors file")
        return Found(path, "file", None)
    found = local_weights(info)
    if found is not None and found.source != "hub":
        return found
    pin = pin_of(info.name)
    if pin is None:
        raise WeightsUnavailable(not_here(info))
    from zoo.hub import fetch
    from zoo.hub.progress import bars

    with bars() as bar:
        path = fetch(pin, progress=bar(info.name, pin.size) if found is None else None)
    return Found(path, "hub", pin.sha256)


def local_weights(info: ModelCard) -> Found | None:
    """The weight file on this machine, None if there is none. Asks nobody and hashes nothing."""
    return next(iter(copies(info)), None)


def copies(info: ModelCard) -> list[Found]:
    """Every copy of the model's weights on this machine, the one that is used first."""
    found = []
    if info.bundled is not None:
        path = FAMILIES / info.family / info.bundled.file
        found.append(Found(path, "bundled", info.bundled.sha256))
    stored = Store().find(info.name)
    if stored is not None:
        found.append(Found(stored.path, "store", stored.sha256))
    pin = pin_of(info.name)
    if pin is not None:
        from zoo.hub import peek

        cached = peek(pin)
        if cached is not None:
            found.append(Found(cached, "hub", pin.sha256))
    return found


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
