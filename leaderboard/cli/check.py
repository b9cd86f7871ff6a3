"""`sat-zoo leaderboard check FILE...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.files.border import plain
from zoo.cli.shared.console import echo, say

if TYPE_CHECKING:
    from leaderboard.accepting import Checked

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard check report.json
  sat-zoo leaderboard check leaderboard/results/*.json --json"""


@click.command(epilog=EXAMPLES)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[Path, ...], as_json: bool) -> None:
    """Check whether each FILE can be added to the results of the package.

    What a maintainer or a workflow runs on a pull request: every total, the attack's work, the
    data set's labels and pixels, the model's card, as all readers check them; that its run is not
    there already, that no text in it names a place on your machine, a token or an address of mail,
    and, in a folder leaderboard/results, that it has the name which `leaderboard add` gives it.
    Ends with 1, and one sentence each, if any cannot.
    """
    from leaderboard.accepting import check_files

    found = check_files(files)
    if as_json:
        content = {"ok": all(one.is_good for one in found), "files": [_json(one) for one in found]}
        click.echo(json.dumps(content, indent=2))
    else:
        for one in found:
            (echo if one.is_good else say)(_line(one))
    if not all(one.is_good for one in found):
        sys.exit(1)


def _line(one: Checked) -> str:
    from eval.report.words import one_line
    from leaderboard.submit import canonical_name

    if one.report is None or one.reason:
        return plain(one.reason, 1000)
    name = canonical_name(one.report)
    named = "" if one.path.name == name else f" as {name}"
    return plain(f"{one.path}: can be added{named}: {one_line(one.report)}", 1000)


def _json(one: Checked) -> dict[str, Any]:
    from leaderboard.origins import origin_of
    from leaderboard.results import run_key
    from leaderboard.submit import canonical_name

    found: dict[str, Any] = {"file": str(one.path), "ok": one.is_good, "reason": one.reason or None}
    if one.report is not None:
        report = one.report
        found |= {"model": report.model.name, "protocol": report.protocol.name}
        found |= {"name": canonical_name(report), "run": run_key(report)}
        found |= {"measured_by": origin_of(report, one.path).who}
    return found
