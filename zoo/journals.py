"""Where verdicts are kept while they are found: what `journal=` of the doors means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eval.files.paths import AnyPath, path_of

if TYPE_CHECKING:
    from torch import nn


def journal_place(
    journal: AnyPath | bool | None, model: nn.Module, subfolder: str = ""
) -> Path | None:
    """The file or folder that keeps the verdicts on `model`, None for nowhere.

    journal: a path, or True for this machine's folder of journals, below it `subfolder`. In it
    nothing is kept of a function, which cannot be told from another one; a path is passed on, and
    refused by `eval`.
    """
    if not isinstance(journal, bool):
        return path_of(journal, "journal")
    from eval.functions import FunctionModel
    from eval.journal.journal import default_folder

    if not journal or isinstance(model, FunctionModel):
        return None
    return default_folder() / subfolder
