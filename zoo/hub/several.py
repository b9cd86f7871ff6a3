"""Several files at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from eval.errors import SatZooError
from zoo.hub.client import Hub
from zoo.hub.pins import Pin
from zoo.hub.transfer import OnBytes

N_AT_ONCE = 4


class _StoppedError(Exception):
    """Ends a download from inside when the user wants no more of it."""


def fetch_all(
    hub: Hub, pins: Mapping[str, Pin], bar: Callable[[str, int], OnBytes]
) -> dict[str, Path | SatZooError]:
    """Fetch every pin; gives for every name the verified file, or why there is none.

    bar: called with a name and a size when that file's turn comes; what it returns is told the
    progress.

    Ctrl-C ends all downloads; what has come is kept for the next time.
    """
    stop = Event()

    def fetch(name: str, pin: Pin) -> Path | SatZooError:
        tell: OnBytes | None = None

        def progress(n_bytes: int) -> None:
            nonlocal tell
            if stop.is_set():
                raise _StoppedError
            tell = tell or bar(name, pin.size)  # a cached file gets no bar
            tell(n_bytes)

        try:
            return hub.fetch(pin, progress=progress)
        except SatZooError as error:
            return error

    pool = ThreadPoolExecutor(N_AT_ONCE)
    try:
        running = {name: pool.submit(fetch, name, pin) for name, pin in pins.items()}
        return {name: future.result() for name, future in running.items()}
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
