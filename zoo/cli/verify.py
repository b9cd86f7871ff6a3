"""`sat-zoo verify FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from eval.errors import ReportError, UsageError
from eval.files.border import border, is_file, plain
from eval.protocols import is_upper_bound
from eval.report.digest import what_images_follow_from
from eval.report.known import check_images, check_protocol
from eval.report.percent import percent_range
from eval.report.report import OPEN, Report
from eval.report.words import attack_of
from zoo.cli.shared.console import echo, say
from zoo.cli.shared.model import prefix_option
from zoo.foreign.stated import Stated
from zoo.pictures import images

EXAMPLES = """\b
Examples:
  sat-zoo verify report.json
  sat-zoo verify report.json --weights my.safetensors
  sat-zoo verify adversarial.safetensors
  sat-zoo verify adversarial.safetensors --report report.json
  sat-zoo verify adversarial.safetensors --data-dir ~/cifar10 --weights my.safetensors"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Of images: the report whose broken images they should be.",
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
def command(
    file: Path,
    report: Path | None,
    data_dir: Path | None,
    classes: Path | None,
    weights: Path | None,
    strip_prefix: str | None,
    batch_size: int,
    device: str,
) -> None:
    """Check a report, or saved adversarial images, without attacking again.

    Of a report every total is computed again from its verdicts; with --weights also whether it is
    of that very file, or of the same tensors in other bytes; ends with 1 if of neither.
    Adversarial images (eval --save-adversarial) are shown to the model once more: each must lie
    inside the ball and inside [0, 1] and be misclassified, and they must be all that the report
    in their file calls broken; with --report also those of that very report.
    """
    if not is_file(file):
        raise UsageError(
            f"{plain(str(file))} is not a file: name a report or a file of adversarial images"
        )
    stated = Stated(strip_prefix=strip_prefix)
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
    from eval.adversarial import AdversarialImages, recheck
    from zoo.loading import load_wanted
    from zoo.wanted import wanted

    found = AdversarialImages.read(path)
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
