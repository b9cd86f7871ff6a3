"""`sat-zoo leaderboard export`."""

from __future__ import annotations

from pathlib import Path

import click

from eval.errors import UsageError
from leaderboard.cli.options import results_option, tell_left_out

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard export --out tables
  sat-zoo leaderboard export --format tex > rows.tex"""


@click.command(epilog=EXAMPLES)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for all four files.")
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["md", "csv", "json", "tex"]),
    help="Print this one on stdout instead.",
)
@results_option
def command(out: Path | None, suffix: str | None, results: tuple[Path, ...]) -> None:
    """Write leaderboard.md, .csv, .json and .tex (rows for a table in LaTeX)."""
    from leaderboard import export
    from leaderboard.boards import RESULTS, leaderboard

    if (out is None) == (suffix is None):
        raise UsageError("say where: --out DIR for all files, or --format md, csv, json or tex")
    whole = leaderboard(results or (RESULTS,))
    tell_left_out(it.reason for it in whole.refused)
    if out is None:
        render = {
            "md": export.to_markdown,
            "csv": export.to_csv,
            "json": export.to_json,
            "tex": export.to_latex,
        }[str(suffix)]
        click.echo(render(whole), nl=False)
        return
    if not out.is_dir():
        raise UsageError(f"--out {out} is no folder: make it first")
    for path in export.write_all(whole, out):
        click.echo(str(path))
