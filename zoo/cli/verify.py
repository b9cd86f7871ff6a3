"""`sat-zoo verify FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from eval.errors import ReportError, UsageError
from eval.report.report import Report
from zoo.cli.shared.console import say
from zoo.cli.shared.model import prefix_option
from zoo.foreign.stated import Stated
from zoo.pictures import images

EXAMPLES = """\b
Examples:
  sat-zoo verify report.json
  sat-zoo verify report.json --weights my.safetensors
  sat-zoo verify adversarial.safetensors
  sat-zoo verify adversarial.safetensors --data-dir ~/cifar10 --weights my.safetensors"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
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
    inside the ball and inside [0, 1] and be misclassified.
    """
    if not file.is_file():
        raise UsageError(f"{file} is not a file: name a report or a file of adversarial images")
    if _is_safetensors(file):
        stated = Stated(strip_prefix=strip_prefix)
        _verify_images(file, data_dir, classes, weights, stated, batch_size, device)
    else:
        _verify_report(file, weights, strip_prefix)


def _is_safetensors(path: Path) -> bool:
    """The format begins with the length of its header, in 8 bytes, and the header's brace."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _verify_report(path: Path, weights: Path | None, strip_prefix: str | None) -> None:
    report = Report.read(path)
    if weights is None and strip_prefix is not None:
        raise UsageError(f"--strip-prefix {strip_prefix} is of --weights FILE: name the file too")
    n_stages = f"{len(report.stages)} stage{'' if len(report.stages) == 1 else 's'}"
    found = f"clean {report.clean.correct}"
    if report.robust is not None:
        found += f" and robust {report.robust.correct}"
    click.echo(
        f"{path}: every total follows from the verdicts: {report.model.name},"
        f" {report.protocol.name}, {found} of {report.data.n} images, their accuracies and"
        f" intervals, {n_stages if report.stages else 'no attack'}, the digest of the ids"
    )
    if weights is not None:
        from zoo.cli.verify_weights import compared

        click.echo(compared(path, report, weights, strip_prefix))


def _verify_images(
    path: Path,
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
    origin = found.origin
    try:
        model = wanted(origin.model, stated, weights=weights)
    except UsageError as error:
        raise UsageError(
            f"{path} is of {origin.model!r}, which sat-zoo cannot load by its name ({error}): check"
            " it in Python with eval.adversarial.recheck"
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
            f"{path}: {len(done.failed)} of {done.n} images are not adversarial, the first is that"
            f" of {image_id!r}: {reason}"
        )
    click.echo(
        f"{path}: all {done.n} adversarial images fool {origin.model} inside {origin.norm}"
        f" {origin.eps}; {done.n_broken_8bit} still do when stored in 8 bits"
    )
