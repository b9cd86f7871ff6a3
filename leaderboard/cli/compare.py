"""`sat-zoo compare A B`."""

from __future__ import annotations

import json

import click

from leaderboard.cli.offers import complete_results
from zoo.cli.shared.columns import wide_option
from zoo.cli.shared.console import stdout

EXAMPLES = """\b
Examples:
  sat-zoo compare resnet8-silu-sat-digits.autoattack resnet8-relu-at-digits.autoattack
  sat-zoo compare mine.json theirs.json --json"""


@click.command(epilog=EXAMPLES)
@click.argument("a", shell_complete=complete_results)
@click.argument("b", shell_complete=complete_results)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all image ids.")
def command(a: str, b: str, as_json: bool) -> None:
    """Compare two reports on the same images: files, or names of results in the package.

    Says which images one model keeps and the other loses, by class and by stage, with the paired
    difference, its interval and the exact McNemar test.
    """
    from leaderboard.cli.terminal import print_comparison
    from leaderboard.compare import compare, find_report

    done = compare(find_report(a), find_report(b))
    if as_json:
        click.echo(json.dumps(done.to_dict(), indent=2))
    else:
        print_comparison(done, stdout())
