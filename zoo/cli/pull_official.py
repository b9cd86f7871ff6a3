"""Official weights fetched with a bar on stderr, for every command that may need some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from zoo.cli.shared.console import is_quiet, remark, say
from zoo.cli.shared.stopping import can_go_on
from zoo.weights.file import Found

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.cards import ModelCard
    from zoo.weights.store import Stored


def pull_official(
    info: ModelCard,
    *,
    to_store: Path | None = None,
    channel_order: Literal["RGB", "BGR"] | None = None,
    ema: bool | None = None,
    again: bool = False,
) -> Stored:
    """`zoo.official.fetch.obtain`, with what happens told on stderr."""
    from zoo.hub.progress import bars
    from zoo.official.fetch.obtain import Watch, obtain
    from zoo.weights.store import Store

    with can_go_on(), _told_where(), bars(say, is_quiet=is_quiet()) as bar:
        return obtain(
            info,
            store=Store(to_store),
            channel_order=channel_order,
            ema=ema,
            again=again,
            watch=Watch(bar, remark),
        )


@contextmanager
def _told_where() -> Iterator[None]:
    """Say, where the block is interrupted, where the bytes are that have come."""
    try:
        yield
    except KeyboardInterrupt:
        from eval.files.home import home

        say(f"what has come is kept in {home() / 'partial'}")
        raise


def found_in_store(stored: Stored) -> Found:
    """The weights of the store as `zoo.weights.find` speaks of them."""
    return Found(stored.path, "store", stored.sha256)
