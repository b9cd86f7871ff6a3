"""`sat-zoo doctor NAME`: whether a model answers here as where its weights were made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.arguments import as_options
from eval.errors import SatZooError
from zoo.cli.shared.console import stdout
from zoo.registry import card

if TYPE_CHECKING:
    from zoo.diagnosis.findings import GoldenFindings


def examine_golden(name: str, weights: Path | None, device: str, *, as_json: bool) -> None:
    """Print how the model `name` compares with its golden logits.

    Raises `SatZooError` with the likely cause if it answers otherwise.
    """
    card(name)
    from zoo.diagnosis.diagnose import diagnose

    findings = diagnose(name, weights=weights, device=device)
    if as_json:
        click.echo(findings.to_json(), nl=False)
    else:
        _print(findings)
    if not findings.agrees:
        raise SatZooError(_against(findings))


def _print(findings: GoldenFindings) -> None:
    from rich.text import Text

    from zoo.cli.shared.columns import TableColumn
    from zoo.cli.shared.table import print_table

    console = stdout()
    where = f" on {findings.device} in {findings.precision}"
    then = f"; recorded with {findings.recorded_with}" if findings.recorded_with else ""
    console.print(Text(findings.model, style="bold") + f"{where}{then}", soft_wrap=True)
    columns = (
        TableColumn("golden logits", importance=0),
        TableColumn("off", is_right=True, importance=1),
        TableColumn("of", is_right=True, importance=2),
        TableColumn("worst", is_right=True, importance=3),
        TableColumn("allowed", is_right=True, importance=4),
        TableColumn("verdict", is_prose=True, importance=5),
    )
    rows = [
        (
            {"raw": "fixed tensors", "pictures": "picture files"}[one.images],
            str(one.n_off),
            str(one.n),
            f"{one.worst:.1g}",
            f"{one.allowed:g}",
            "as where the weights were made" if one.agrees else "otherwise",
        )
        for one in findings.compared
    ]
    if rows:
        print_table(columns, rows, console)
    for note in findings.not_compared:
        console.print(Text(as_options(note)), soft_wrap=True)
    for cause in findings.causes:
        console.print(Text(f"{cause.code}: {cause.says}"), soft_wrap=True)


def _against(findings: GoldenFindings) -> str:
    said = "; ".join(f"{cause.code}: {cause.says}" for cause in findings.causes)
    return (
        f"{findings.model} does not answer here as where its weights were made ({said}): mend that"
        " before any of its numbers is believed"
    )
