"""What a shell offers when TAB is pressed: names of models, attacks, data sets and results.

Each function is a `shell_complete` of click's, and is asked within the time of a key press: nothing
here imports torch, and what cannot be read offers nothing, since nobody could be told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def offering(names: Callable[[], Iterable[str]], *, or_file: bool = False) -> Complete:
    """A completion out of `names`; or_file: where none begins so, files of the folder."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = sorted(name for name in names() if name.startswith(incomplete))
        except Exception:
            found = []
        if not found and or_file:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in found]

    return complete


def _models() -> Iterable[str]:
    from zoo.registry import list_models

    return list_models()


def _attacks() -> Iterable[str]:
    from eval.protocols import NAMES

    return NAMES


def _complete_attacks(
    context: click.Context, option: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of attacks; behind a comma those that can go on a list of stages."""
    before, comma, last = incomplete.rpartition(",")
    if not comma:
        return offering(_attacks)(context, option, last)
    return offering(lambda: _lists(before))(context, option, incomplete)


def _lists(before: str) -> Iterator[str]:
    from eval.errors import UsageError
    from eval.protocols import NAMES, protocol

    for name in NAMES:
        with contextlib.suppress(UsageError):  # which is not for lists, or stands there already
            protocol(f"{before},{name}")
            yield f"{before},{name}"


def _sets() -> Iterable[str]:
    from eval.data import DATA_SETS

    return DATA_SETS


def _sets_of_cards() -> Iterable[str]:
    from zoo.registry import card, list_models

    return {card(name).dataset for name in list_models()}


complete_models = offering(_models)
complete_models_or_files = offering(_models, or_file=True)
complete_attacks = _complete_attacks
complete_data = offering(_sets)
complete_card_data = offering(_sets_of_cards)
complete_data_or_files = offering(_sets, or_file=True)
complete_norms = offering(lambda: ("L2", "Linf"))
