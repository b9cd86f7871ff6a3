"""`sat-zoo import`: take an official TensorFlow checkpoint into the local weight store."""

from pathlib import Path
from typing import Literal

import click
from rich.text import Text

from eval.errors import UsageError, WeightsUnavailable
from eval.files.home import home
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import say, stdout
from zoo.registry import card
from zoo.weights.store import Store, Stored

EXAMPLES = """\b
Examples:
  sat-zoo import resnet50-silu-sat --checkpoint ~/Downloads/Res50-silu
  sat-zoo import efficientnet-b0-sat --download"""


@click.command("import", epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_models)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="PREFIX",
    help="Path of the checkpoint without .index.",
)
@click.option("--download", is_flag=True, help="Get the checkpoint from the authors' Google Drive.")
@click.option(
    "--to-store",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of the weight store.  [default: SAT_ZOO_HOME/store]",
)
@click.option(
    "--channel-order",
    type=click.Choice(["RGB", "BGR"]),
    help="What the checkpoint reads; the import always reads RGB.  [default: the card's]",
)
@click.option(
    "--ema/--no-ema",
    default=None,
    help="Import the moving averages of the weights, or the weights.  [default: the card's]",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="ImageNet: settle from its pictures how the checkpoint must be read, and record it.",
)
def command(
    *,
    name: str,
    checkpoint: Path | None,
    download: bool,
    to_store: Path | None,
    channel_order: Literal["RGB", "BGR"] | None,
    ema: bool | None,
    data_dir: Path | None,
) -> None:
    """Convert the official TensorFlow checkpoint of the model NAME and keep it.

    Every checksum is verified, and every variable must be known: a file that is damaged or
    belongs to another model is refused. What the store had before is replaced. `sat-zoo pull NAME`
    does the same with --download in one step, and only if nothing is here.
    """
    if (checkpoint is None) != download:
        raise UsageError("name the checkpoint with --checkpoint PREFIX, or get it with --download")
    if data_dir is not None and to_store is not None:
        raise UsageError(
            f"--data-dir {data_dir} records in the store of SAT_ZOO_HOME: leave out --to-store"
        )
    found = card(name)

    if checkpoint is None:
        from zoo.cli.pull_official import pull_official

        stored = pull_official(
            found, to_store=to_store, channel_order=channel_order, ema=ema, again=True
        )
    else:
        stored = _convert(name, checkpoint, Store(to_store), channel_order, ema)
    _report(name, stored)
    if data_dir is not None:
        assert found.official is not None  # it was imported
        _settle(name, checkpoint or home() / "downloads" / found.official.prefix, data_dir)


def _settle(name: str, checkpoint: Path, data_dir: Path) -> None:
    from zoo.cli.readings import examine_readings

    examine_readings(
        name,
        checkpoint=checkpoint,
        data=None,
        data_dir=data_dir,
        n=None,
        allow_partial=True,
        device="cpu",
        as_json=False,
    )


def _convert(
    name: str,
    checkpoint: Path,
    store: Store,
    channel_order: Literal["RGB", "BGR"] | None,
    ema: bool | None,
) -> Stored:
    from zoo.official.convert import import_checkpoint

    path = import_checkpoint(name, checkpoint, store=store, channel_order=channel_order, ema=ema)
    stored = store.find(name)
    if stored is None:
        raise WeightsUnavailable(f"{path} vanished after the import: import {name} again")
    for said in stored.provenance["differences"]:
        say(f"{name}: NOT as before: {said}")
    return stored


def _report(name: str, stored: Stored) -> None:
    facts = stored.provenance
    skipped = ", ".join(f"{n} {kind}" for kind, n in facts["variables_skipped"].items())
    order = facts["channel_order"]
    lines = [
        f" imported from the official checkpoint {facts['prefix']}",
        f"  weights    {stored.path}",
        f"  sha256     {stored.sha256}",
        f"  variables  {facts['variables_used']} used; skipped: {skipped or 'none'}",
        f"  values     {'moving averages' if facts['moving_averages'] else 'weights'}",
        f"  channels   {order['checkpoint']} in the checkpoint, {order['stored']} in the store",
    ]
    stdout().print(Text(name, style="bold") + "\n".join(lines), soft_wrap=True)
