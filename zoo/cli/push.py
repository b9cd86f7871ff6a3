"""`sat-zoo push`: publish models on the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.errors import UsageError, WeightsUnavailable
from eval.files.border import is_file
from zoo.cli.shared.columns import TableColumn, wide_option
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import stdout
from zoo.registry import card, own_models

if TYPE_CHECKING:
    from zoo.publish.package import Package

EXAMPLES = """\b
Examples:
  sat-zoo push resnet8-silu-sat-digits --namespace ORG --dry-run
  sat-zoo push resnet8-silu-sat-digits --namespace ORG --private
  sat-zoo push resnet8-silu-sat-digits --namespace ORG --evidence adversarial.safetensors
  sat-zoo push --all --namespace ORG --pins zoo/hub/pins.json"""


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME ...]", shell_complete=complete_models)
@click.option("--all", "every", is_flag=True, help="Every model whose weights are here.")
@click.option("--namespace", required=True, metavar="ORG", help="User or organisation on the Hub.")
@click.option("--private", is_flag=True, help="Create the repository as a private one.")
@click.option("--dry-run", is_flag=True, help="Show what would be uploaded; no network.")
@wide_option
@click.option(
    "--pins",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the pin.  [default: SAT_ZOO_HOME/pins.json]",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A safetensors file to publish instead."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of Reports.  [default: those of the package and your own]",
)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Adversarial images of one of the Reports, to publish with it; repeatable.",
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder of the data set of --evidence."
)
@click.option(
    "--classes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of --evidence of a folder of pictures: its list of classes.",
)
@click.option(
    "--license",
    "license_id",
    metavar="ID",
    help="License of the weights, if you may state it.  [default: mit for the bundled ones]",
)
def command(
    *,
    names: tuple[str, ...],
    every: bool,
    namespace: str,
    private: bool,
    dry_run: bool,
    pins: Path | None,
    weights: Path | None,
    results: Path | None,
    evidence: tuple[Path, ...],
    data_dir: Path | None,
    classes: Path | None,
    license_id: str | None,
) -> None:
    """Publish the models NAME ... on the Hub as ORG/NAME and pin what was published.

    One commit a model: weights, config.json for timm, card, recipe, training log and Reports of
    these very weights, a page and the Hub's files of evaluation results made from them; with
    --evidence also the adversarial images that eval --save-adversarial wrote, each shown to the
    model once more. The token is the one of hf auth login or HF_TOKEN.
    """
    _check_evidence(names, evidence, data_dir, classes)
    chosen, skipped = _chosen(names, every, weights)

    from eval.files.writing import check_writable
    from zoo.publish.package import prepare
    from zoo.publish.reports import results_in

    if pins is not None and not dry_run:
        check_writable(pins, "pins")
    found = results_in(results)
    if skipped:
        click.echo(f"skipped, no weights here: {', '.join(skipped)}")
    for name in chosen:
        package = prepare(name, namespace, weights=weights, results=found, license_id=license_id)
        if evidence:
            from zoo.publish.evidence import with_evidence

            package = with_evidence(package, evidence, found, data_dir=data_dir, classes=classes)
        if dry_run:
            _show(package)
        else:
            _publish(package, private=private, pins=pins)


def _check_evidence(
    names: tuple[str, ...], evidence: tuple[Path, ...], data_dir: Path | None, classes: Path | None
) -> None:
    for option, value in (("--data-dir", data_dir), ("--classes", classes)):
        if value is not None and not evidence:
            raise UsageError(f"{option} {value} is for --evidence: leave it out, or name a FILE")
    if evidence and len(names) != 1:
        raise UsageError(f"--evidence {evidence[0]} is of one model: name that model alone")
    for path in evidence:
        if not is_file(path):
            raise UsageError(f"--evidence {path} is not a file: name adversarial images")


def _chosen(
    names: tuple[str, ...], every: bool, weights: Path | None
) -> tuple[list[str], list[str]]:
    """The models to publish and, with --all, those that have no weights here."""
    from zoo.publish.package import weights_here

    if every == bool(names):
        raise UsageError("name the models to publish, or all of them with --all, not both")
    if weights is not None and len(names) != 1:
        raise UsageError(f"--weights {weights} is one file: name the one model that it belongs to")
    chosen, skipped = [], []
    for name in own_models() if every else dict.fromkeys(names):
        try:
            weights_here(card(name), weights)
            chosen.append(name)
        except WeightsUnavailable:
            if not every:
                raise
            skipped.append(name)
    return chosen, skipped


def _show(package: Package) -> None:
    from zoo.cli.shared.table import print_table
    from zoo.publish.eval_results import OWN

    columns = (
        TableColumn(package.repo),
        TableColumn("bytes", is_right=True),
        TableColumn("sha256"),
    )
    rows = ((file.path, f"{file.size:,}", file.sha256) for file in package.files)
    print_table(columns, rows, stdout())
    results = (file.path for file in package.files if file.path.startswith(OWN))
    for path in ("config.json", "README.md", *results):
        click.echo(f"\n--- {path}\n{package.text(path)}")
    click.echo("dry run: nothing was uploaded, no pin was written")


def _publish(package: Package, *, private: bool, pins: Path | None) -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from zoo.hub.pins import write_pin
    from zoo.publish.upload import publish

    if not sys.stderr.isatty():
        disable_progress_bars()
    pin = publish(package, private=private)
    path = write_pin(package.name, pin, pins)
    click.echo(
        f"{package.name}: {len(package.files)} files at {pin.repo}, revision {pin.revision},"
        f" sha256 {pin.sha256}; pinned in {path}"
    )
