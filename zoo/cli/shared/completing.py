"""What a shell offers when TAB is pressed: names of models, attacks, data sets and results.

Each function is a `shell_complete` of click's, and is asked within the time of a key press: nothing
here imports torch, and what cannot be read offers nothing, since nobody could be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

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


def _sets() -> Iterable[str]:
    from eval.data import DATA_SETS

    return DATA_SETS


complete_models = offering(_models)
complete_models_or_files = offering(_models, or_file=True)
complete_attacks = offering(_attacks)
complete_data = offering(_sets)
complete_data_or_files = offering(_sets, or_file=True)
complete_norms = offering(lambda: ("L2", "Linf"))
