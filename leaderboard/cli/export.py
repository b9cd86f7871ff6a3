"""`sat-zoo leaderboard export`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from eval.errors import UsageError
from leaderboard.cli.offers import complete_tables
from leaderboard.cli.options import chosen_results, results_options, tell_left_out
from zoo.cli.shared.completing import complete_norms

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard export --out tables
  sat-zoo leaderboard export --format tex --data cifar10 --norm Linf > rows.tex"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for all four files; made if missing.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["md", "csv", "json", "tex"]),
    help="Print this one on stdout instead.",
)
@click.option(
    "--data",
    metavar="NAME",
    help="Only the tables of this data set.",
    shell_complete=complete_tables,
)
@click.option("--norm", help="Only those of this norm: Linf or L2.", shell_complete=complete_norms)
@click.option("--eps", help="Only those of this radius, as 8/255.")
@results_options
def command(
    out: Path | None,
    suffix: str | None,
    data: str | None,
    norm: str | None,
    eps: str | None,
    results: tuple[Path, ...],
    only: bool,
) -> None:
    """Write leaderboard.md, .csv, .json and .tex (rows for a table in LaTeX)."""
    from leaderboard import export
    from leaderboard.boards import leaderboard
    from leaderboard.narrowed import narrowed

    if out is not None and suffix is not None:
        raise UsageError(
            f"--out {out} writes all files and --format {suffix} prints one: leave one of them out"
        )
    if out is None and suffix is None:
        raise UsageError("say where: --out DIR for all files, or --format md, csv, json or tex")
    whole = leaderboard(chosen_results(results, only=only))
    whole = replace(whole, boards=narrowed(whole.boards, data, norm=norm, eps=eps))
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
    for path in export.write_all(whole, out):
        click.echo(str(path))
