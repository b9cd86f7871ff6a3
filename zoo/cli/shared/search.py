"""Options of every command that attacks: which engine searches, how, and where."""

from __future__ import annotations

import click

from eval.errors import UsageError
from eval.files.border import plain
from zoo.cli.shared.completing import complete_norms


def _batch_size(_context: object, _option: object, value: str) -> int | None:
    """A batch size as typed -> a number, or None for "auto". Raises `UsageError` for the rest."""
    if value == "auto":
        return None
    if not value.isdecimal() or len(value) > 9 or int(value) < 1:
        shown = plain(repr(value), 40)
        raise UsageError(f"--batch-size {shown} is not possible: give auto, or 1 or more images")
    return int(value)


engine_option = click.option(
    "--engine",
    type=click.Choice(["fast", "reference"]),
    default="fast",
    show_default=True,
    help="Ours, or the AutoAttack authors' package.",
)
batch_size_option = click.option(
    "--batch-size",
    default="auto",
    show_default=True,
    callback=_batch_size,
    help="Images in one pass. auto: what fits into memory, at most 128 on a CPU.",
)
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="Of all random numbers."
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ..."
)
norm_option = click.option(
    "--norm", help="Linf or L2.  [default: the model's own]", shell_complete=complete_norms
)
step_size_option = click.option(
    "--step-size", help="Step of pgd-K: eps/N, or in pixel units 1/255.  [default: eps/4]"
)
