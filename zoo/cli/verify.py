"""`sat-zoo verify FILE|NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eval.errors import ReportError, UsageError
from eval.files.border import border, is_file, plain
from eval.official import check_images
from eval.protocols import is_upper_bound
from eval.report.digest import what_images_follow_from
from eval.report.known import check_protocol
from eval.report.percent import percent_range
from eval.report.report import OPEN, Report
from eval.report.words import attack_of
from zoo.attest.envelope import is_attestation
from zoo.cli.shared.completing import complete_models_or_files
from zoo.cli.shared.console import echo, say
from zoo.cli.shared.model import prefix_option
from zoo.cli.verify_attestation import (
    refuse_signature_options,
    signature_options,
    verify_attestation,
)
from zoo.cli.verify_model import verify_model
from zoo.foreign.stated import Stated
from zoo.pictures import images
from zoo.registry import list_models
from zoo.wanted import HUB, Wanted, wanted

EXAMPLES = """\b
Examples:
  sat-zoo verify report.json
  sat-zoo verify report.json --weights my.safetensors
  sat-zoo verify adversarial.safetensors
  sat-zoo verify adversarial.safetensors --report report.json
  sat-zoo verify adversarial.safetensors --data-dir ~/cifar10 --weights my.safetensors
  sat-zoo verify report.att.json --public-key key.pub
  sat-zoo verify resnet8-silu-sat-digits
  sat-zoo verify hf-hub:ORG/NAME --data-dir ~/cifar10"""


@click.command(epilog=EXAMPLES)
@click.argument(
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE|NAME",
    shell_complete=complete_models_or_files,
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Of images: the report whose broken images they should be. Of an attestation: the report.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--classes",
    type=click.Path(path_type=Path),
    help="The list of classes that eval was given for a folder of pictures.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Of a report: the safetensors file that it should be of. Of images: the file to use.",
)
@prefix_option
@click.option("--batch-size", type=int, default=128, show_default=True, help="Images in one pass.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ...")
@signature_options
def command(
    file: Path,
    report: Path | None,
    data_dir: Path | None,
    classes: Path | None,
    weights: Path | None,
    strip_prefix: str | None,
    batch_size: int,
    device: str,
    **signer: Any,
) -> None:
    """Check a report, adversarial images, an attestation or a model's evidence, without an attack.

    Of a report every total is computed again from its verdicts; with --weights also whether it is
    of that very file, or of the same tensors in other bytes; ends with 1 if of neither.
    Adversarial images (eval --save-adversarial) are shown to the model once more: each must lie
    inside the ball and inside [0, 1] and be misclassified, and they must be all that the report
    in their file calls broken; with --report also those of that very report.
    An attestation (sat-zoo attest) must be signed by the key, or the identity, that is named, and
    agree with the report, and with the weights and data that are here.
    Of a model's NAME, or hf-hub:ORG/NAME, every file of evidence is shown to its weights, and with
    the data every clean image too: a sentence says which upper bound of the robust accuracy that
    confirms, and what it does not.
    """
    if is_file(file) and is_attestation(file):
        places: dict[str, Any] = {"data_dir": data_dir, "classes": classes, "weights": weights}
        path = verify_attestation(file, report, strip_prefix=strip_prefix, **places, **signer)
        _verify_report(path, None, None)
        return
    refuse_signature_options(file, signer)
    stated = Stated(strip_prefix=strip_prefix)
    if not is_file(file):
        model = _model(file, stated, weights)
        if report is not None:
            raise UsageError(f"--report {report} is for a file of adversarial images: leave it out")
        verify_model(
            model, data_dir=data_dir, classes=classes, batch_size=batch_size, device=device
        )
        return
    if _is_safetensors(file):
        _verify_images(file, report, data_dir, classes, weights, stated, batch_size, device)
    elif report is not None:
        raise UsageError(f"--report {report} is for a file of adversarial images: leave it out")
    else:
        for option, value in (("--data-dir", data_dir), ("--classes", classes)):
            if value is not None:
                raise UsageError(
                    f"{option} {value} is for a file of adversarial images, and {file} is a"
                    " report: leave it out"
                )
        _verify_report(file, weights, strip_prefix)


def _model(name: Path, stated: Stated, weights: Path | None) -> Wanted:
    """The model of this name; raises `UsageError` for what is neither that nor a file."""
    is_hub = str(name).startswith(HUB)
    if not is_hub and str(name) not in list_models():
        raise UsageError(
            f"{plain(str(name))} is not a file: name a report or a file of adversarial images, or a"
            " model of sat-zoo list"
        )
    return wanted(str(name), stated, weights=weights)


def _is_safetensors(path: Path) -> bool:
    """The format begins with the length of its header, in 8 bytes, and the header's brace."""
    with border(path, ReportError, "name a file that can be read"), path.open("rb") as file:
        start = file.read(9)
        return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _verify_report(path: Path, weights: Path | None, strip_prefix: str | None) -> None:
    report = Report.read(path)
    try:
        check_protocol(report)
        check_images(report)
    except ReportError as error:
        raise ReportError(f"report {plain(str(path))}: {error}") from error
    if weights is None and strip_prefix is not None:
        raise UsageError(f"--strip-prefix {strip_prefix} is of --weights FILE: name the file too")
    n_stages = f"{len(report.stages)} stage{'' if len(report.stages) == 1 else 's'}"
    found = f"clean {report.clean.correct}"
    if report.robust is not None:
        bound = " (an upper bound)" if is_upper_bound(report.protocol.name) else ""
        found += f" and robust {report.robust.correct}{bound}"
    if report.estimate is not None:
        n_open = report.images.verdicts.count(OPEN)
        found += f", {n_open} open, so robust {percent_range(*report.estimate.full_run)} %,"
    echo(
        f"{plain(str(path))}: every total follows from the verdicts: {plain(report.model.name)},"
        f" {plain(attack_of(report))}, {found} of {report.data.n} images, their accuracies and"
        f" intervals, {n_stages if report.stages else 'no attack'}, the digest of the ids; digest"
        f" {what_images_follow_from(report)}"
    )
    if weights is not None:
        from zoo.cli.verify_weights import compared

        echo(compared(path, report, weights, strip_prefix))


def _verify_images(
    path: Path,
    report: Path | None,
    data_dir: Path | None,
    classes: Path | None,
    weights: Path | None,
    stated: Stated,
    batch_size: int,
    device: str,
) -> None:
    from eval.adversarial import recheck
    from eval.evidence.file import read_evidence
    from zoo.loading import load_wanted

    found = read_evidence(path).images
    origin, shown = found.origin, plain(str(path))
    if report is not None:
        _check_same(shown, origin.report_sha256, report)
    if found.n_broken > len(origin.ids):
        raise ReportError(
            f"{shown} holds {len(origin.ids)} of the {found.n_broken} images that its report calls"
            " broken: write it again with sat-zoo eval --save-adversarial"
        )
    try:
        model = wanted(origin.model, stated, weights=weights)
    except UsageError as error:
        raise UsageError(
            f"{shown} is of '{plain(origin.model)}', which sat-zoo cannot load by its name"
            f" ({error}): check it in Python with eval.adversarial.recheck"
        ) from error
    data = images(
        model.card,
        data=origin.data.removesuffix("-partial"),
        data_dir=data_dir,
        classes=classes,
        allow_partial=origin.data.endswith("-partial"),
        on_message=say,
    )
    network = load_wanted(model, device=device)
    done = recheck(found, network, data, batch_size=batch_size, device=device)
    if done.failed:
        image_id, reason = next(iter(done.failed.items()))
        raise ReportError(
            f"{shown}: {len(done.failed)} of {done.n} images are not adversarial, the first is that"
            f" of {image_id!r}: {reason}"
        )
    _check_8bit(shown, done.n_broken_8bit, found.report)
    echo(
        f"{shown}: all {done.n} adversarial images, of {found.n_broken} that its report calls"
        f" broken, fool {plain(origin.model)} inside {origin.norm} {origin.eps};"
        f" {done.n_broken_8bit} still do when stored in 8 bits; digest {origin.report_sha256}"
    )


def _check_same(shown: str, digest: str, path: Path) -> None:
    """Raises `ReportError` if the images are not those of the report in `path`."""
    wanted = what_images_follow_from(Report.read(path))
    if digest != wanted:
        raise ReportError(
            f"{shown} is of a report with the digest {digest[:12]}, {plain(str(path))} has"
            f" {wanted[:12]}: these are not the images of that report"
        )


def _check_8bit(shown: str, n: int, report: Report) -> None:
    said = report.survive_8bit.broken_after_rounding
    if n != said:
        raise ReportError(
            f"{shown}: {n} images still fool the model when stored in 8 bits, but its report says"
            f" {said}: check on the device that it was made on, {plain(report.engine.device)}"
        )
