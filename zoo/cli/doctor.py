"""`sat-zoo doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from eval.errors import SatZooError, UsageError
from zoo.cli.golden import examine_golden
from zoo.cli.readings import examine_readings, readings_options, refuse_readings_options
from zoo.cli.shared.columns import wide_option
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import stdout

EXAMPLES = """\b
Examples:
  sat-zoo doctor
  sat-zoo doctor --data-dir ~/data
  sat-zoo doctor --quick --json > doctor.json
  sat-zoo doctor resnet8-silu-sat-digits
  sat-zoo doctor resnet50-silu-sat --data-dir ~/imagenet --checkpoint ~/Downloads/Res50-silu"""


@click.command(epilog=EXAMPLES)
@click.argument("name", required=False, shell_complete=complete_models)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data sets.")
@readings_options
@click.option("--weights", type=click.Path(path_type=Path), help="Of NAME: a safetensors file.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quick", is_flag=True, help="Leave out the throughput, which takes 3 seconds.")
def command(
    name: str | None,
    data_dir: Path | None,
    weights: Path | None,
    as_json: bool,
    quick: bool,
    **rest: Any,
) -> None:
    """Say what is here, what is missing and what to do about it.

    Software, extras, devices, throughput, the Hub, weights, data sets and free disk, each marked
    ok, not needed, missing or broken. Ends with 0 when the README's main command can run here, else
    with 1. Nothing is written, and no token is sent or shown.

    With the NAME of a model instead: whether it answers here as where its weights were made, on
    fixed tensors and on picture files, and if not what is probably done otherwise. Ends with 1 if
    it does not.

    With the NAME of an official model, and --data-dir, --data, --n or --checkpoint: from some
    hundred pictures of ImageNet, whether its checkpoint expects RGB or BGR, whether the weights or
    their moving averages are meant, and whether its classes are shifted. Is recorded beside
    imported weights; ends with 1 if these are read in another way than the pictures say.
    """
    if name is not None:
        if quick:
            raise UsageError(f"--quick is not for the NAME of a model: leave it or {name} out")
        asks = (data_dir, *(rest[one] for one in ("checkpoint", "data", "n")))
        if all(one is None for one in asks) and not rest["allow_partial"]:
            examine_golden(name, weights, rest["device"], as_json=as_json)
            return
        if weights is not None:
            raise UsageError(
                f"--weights {weights} is for golden logits: leave out what asks for data"
            )
        examine_readings(name, data_dir=data_dir, as_json=as_json, **rest)
        return
    refuse_readings_options({**rest, "weights": weights})
    from zoo.cli.shared.doctor_page import print_page
    from zoo.doctor import examine

    with Console(stderr=True).status("looking around"):
        diagnosis = examine(data_dir, quick=quick)
    if as_json:
        click.echo(diagnosis.to_json())
    else:
        print_page(diagnosis, stdout())
    job = diagnosis.default_job
    if not job.can_run:
        raise SatZooError(f"the default job, {job.command}, cannot run: {'. '.join(job.why_not)}")
