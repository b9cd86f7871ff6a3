"""`sat-zoo show NAME`."""

import math

import click
from rich.filesize import decimal
from rich.text import Text

from eval.fingerprint import short
from eval.report.percent import percent
from zoo.accuracies import KnownAccuracy, accuracies
from zoo.cards import Claim, InputSpec
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import remark, stdout
from zoo.cli.shared.table import print_table
from zoo.hub.name import Commit
from zoo.hub.pins import pin_of
from zoo.registry import brought, package_of
from zoo.wanted import Wanted, wanted
from zoo.weights.find import local_weights, not_here

UNKNOWN = "not published"


@click.command(
    epilog="""\b
Examples:
  sat-zoo show resnet8-silu-sat-digits
  sat-zoo show resnet50-silu-sat --json
  sat-zoo show robustbench:cifar10/Linf/Carmon2019Unlabeled
  sat-zoo show torchvision:resnet50/DEFAULT"""
)
@click.argument("name", shell_complete=complete_models)
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def command(name: str, as_json: bool) -> None:
    """Show the card of the model NAME: architecture, input, threat model, claims, weights.

    NAME is a model of sat-zoo list, hf-hub:ORG/NAME[@REVISION], robustbench:DATA/THREAT/NAME or
    torchvision:MODEL/WEIGHTS.
    """
    model = wanted(name)
    for fault in brought().about(name):
        remark(fault)
    if as_json:
        click.echo(model.card.model_dump_json(indent=2))
        return
    rows = ((Text(label, style="bold"), value) for label, value in _facts(model))
    print_table(
        (TableColumn("fact"), TableColumn("value", is_prose=True)), rows, stdout(), has_head=False
    )


METHODS = {"sat": "smooth adversarial training", "at": "adversarial training"}


def _facts(model: Wanted) -> list[tuple[str, str]]:
    info, spec = model.card, model.card.input
    facts = [
        ("model", info.name),
        ("architecture", f"{info.arch}, activation {info.activation}"),
        ("method", METHODS.get(info.method, "not known here")),
        ("data", f"{info.dataset or 'not said'}, {info.classes} classes"),
        ("parameters", f"{info.parameters:,}" if info.parameters else "counted when it is built"),
        ("multiply-adds", f"{info.flops:,}" if info.flops is not None else UNKNOWN),
        ("input", f"{spec.channels} x {spec.size} x {spec.size} in [0, 1]"),
        ("preprocessing", _preprocessing(spec)),
        ("threat model", f"{info.threat.norm}, eps {info.threat.eps}" if info.threat else UNKNOWN),
        ("weights", _weights(model)),
        ("recipe", f"zoo/families/{info.family}/{info.recipe}" if info.recipe else UNKNOWN),
    ]
    package = package_of(info.name)
    facts += [("package", f"brought by {package}, not by the zoo")] if package else []
    known = accuracies([info])[info.name]
    ours = [one for one in (known.clean, known.robust) if one is not None and not one.is_claimed]
    facts += [("measured", _measured(one)) for one in ours]
    claims = [("claimed", _claim(claim)) for claim in info.claims] or [("claimed", UNKNOWN)]
    return facts + claims + [("note", note) for note in info.notes]


def _preprocessing(spec: InputSpec) -> str:
    if spec.interpolation is None or spec.crop_pct is None:
        return spec.preprocess
    whole = math.floor(spec.size / spec.crop_pct)
    return f"{spec.preprocess}: {spec.interpolation} to {whole}, {spec.crop_mode} {spec.size}"


def _weights(model: Wanted) -> str:
    info = model.card
    if model.library is not None:
        return model.library.where()
    if isinstance(model.weights, Commit):
        return f"on the hub, in {model.weights.repo} at {model.weights.commit[:12]}"
    if model.weights is not None:
        return str(model.weights)
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


WHOSE = {"project": "by us", "submitter": "by a submitter", "unknown": "by whom is not known"}
"""Who measured a number."""


def _measured(found: KnownAccuracy) -> str:
    flags = f"; flagged: {', '.join(found.flags)}" if found.flags else ""
    of_whole = f" of {found.n_whole:,}" if found.is_of_part and found.n_whole else ""
    images = f" on {found.n:,}{of_whole} images" if found.n is not None else ""
    which = f" {short(found.fingerprint)}" if found.fingerprint else ""
    whose = WHOSE.get(found.measured_by or "", WHOSE["unknown"])
    what = f"{percent(found.accuracy)} % {found.attack}{which}{images}"
    return f"{what} ({whose}, {found.source}{flags})"


def _claim(claim: Claim) -> str:
    threat = f" at {claim.threat.norm} {claim.threat.eps}" if claim.threat else ""
    note = f"; {claim.note}" if claim.note else ""
    return f"{percent(claim.accuracy)} % {claim.protocol}{threat} ({claim.source}{note})"
