"""How a driver reaches its workers: what `Fleet` needs of Ray, or of anything that stands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from eval.executors.cluster.wire import Reply


class Transport(Protocol):
    """Processes that each hold a `Worker`, known by numbers that are never used again."""

    def hire(self) -> int:
        """Begin to make one more worker; it can be asked at once, and answers when it is there."""

    def ask(self, worker: int, method: str, *args: Any) -> None:
        """Call a method of its `Worker`, and do not wait. One call at a time for each worker."""

    def wait(self, seconds: float) -> Sequence[Reply]:
        """What came of calls since then, in any order; () where nothing did within `seconds`."""

    def put(self, value: Any) -> Any:
        """Something large, as an argument for many workers: it travels once to each machine."""

    def dismiss(self, worker: int) -> None:
        """End it at once, whatever it does; nothing more is heard of it."""
