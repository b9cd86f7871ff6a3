"""`sat-zoo leaderboard build`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.filesize import decimal

from leaderboard.cli.options import chosen_results, results_options, tell_left_out

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard build
  sat-zoo leaderboard build --results my-reports --out public
  sat-zoo leaderboard build --adversarial resnet8.safetensors"""

PATH = click.Path(path_type=Path)


@click.command(epilog=EXAMPLES)
@results_options
@click.option(
    "--out",
    type=PATH,
    default=Path("leaderboard-site"),
    show_default=True,
    metavar="DIR",
    help="Folder to write; one that sat-zoo wrote is replaced.",
)
@click.option(
    "--adversarial",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Show the images of a file of eval --save-adversarial; may be repeated.",
)
@click.option("--data-dir", type=PATH, help="Folder of the data set of --adversarial; only read.")
@click.option("--force", is_flag=True, help="Replace a folder of others; it is moved aside.")
def command(
    results: tuple[Path, ...],
    only: bool,
    out: Path,
    adversarial: tuple[Path, ...],
    data_dir: Path | None,
    force: bool,
) -> None:
    """Write the leaderboard as a static site that opens from disk and asks no network."""
    from leaderboard.site.builder import build

    built = build(
        out,
        results=chosen_results(results, only=only),
        adversarial=adversarial,
        data_dir=data_dir,
        force=force,
    )
    tell_left_out(reason for _, reason in built.refused)
    click.echo(
        f"{built.out / 'index.html'}: {built.n_boards} boards, {built.n_models} model pages,"
        f" {built.n_reports} Reports; the largest page is {decimal(built.largest)}"
    )
