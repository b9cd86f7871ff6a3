"""From a name to official weights in the store: download, verify, convert, keep. One at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from filelock import FileLock, Timeout

from eval.errors import SatZooError, WeightsUnavailable
from eval.files.home import home
from zoo.cards import ModelCard
from zoo.official.fetch.download import Watch, fetch
from zoo.weights.store import Store, Stored

__all__ = ["Watch", "obtain"]


def obtain(
    card: ModelCard,
    *,
    store: Store | None = None,
    channel_order: Literal["RGB", "BGR"] | None = None,
    ema: bool | None = None,
    again: bool = False,
    watch: Watch | None = None,
) -> Stored:
    """The official weights of `card` in the store, downloaded and converted if they are not there.

    channel_order, ema: how the checkpoint is read, by default as the card says.
    again:              convert also if the store has weights, which are then replaced.

    The checkpoint stays in SAT_ZOO_HOME/downloads: to read it otherwise needs no download. Of two
    processes that want the same model one works and the other waits for it.

    Raises what `fetch` and `import_checkpoint` raise.
    """
    store, watch = store or Store(), watch or Watch()
    with _alone(card, watch):
        stored = store.find(card.name)
        if stored is not None and not again:
            return stored
        prefix = fetch(card, home() / "downloads", ema=ema, watch=watch)
        from zoo.official.convert import import_checkpoint

        watch.say(f"{card.name}: every tensor has its checksum; converting")
        import_checkpoint(
            card.name, prefix, store=store, channel_order=channel_order, ema=ema, is_release=True
        )
        stored = store.find(card.name)
        watch.say(f"{card.name}: converted; the checkpoint stays, to be read again, as {prefix}")
    if stored is None:
        raise WeightsUnavailable(f"{card.name} vanished from {store.root}: run it again")
    for said in stored.provenance["differences"]:
        watch.say(f"{card.name}: NOT as before: {said}")
    return stored


@contextlib.contextmanager
def _alone(card: ModelCard, watch: Watch) -> Iterator[None]:
    """Hold the lock of the model; it falls with the process that holds it."""
    partial = home() / "partial"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = FileLock(partial / f"{card.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            watch.say(f"{card.name}: another process is fetching it; waiting")
            lock.acquire()
    except OSError as error:
        raise SatZooError(
            f"{partial} cannot be written: {error.strerror}; name another folder in SAT_ZOO_HOME"
        ) from error
    try:
        yield
    finally:
        lock.release()
