"""`sat-zoo leaderboard push`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click
from rich.filesize import decimal

from leaderboard.escape import plain

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard push leaderboard-site --space OWNER/NAME --dry-run
  sat-zoo leaderboard push leaderboard-site --space OWNER/NAME --private"""


@click.command(epilog=EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--space", required=True, metavar="OWNER/NAME", help="The Space on the Hub.")
@click.option("--private", is_flag=True, help="Create the Space as a private one.")
@click.option("--dry-run", is_flag=True, help="List what would be uploaded; no network.")
def command(folder: Path, space: str, private: bool, dry_run: bool) -> None:
    """Publish the site in FOLDER, which build wrote, as a static Space on the Hub.

    One commit; pages of an earlier push that are gone from FOLDER go there too. The token is the
    one of hf auth login or HF_TOKEN.
    """
    from leaderboard.space import check_space, push, site_files

    check_space(space)
    files = site_files(folder)
    if dry_run:
        _show(files)
        return
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    pushed = push(folder, space, private=private)
    state = f"{len(files)} files" if pushed.is_new else "unchanged"
    click.echo(f"{pushed.url}: {state}, revision {pushed.revision}")


def _show(files: Mapping[str, Path]) -> None:
    sizes = [path.stat().st_size for path in files.values()]
    width = max(len(f"{size:,}") for size in sizes)
    for name, size in zip(files, sizes, strict=True):
        click.echo(f"{size:>{width},}  {plain(name)}")
    click.echo(f"dry run: {len(sizes)} files, {decimal(sum(sizes))}; nothing was uploaded")
