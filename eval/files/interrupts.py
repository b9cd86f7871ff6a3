"""Ctrl-C and SIGTERM: answered in the same way, and never between two things that belong together.

Ctrl-C is what a person gives, SIGTERM what a supervisor does: a batch system at the end of a job's
time, a container that is stopped. Ignored signals stay ignored, as SIGHUP after `nohup` and SIGINT
in a job in the background.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM, where `terminable` answers it like Ctrl-C."""


@contextmanager
def terminable() -> Iterator[list[Terminated]]:
    """SIGTERM during the block raises `Terminated`, as Ctrl-C raises `KeyboardInterrupt`.

    Yields all that were raised so far, for who must know: on its way up one may be caught and told
    of in another class. A process that was forked within the block is ended by SIGTERM as if there
    were no block. Elsewhere than in the main thread, and where SIGTERM has an answer already or is
    ignored, it just runs.
    """
    raised = list[Terminated]()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield raised
        return
    owner = os.getpid()

    def answer(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        raised.append(Terminated("SIGTERM"))
        raise raised[-1]

    signal.signal(signal.SIGTERM, answer)
    try:
        yield raised
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A Ctrl-C or SIGTERM during the block is answered behind it.

    Elsewhere than in the main thread, which alone is interrupted, the block just runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # One in the other: what is raised while one signal is put back still puts back the other.
    with _held(signal.SIGINT), _held(signal.SIGTERM):
        yield


@contextmanager
def _held(number: signal.Signals) -> Iterator[None]:
    usual = signal.getsignal(number)
    if not callable(usual):  # ignored, or left to the system, or not Python's own
        yield
        return
    came = list[int]()
    signal.signal(number, lambda one, _: came.append(one))
    try:
        yield
    finally:
        signal.signal(number, usual)
    if came:
        usual(came[0], None)


class Gate:
    """A block that it guards is `uninterrupted`, for next to nothing; made by `gated`."""

    def __init__(self) -> None:
        self._is_shut = False
        self._came: list[int] = []
        self._usual: dict[int, Callable[[int, FrameType | None], object]] = {}

    def __enter__(self) -> None:
        self._is_shut = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_shut = False
        came, self._came = self._came, []
        if came and kind is None:
            self._usual[came[0]](came[0], None)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        if self._is_shut:
            self._came.append(number)
        else:
            self._usual[number](number, frame)

    @contextmanager
    def _instead(self, number: signal.Signals) -> Iterator[None]:
        usual = signal.getsignal(number)
        if not callable(usual):  # see `_held`
            yield
            return
        self._usual[number] = usual
        signal.signal(number, self._answer)
        try:
            yield
        finally:
            signal.signal(number, usual)


@contextmanager
def gated() -> Iterator[Gate]:
    """For many short blocks, of which each is guarded by the `Gate`: to change what a signal does
    takes longer than what most of them do. Between them signals are answered as usual.
    """
    gate = Gate()
    if threading.current_thread() is not threading.main_thread():
        yield gate
        return
    with gate._instead(signal.SIGINT), gate._instead(signal.SIGTERM):
        yield gate
