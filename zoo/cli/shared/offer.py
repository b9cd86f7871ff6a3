"""Weights that are not here, offered once instead of an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from eval.errors import WeightsUnavailable
from zoo.cards import ForeignCard, ModelCard
from zoo.hub.name import Commit
from zoo.hub.pins import pin_of
from zoo.weights.find import local_weights, not_here, remote


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --yes, which is `offer_weights`'s `yes`."""
    text = "Fetch and convert official weights that are not here without a question."
    return click.option("--yes", is_flag=True, help=text)(command)


def offer_weights(
    info: ModelCard, weights: Path | Commit | None = None, *, yes: bool = False
) -> None:
    """Fetch and convert the official weights of `info` if it has none and the user agrees.

    weights: where the user said that they are, which settles it. yes: agree without a question.

    Pinned weights are none of our business: loading fetches them by itself.

    Raises `WeightsUnavailable` with the command to give where nobody can be asked, or who was asked
    said no; what `zoo.official.fetch.obtain` raises.
    """
    if weights is not None or isinstance(info, ForeignCard):
        return
    if local_weights(info) is not None or pin_of(info.name) is not None:
        return
    there = remote(info, "official")
    if there is None:
        return
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise WeightsUnavailable(f"{not_here(info)} (--yes fetches them without a question)")
        question = (
            f"{info.name} has no weights on this machine: fetch {there.size} from the"
            f" {there.place} and convert?"
        )
        if not click.confirm(question, default=True, err=True):
            raise WeightsUnavailable(not_here(info))
    from zoo.cli.pull_official import pull_official

    pull_official(info)
