"""`sat-zoo reproduce`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.arguments import as_options
from zoo.cli.shared.columns import TableColumn, wide_option
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import remark, stdout
from zoo.cli.shared.data import chosen_images, data_options, download_bar
from zoo.cli.shared.model import prefix_option
from zoo.cli.shared.offer import offer_weights, yes_option
from zoo.cli.shared.search import batch_size_option, device_option, seed_option
from zoo.cli.shared.stopping import can_go_on
from zoo.cli.shared.voice import voice_options
from zoo.cli.shared.workers import chosen_workers, ray_options

if TYPE_CHECKING:
    from zoo.reproduce import Reproduction

EXAMPLES = """\b
Examples:
  sat-zoo reproduce resnet50-silu-sat --data-dir ~/imagenet --n 1000
  sat-zoo reproduce resnet50-silu-sat --data-dir ~/imagenet --device cuda --json
  sat-zoo reproduce resnet50-silu-sat --data-dir ~/imagenet --until

\b
Verdicts:
  holds           the claim lies in the 95 % interval, which is at most ± 1 point
  cannot tell     it lies in the interval, which is wider: take more images
  differs         it lies outside
  other pictures  the claim is about another data set"""

COLUMNS = (
    TableColumn("claim", importance=0),
    TableColumn("run as", importance=5),
    TableColumn("counts", importance=6),
    TableColumn("claimed", is_right=True, importance=1),
    TableColumn("measured", is_right=True, importance=2),
    TableColumn("95 % interval", is_right=True, importance=4),
    TableColumn("verdict", is_prose=True, importance=3),
)
STYLES = {"holds": "green", "differs": "bold red", "cannot tell": "yellow", "other pictures": "dim"}


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_models)
@click.option("--weights", type=click.Path(path_type=Path), help="A safetensors file to use.")
@prefix_option
@data_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of the reports.  [default: SAT_ZOO_HOME/reproductions/NAME]",
)
@batch_size_option
@seed_option
@device_option
@ray_options
@click.option("--fresh", is_flag=True, help="Start over; forget what the journals hold.")
@click.option(
    "--until",
    is_flag=False,
    flag_value="decided",
    metavar="[decided|POINTS]",
    help="End each attack as soon as its claims are decided, whatever the images that are left"
    " would do; or once the interval is at most this many points to either side.",
)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON on stdout.")
@yes_option
@voice_options
def command(
    name: str,
    weights: Path | None,
    strip_prefix: str | None,
    out: Path | None,
    batch_size: int | None,
    seed: int,
    device: str,
    fresh: bool,
    until: str | None,
    as_json: bool,
    yes: bool,
    **which: Any,
) -> None:
    """Measure every number that was published for the model NAME, each by its own protocol.

    Prints what is claimed, what was measured, its 95 % interval and what follows from the two.
    Claims whose source does not state the whole protocol are listed with the reason. Each run
    leaves a report, and whatever ends the command, the same command goes on. Ends with 0 whatever
    the verdicts are.
    """
    from eval.files.home import home
    from zoo.registry import card
    from zoo.reproduce import Settings, measurements, prepare_folder, reproduce, until_of

    # What can be checked without torch is checked first: a typo must not cost three seconds.
    info = card(name)
    measurements(info)
    until_of(until)
    selection = chosen_images(which)
    workers = chosen_workers(which, device)
    folder = out or home() / "reproductions" / name
    prepare_folder(folder)

    from eval.journal.journal import default_folder
    from zoo.cli.shared.progress import progress_bar
    from zoo.loading import load
    from zoo.ready import found as found_images

    with workers.executor() as executor:
        with download_bar() as on_download:  # first: without pictures no weights need be fetched
            chosen = found_images(selection, info, executor, on_download, remark)
        offer_weights(info, weights, yes=yes)
        device = workers.own_device
        model = load(name, weights=weights, device=device, strip_prefix=strip_prefix)
        with can_go_on(), progress_bar() as on_progress:
            found = reproduce(
                model,
                chosen,
                folder,
                Settings(
                    seed=seed,
                    batch_size=batch_size,
                    device=device,
                    journal=default_folder(),
                    fresh=fresh,
                    until=until_of(until),
                    command=shlex.join(["sat-zoo", *sys.argv[1:]]),
                    on_progress=on_progress,
                    on_message=remark,
                    executor=executor,
                ),
            )
    if as_json:
        click.echo(found.to_json(), nl=False)
    else:
        _print(found, folder)


def _print(found: Reproduction, folder: Path) -> None:
    from rich.text import Text

    from zoo.cli.shared.table import print_table

    console = stdout()
    console.print(
        Text(found.model, style="bold")
        + f" (weights {found.weights_source}, {found.weights_sha256[:12]}) on"
        + f" {found.n} images of {found.data} ({found.split})"
    )
    rows: list[tuple[str | Text, ...]] = []
    for row in found.rows:
        low, high = row.measured.ci95
        rows.append(
            (
                row.claim.protocol,
                row.protocol,
                row.counts,
                f"{100 * row.claim.accuracy:.1f} %",
                f"{'about ' * row.measured.estimated}{100 * row.measured.accuracy:.1f} %",
                f"{100 * low:.1f} to {100 * high:.1f}",
                Text.assemble((row.verdict, STYLES[row.verdict]), f": {row.why}"),
            )
        )
    for missing in found.not_run:
        claimed = f"{100 * missing.claim.accuracy:.1f} %"
        reason = as_options(f"not run: {missing.reason}")
        rows.append((missing.claim.protocol, "", "", claimed, "", "", reason))
    print_table(COLUMNS, rows, console)
    for one in found.remarks:
        console.print(Text(one))
    for flag in found.flags:
        console.print(Text(f"flag {flag.code}:", style="yellow"), as_options(flag.detail))
    console.print(Text(f"reports are in {folder}"), soft_wrap=True)
