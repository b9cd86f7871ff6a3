"""`sat-zoo show NAME`."""

import click
from rich.filesize import decimal
from rich.text import Text

from eval.report.percent import percent
from zoo.accuracies import KnownAccuracy, accuracies
from zoo.cards import Claim, ModelCard
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import stdout
from zoo.cli.shared.table import print_table
from zoo.hub.pins import pin_of
from zoo.registry import card
from zoo.weights.find import local_weights, not_here

UNKNOWN = "not published"


@click.command(
    epilog="""\b
Examples:
  sat-zoo show resnet8-silu-sat-digits
  sat-zoo show resnet50-silu-sat --json"""
)
@click.argument("name", shell_complete=complete_models)
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def command(name: str, as_json: bool) -> None:
    """Show the card of the model NAME: architecture, input, threat model, claims, weights."""
    info = card(name)
    if as_json:
        click.echo(info.model_dump_json(indent=2))
        return
    rows = ((Text(label, style="bold"), value) for label, value in _facts(info))
    print_table(
        (TableColumn("fact"), TableColumn("value", is_prose=True)), rows, stdout(), has_head=False
    )


def _facts(info: ModelCard) -> list[tuple[str, str]]:
    spec = info.input
    facts = [
        ("model", info.name),
        ("architecture", f"{info.arch}, activation {info.activation}"),
        (
            "method",
            {"sat": "smooth adversarial training", "at": "adversarial training"}[info.method],
        ),
        ("data", f"{info.dataset}, {info.classes} classes"),
        ("parameters", f"{info.parameters:,}"),
        ("multiply-adds", f"{info.flops:,}" if info.flops is not None else UNKNOWN),
        ("input", f"{spec.channels} x {spec.size} x {spec.size} in [0, 1]"),
        ("preprocessing", spec.preprocess),
        ("threat model", f"{info.threat.norm}, eps {info.threat.eps}" if info.threat else UNKNOWN),
        ("weights", _weights(info)),
        ("recipe", f"zoo/families/{info.family}/{info.recipe}" if info.recipe else UNKNOWN),
    ]
    known = accuracies([info])[info.name]
    ours = [one for one in (known.clean, known.robust) if one is not None and not one.is_claimed]
    facts += [("measured", _measured(one)) for one in ours]
    claims = [("claimed", _claim(claim)) for claim in info.claims] or [("claimed", UNKNOWN)]
    return facts + claims + [("note", note) for note in info.notes]


def _weights(info: ModelCard) -> str:
    found = local_weights(info)
    if found is not None:
        return f"{'hub cache' if found.source == 'hub' else found.source}: {found.path}"
    pin = pin_of(info.name)
    if pin is None:
        return not_here(info)
    return (
        f"on the hub, not fetched yet: {decimal(pin.size)} in {pin.repo} at {pin.revision[:12]};"
        f" fetch them with: sat-zoo pull {info.name}"
    )


def _measured(found: KnownAccuracy) -> str:
    flags = f"; flagged: {', '.join(found.flags)}" if found.flags else ""
    of_whole = f" of {found.n_whole:,}" if found.is_of_part and found.n_whole else ""
    images = f" on {found.n:,}{of_whole} images" if found.n is not None else ""
    return f"{percent(found.accuracy)} % {found.attack}{images} (by us, {found.source}{flags})"


def _claim(claim: Claim) -> str:
    threat = f" at {claim.threat.norm} {claim.threat.eps}" if claim.threat else ""
    note = f"; {claim.note}" if claim.note else ""
    return f"{percent(claim.accuracy)} % {claim.protocol}{threat} ({claim.source}{note})"
