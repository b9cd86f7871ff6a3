"""`sat-zoo doctor NAME --data-dir DIR`: which reading of an official checkpoint is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.arguments import as_options
from eval.errors import SatZooError, UsageError
from eval.report.percent import percent
from zoo.cli.shared.completing import complete_data_or_files
from zoo.cli.shared.console import say, stdout
from zoo.pictures import SUBSET_SEED, images
from zoo.registry import card
from zoo.weights.store import Store

if TYPE_CHECKING:
    from zoo.official.evidence.readings import Contest, Findings

N_IMAGES = 300
"""Pictures that are enough where one reading loses a tenth of them."""


def readings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that only `examine_readings` understands."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--checkpoint", type=path, metavar="PREFIX", help="Of NAME: as released."),
        click.option(
            "--data",
            metavar="NAME|PATH",
            help="Of NAME: the set.",
            shell_complete=complete_data_or_files,
        ),
        click.option("--n", type=click.IntRange(1), help="Of NAME: pictures.  [default: 300]"),
        click.option("--allow-partial", is_flag=True, help="Of NAME: an incomplete ImageNet."),
        click.option("--device", default="cpu", show_default=True, help="Of NAME."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def refuse_readings_options(given: dict[str, Any]) -> None:
    """Raises `UsageError` for the first of these options that was given without a NAME."""
    without = {"checkpoint": None, "data": None, "n": None, "weights": None, "allow_partial": False}
    for name, nothing in without.items():
        if given[name] != nothing:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} is for the NAME of a model: say which, or leave it out")


def examine_readings(
    name: str,
    *,
    checkpoint: Path | None,
    data: str | None,
    data_dir: Path | None,
    n: int | None,
    allow_partial: bool,
    device: str,
    as_json: bool,
) -> None:
    """Print what pictures say about the readings of the model `name`, and record it in the store.

    Raises `SatZooError` if they decide against the way its weights are read.
    """
    info = card(name)

    from eval.checks import usable_device
    from zoo.official.evidence.networks import of_checkpoint, of_weights, record
    from zoo.official.evidence.readings import settle

    usable_device(device)
    if checkpoint is not None:
        found = of_checkpoint(info, checkpoint, device=device)
    else:
        found = of_weights(info, device=device)
    chosen = images(
        info, data=data, data_dir=data_dir, n=n, allow_partial=allow_partial, on_message=say
    )
    if n is None and len(chosen) > N_IMAGES:
        chosen = chosen.subset(N_IMAGES, seed=SUBSET_SEED)
    findings = settle(info, found, chosen, device=device)
    recorded = record(findings, Store(), checkpoint)
    if as_json:
        click.echo(findings.to_json(), nl=False)
    else:
        _print(findings, recorded)
    misread = [contest for contest in findings.contests if contest.is_misread]
    if misread:
        raise SatZooError(_against(name, misread))


def _print(findings: Findings, recorded: Path | None) -> None:
    from rich.text import Text

    from zoo.cli.shared.columns import TableColumn
    from zoo.cli.shared.table import print_table

    console = stdout()
    console.print(
        Text(findings.model, style="bold")
        + f" on {findings.n} images of {findings.data} ({findings.split})"
    )
    columns = (
        TableColumn("question", importance=0),
        TableColumn("best", importance=1),
        TableColumn("right of best", "right", is_right=True, importance=4),
        TableColumn("next", importance=3),
        TableColumn("right of next", "right", is_right=True, importance=5),
        TableColumn("only best : only next", importance=7),
        TableColumn("p", is_right=True, importance=6),
        TableColumn("verdict", is_prose=True, importance=2),
    )
    rows = (
        (
            contest.question,
            contest.answer,
            f"{percent(contest.accuracy.accuracy)} %",
            contest.rival,
            f"{percent(contest.rival_accuracy.accuracy)} %",
            f"{contest.n_only_answer} : {contest.n_only_rival}",
            f"{contest.p:.1e}",
            _verdict(contest),
        )
        for contest in findings.contests
    )
    print_table(columns, rows, console)
    for reason in findings.not_tried:
        console.print(Text(as_options(f"not tried: {reason}")), soft_wrap=True)
    if recorded is not None:
        console.print(Text(f"recorded in {recorded}"), soft_wrap=True)


def _verdict(contest: Contest) -> str:
    if not contest.is_settled:
        return f"cannot tell (the card says {contest.card}): take more images with --n"
    if contest.answer == contest.card:
        return "as the card says"
    return f"not as the card says: {contest.card}"


def _against(name: str, contests: list[Contest]) -> str:
    said = ", ".join(f"{c.question} {c.answer} instead of {c.used}" for c in contests)
    ways = {
        ("channel order", "RGB"): "--channel-order RGB",
        ("channel order", "BGR"): "--channel-order BGR",
        ("values", "weights"): "--no-ema",
        ("values", "moving averages"): "--ema",
    }
    options = [ways[c.question, c.answer] for c in contests if (c.question, c.answer) in ways]
    fix = f"import it with: sat-zoo import {name} --checkpoint PREFIX {' '.join(options)}"
    if not options:
        fix = "its numbers here mean nothing before the order of its classes is corrected"
    return f"{name} is misread: the pictures say {said}; {fix}"
