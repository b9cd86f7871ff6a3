"""Where our time goes: the functions that matter, timed from outside while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from eval.data import ImageSet
from eval.engine.net import Net
from eval.executors import stage_search
from eval.journal.journal import Journal

WATCHED: tuple[tuple[Any, str, str], ...] = (
    (Net, "logits", "network"),
    (Net, "gradient", "network"),
    (stage_search, "verify", "verification"),
    (stage_search, "predict", "verification"),
    (ImageSet, "batch", "io"),
    (Journal, "add", "io"),
)
"""Where, which function, and what its time counts as. None of them calls another."""

N_PENDING = 4096
"""Pairs of GPU events kept before they are read, which makes the host wait."""


class Clock:
    """Seconds by what they were spent on, of everything that runs inside `watching`.

    On a GPU the work of a call is timed on the device, so that the host need not wait for it.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_cuda = device.type == "cuda"
        self._seconds = {what: 0.0 for _, _, what in WATCHED}
        self._pending: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time the watched functions until the end of the block."""
        with ExitStack() as stack:
            for owner, name, what in WATCHED:
                timed = self._timed(getattr(owner, name), what)
                stack.enter_context(mock.patch.object(owner, name, timed))
            yield

    def seconds(self) -> dict[str, float]:
        """What was measured so far."""
        self._settle()
        return dict(self._seconds)

    def _timed(self, function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = self._mark()
            try:
                return function(*args, **kwargs)
            finally:
                self._add(what, started)

        return call

    def _mark(self) -> Any:
        if not self._is_cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _add(self, what: str, started: Any) -> None:
        if not self._is_cuda:
            self._seconds[what] += time.perf_counter() - started
            return
        self._pending.append((what, started, self._mark()))
        if len(self._pending) >= N_PENDING:
            self._settle()

    def _settle(self) -> None:
        if self._pending:
            torch.cuda.synchronize()
        for what, started, ended in self._pending:
            self._seconds[what] += started.elapsed_time(ended) / 1000
        self._pending.clear()
